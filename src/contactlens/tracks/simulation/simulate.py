"""Simulated tracks with their truth, as a track set."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.tracks.data.track_set import DISTANCE_COLUMN, VECTOR_COLUMNS, Driver, TrackSet, Truth
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import Experiment, simulate_chunks
from contactlens.tracks.simulation.ms2 import burst_response, polymerase_response
from contactlens.tracks.simulation.promoter import Bursts, Events

SOURCE = "simulated"
Floats = NDArray[np.float64]


def polymerase_kernel(config: SimulationConfig, lag_s: Floats) -> Floats:
    """Signal (a.u.) of one polymerase at each lag after it was loaded."""
    return config.polymerase_signal * polymerase_response(lag_s, config.ms2_ramp_s, config.ms2_dwell_s)


def contact_kernel(config: SimulationConfig, lag_s: Floats) -> Floats:
    """Mean signal (a.u.) at each lag after a contact that switched the promoter on; 0 before it."""
    into_burst_s = lag_s - config.activation_delay_s
    response = burst_response(into_burst_s, config.ms2_ramp_s, config.ms2_dwell_s, config.k_off_per_s)
    return config.polymerase_signal * config.loading_rate_per_s * response


def state_kernel(config: SimulationConfig, lag_s: Floats) -> Floats:
    """Probability that the promoter is on at each lag >= 0 after a contact that switched it on."""
    into_burst_s = lag_s - config.activation_delay_s
    return np.where(into_burst_s >= 0, np.exp(-config.k_off_per_s * np.clip(into_burst_s, 0, None)), 0.0)


def simulation_of(track_set: TrackSet) -> SimulationConfig | None:
    """The configuration that simulated a track set; None for tracks that were not simulated here."""
    if track_set.source != SOURCE or track_set.truth is None:
        return None
    return SimulationConfig.from_record(track_set.truth.parameters)


def simulate(config: SimulationConfig, seed: int) -> TrackSet:
    """A track set of `config.n_tracks` tracks with its truth; the same seed gives the same bytes.

    Times in the truth count from frame 0; a burst or a polymerase that began before it has a negative time.
    """
    names = np.array([f"t{i:06d}" for i in range(config.n_tracks)], dtype=object)
    groups = np.array([f"experiment_{i % config.n_groups:02d}" for i in range(config.n_tracks)], dtype=object)
    chunks, first = [], 0
    for experiment in simulate_chunks(config, seed):
        own = slice(first, first + len(experiment.ms2))
        chunks.append(_tables(config, experiment, names[own], groups[own]))
        first = own.stop
    tables = {name: pd.concat([chunk[name] for chunk in chunks], ignore_index=True) for name in chunks[0]}
    frames = tables.pop("frames")
    truth = Truth(**tables, parameters=config.recorded())
    return TrackSet(frames, config.frame_interval_s, Driver("vector", "E-P distance", "nm"), "a.u.", SOURCE, truth)


def _tables(
    config: SimulationConfig, experiment: Experiment, names: NDArray[Any], groups: NDArray[Any]
) -> dict[str, pd.DataFrame]:
    """The frames and the tables of the truth, of tracks so named."""
    candidates, loading = experiment.candidates, experiment.loading
    effective = np.zeros(candidates.time_s.size, dtype=bool)
    effective[experiment.bursts.candidate] = True
    during = candidates.time_s >= 0
    visible = loading.keep(loading.time_s > -config.ms2_dwell_s)
    return {
        "frames": _frame_table(experiment, names, groups),
        "separation": _separation_table(experiment.true_separation_nm, names),
        "promoter_state": _burst_table(experiment.bursts, config.duration_s, names),
        "on_events": _event_table(candidates.keep(during), names).assign(effective=effective[during]),
        "pol2_loading": _event_table(visible, names),
    }


def _frame_table(experiment: Experiment, names: NDArray[Any], groups: NDArray[Any]) -> pd.DataFrame:
    """What was measured, less the frames that were missed."""
    n, n_frames = experiment.ms2.shape
    table = _separation_table(experiment.separation_nm, names)
    table.insert(1, "group", np.repeat(groups, n_frames))
    table.insert(3, "time_s", np.tile(experiment.time_s, n))
    table["ms2"] = experiment.ms2.ravel()
    return table[experiment.observed.ravel()]


def _separation_table(separation: Floats, names: NDArray[Any]) -> pd.DataFrame:
    n, _, n_frames = separation.shape
    table = pd.DataFrame({"track_id": np.repeat(names, n_frames), "frame": np.tile(np.arange(n_frames), n)})
    for axis, column in enumerate(VECTOR_COLUMNS):
        table[column] = separation[:, axis].ravel()
    table[DISTANCE_COLUMN] = np.linalg.norm(separation, axis=1).ravel()
    return table


def _burst_table(bursts: Bursts, duration_s: float, names: NDArray[Any]) -> pd.DataFrame:
    """Bursts that reach into the imaged time."""
    kept = (bursts.end_s > 0) & (bursts.start_s < duration_s)
    columns = {"start_s": bursts.start_s[kept], "end_s": bursts.end_s[kept]}
    return pd.DataFrame({"track_id": names[bursts.track[kept]], **columns})


def _event_table(events: Events, names: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame({"track_id": names[events.track], "time_s": events.time_s})
