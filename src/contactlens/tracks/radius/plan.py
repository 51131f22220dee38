"""What interval to expect before the experiment is done: simulated experiments of a planned size, measured."""

from dataclasses import dataclass, replace

import numpy as np

from contactlens.base.progress import counting
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.radius.measure import measure_interval, prepare, stated
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import Experiment, simulate_arrays
from contactlens.tracks.simulation.reporter import Reporter


@dataclass(frozen=True)
class PlanRow:
    """One simulated experiment: its true radius, its onsets within the film, and the interval it gave, nm."""

    radius_nm: float
    tracks: int
    frames: int
    frame_interval_s: float
    onsets: int
    estimate_nm: float
    low_nm: float
    high_nm: float
    upper_bound: bool


def observations_of(experiment: Experiment) -> Observations:
    """What the microscope saw of a simulated experiment."""
    n = len(experiment.ms2)
    driver = np.where(experiment.observed[:, :, None], experiment.separation_nm.transpose(0, 2, 1), np.nan)
    signal = np.where(experiment.observed, experiment.ms2, np.nan)
    return Observations(driver, signal, experiment.frame_interval_s, "vector", np.zeros(n, dtype=np.int64))


def plan(
    config: SimulationConfig, settings: RadiusConfig, radii_nm: list[float], repeats: int, seed: int
) -> list[PlanRow]:
    """`repeats` experiments at each radius, of the planned tracks, frames and interval; the localisation noise is told.

    config: of the planned experiment; its radius is replaced
    """
    reporter = Reporter.of(config)
    noise = float(np.sqrt(np.mean(config.separation_noise_nm**2)))
    settings = replace(settings, tracks=None, localisation_noise_nm=noise, substeps=config.substeps_per_frame)
    settings = replace(settings, between_substeps=config.contact_between_substeps)
    rows = []
    with counting("experiments", len(radii_nm) * repeats) as count:
        for radius in radii_nm:
            for repeat in range(repeats):
                own = replace(config, contact_radius_nm=radius)
                rng = np.random.default_rng([seed, round(1000 * radius), repeat])
                experiment = simulate_arrays(own, int(rng.integers(2**31)))
                prepared = prepare(observations_of(experiment), reporter, settings, seed + repeat)
                answer = stated(measure_interval(prepared, settings), settings.level)
                onsets = int((experiment.bursts.start_s > 0).sum())
                shape = (own.n_tracks, own.n_frames, own.frame_interval_s)
                rows.append(PlanRow(radius, *shape, onsets, answer.estimate, answer.low, answer.high, answer.is_bound))
                count.to(len(rows))
    return rows
