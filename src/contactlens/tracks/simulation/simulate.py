"""Simulated tracks with their truth: polymer, contact, promoter, polymerases, MS2 and the microscope."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import DISTANCE_COLUMN, VECTOR_COLUMNS, Driver, TrackSet, Truth
from contactlens.tracks.simulation.ms2 import burst_response, polymerase_response, signal_of
from contactlens.tracks.simulation.promoter import Bursts, Events, load_polymerases, poisson_events, switch
from contactlens.tracks.simulation.rouse import RouseChain, SeparationSampler

CHUNK = 200  # tracks drawn at once; part of what a seed means
SOURCE = "simulated"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SimulationConfig:
    """Parameters of the simulation, near the literature; a rate is per second, a length in nm.

    n_tracks, n_frames: tracks and frames of each; 601 frames of 30 s are 5 h
    n_groups: experiments that the tracks are dealt to in turn
    frame_interval_s: 30 s as in two-locus imaging of mouse ES cells (Mach et al., Nat. Genet. 2022); 20-30 s is usual
        (Gabriele et al., Science 2022: 20 s; Bruckner et al., Science 2023: 28 s)
    substeps_per_frame: contact is sampled this much finer than the frame (3 s)
    contact_radius_nm: 100 nm, the order at which simulated and imaged loci are called in contact (150 nm in Mach et
        al. 2022; microscopy resolves no less)
    mean_distance_nm: 300 nm, the order for loci of some 100 kb (Mach et al. 2022; Gabriele et al. 2022)
    msd_amplitude_nm2_per_sqrt_s: 4,000 nm^2 s^-1/2 = 0.004 um^2 s^-1/2 with Rouse's exponent 1/2, within the range
        of some 10^-3 to 10^-2 of two-locus MSDs in live cells (Gabriele et al. 2022; Bruckner et al. 2023)
    beads, loci: a chain of 500 beads with the loci 100 bonds apart and away from the ends; a discretisation, fine
        enough for the MSD to be within 1 % of an infinite chain's from 3 s on
    k_on_per_s: candidate on-events, one in 15 s: a choice, fast enough for contact and not initiation to be limiting,
        the regime in which contact is visible in MS2 at all (a visit below the radius lasts some 7 s, and visits come
        in clusters)
    k_off_per_s: bursts of 3 min on average, the order found in fly embryos (Lammers et al., PNAS 2020; Zoller et al.,
        Cell 2018)
    loading_rate_per_s: one polymerase in 6 s while on, the order of Garcia et al. (Curr. Biol. 2013) and Lammers et al.
    ms2_ramp_s, ms2_dwell_s: 28 s and 140 s, the loop and whole-gene elongation times of the eve reporter in Lammers et
        al. 2020 (1.4 and 7 steps of 20 s)
    polymerase_signal: signal of one polymerase, which sets the arbitrary unit
    localisation_noise_nm: SD of the measured separation along x, y, z; 30 nm each, the order of sub-diffraction
        localisation of two colours
    ms2_noise: SD of the signal's noise, 2 polymerases: about a tenth of a fully loaded gene
    bleaching_time_s: decay time of the signal by bleaching; none where null
    missing_fraction: share of frames that were not observed, at random
    """

    n_tracks: int = 1000
    n_frames: int = 601
    n_groups: int = 20
    frame_interval_s: float = 30.0
    substeps_per_frame: int = 10
    contact_radius_nm: float = 100.0
    mean_distance_nm: float = 300.0
    msd_amplitude_nm2_per_sqrt_s: float = 4e3
    beads: int = 500
    loci: tuple[int, int] = (200, 300)
    k_on_per_s: float = 1 / 15
    k_off_per_s: float = 1 / 180
    loading_rate_per_s: float = 1 / 6
    ms2_ramp_s: float = 28.0
    ms2_dwell_s: float = 140.0
    polymerase_signal: float = 1.0
    localisation_noise_nm: tuple[float, float, float] = (30.0, 30.0, 30.0)
    ms2_noise: float = 2.0
    bleaching_time_s: float | None = None
    missing_fraction: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_tracks", "n_frames", "n_groups", "substeps_per_frame", "beads"):
            value = getattr(self, name)
            self._require(name, isinstance(value, int) and value >= 1, "must be a whole number, at least 1")
        positive = ("frame_interval_s", "contact_radius_nm", "mean_distance_nm", "msd_amplitude_nm2_per_sqrt_s")
        for name in (*positive, "k_on_per_s", "k_off_per_s", "loading_rate_per_s", "polymerase_signal"):
            self._require(name, 0 < getattr(self, name) < np.inf, "must be positive and finite")
        self._require("ms2_dwell_s", 0 < self.ms2_dwell_s < np.inf, "must be positive and finite")
        self._require("ms2_ramp_s", 0 < self.ms2_ramp_s <= self.ms2_dwell_s, "must lie in (0, ms2_dwell_s]")
        self._require("ms2_noise", 0 <= self.ms2_noise < np.inf, "must be finite and not negative")
        noise = self.localisation_noise_nm
        holds = len(noise) == 3 and all(0 <= sd < np.inf for sd in noise)
        self._require("localisation_noise_nm", holds, "must be three finite numbers, none negative")
        self._require("missing_fraction", 0 <= self.missing_fraction < 1, "must lie in [0, 1)")
        bleaching = self.bleaching_time_s
        self._require("bleaching_time_s", bleaching is None or bleaching > 0, "must be positive or null")
        holds = len(self.loci) == 2 and 0 <= self.loci[0] < self.loci[1] < self.beads
        self._require("loci", holds, f"must be two beads in order, below beads = {self.beads}")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise InputError(f"simulate.{name}: {rule}, got {getattr(self, name)}")

    @property
    def chain(self) -> RouseChain:
        return RouseChain(self.beads, self.loci, self.mean_distance_nm, self.msd_amplitude_nm2_per_sqrt_s)

    @property
    def duration_s(self) -> float:
        return (self.n_frames - 1) * self.frame_interval_s

    @property
    def burn_in_frames(self) -> int:
        """Frames simulated before the first, so that promoter and MS2 start in their stationary state."""
        return int(np.ceil((10 / self.k_off_per_s + self.ms2_dwell_s) / self.frame_interval_s))


def polymerase_kernel(config: SimulationConfig, lag_s: Floats) -> Floats:
    """Signal (a.u.) of one polymerase at each lag after it was loaded."""
    return config.polymerase_signal * polymerase_response(lag_s, config.ms2_ramp_s, config.ms2_dwell_s)


def contact_kernel(config: SimulationConfig, lag_s: Floats) -> Floats:
    """Mean signal (a.u.) at each lag after a contact that switched the promoter on; 0 before it."""
    response = burst_response(lag_s, config.ms2_ramp_s, config.ms2_dwell_s, config.k_off_per_s)
    return config.polymerase_signal * config.loading_rate_per_s * response


def simulation_of(track_set: TrackSet) -> SimulationConfig | None:
    """The configuration that simulated a track set; None for tracks that were not simulated here."""
    if track_set.source != SOURCE or track_set.truth is None:
        return None
    parameters = track_set.truth.parameters
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in parameters.items()}
    return SimulationConfig(**values)


def simulate(config: SimulationConfig, seed: int) -> TrackSet:
    """A track set of `config.n_tracks` tracks with its truth; the same seed gives the same bytes.

    Times in the truth count from frame 0; a burst or a polymerase that began before it has a negative time.
    """
    n_times = (config.burn_in_frames + config.n_frames - 1) * config.substeps_per_frame + 1
    sampler = SeparationSampler(config.chain, n_times, config.frame_interval_s / config.substeps_per_frame)
    starts = range(0, config.n_tracks, CHUNK)
    streams = np.random.SeedSequence(seed).spawn(len(starts))
    chunks = [
        _simulate_chunk(config, sampler, start, min(CHUNK, config.n_tracks - start), np.random.default_rng(stream))
        for start, stream in zip(starts, streams, strict=True)
    ]
    tables = {name: pd.concat([chunk[name] for chunk in chunks], ignore_index=True) for name in chunks[0]}
    frames = tables.pop("frames")
    truth = Truth(**tables, parameters=_plain(asdict(config)))
    return TrackSet(frames, config.frame_interval_s, Driver("vector", "E-P distance", "nm"), "a.u.", SOURCE, truth)


def _simulate_chunk(
    config: SimulationConfig, sampler: SeparationSampler, first: int, n: int, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Tracks `first` to `first + n`: the frames and the tables of the truth."""
    path = sampler.draw(n, rng)  # (n, 3, n_times)
    squared = np.einsum("nat,nat->nt", path, path)
    start_s = -config.burn_in_frames * config.frame_interval_s
    candidates = poisson_events(config.k_on_per_s, n, start_s, config.duration_s, rng)
    step_s = config.frame_interval_s / config.substeps_per_frame
    substep = ((candidates.time_s - start_s) / step_s).astype(np.int64)
    in_contact = squared[candidates.track, substep] < config.contact_radius_nm**2
    bursts = switch(candidates, in_contact, config.k_off_per_s, n, rng)
    loading = load_polymerases(bursts, config.loading_rate_per_s, config.duration_s, rng)
    separation = path[:, :, config.burn_in_frames * config.substeps_per_frame :: config.substeps_per_frame]
    names = np.array([f"t{i:06d}" for i in range(first, first + n)], dtype=object)
    groups = np.array([f"experiment_{i % config.n_groups:02d}" for i in range(first, first + n)], dtype=object)
    effective = np.zeros(candidates.time_s.size, dtype=bool)
    effective[bursts.candidate] = True
    during = candidates.time_s >= 0
    visible = loading.keep(loading.time_s > -config.ms2_dwell_s)
    return {
        "frames": _observe(config, separation.astype(np.float64), loading, names, groups, rng),
        "separation": _separation_table(separation.astype(np.float64), names),
        "promoter_state": _burst_table(bursts, names),
        "on_events": _event_table(candidates.keep(during), names).assign(effective=effective[during]),
        "pol2_loading": _event_table(visible, names),
    }


def _observe(
    config: SimulationConfig,
    separation: Floats,
    loading: Events,
    names: NDArray[Any],
    groups: NDArray[Any],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """What the microscope gives: noisy separation and MS2, less the frames that are missing."""
    n, _, n_frames = separation.shape
    noise = np.asarray(config.localisation_noise_nm)[:, None]
    measured = separation + noise * rng.standard_normal(separation.shape)
    time_s = np.arange(n_frames) * config.frame_interval_s
    clean = signal_of(loading, n, n_frames, config.frame_interval_s, config.ms2_ramp_s, config.ms2_dwell_s)
    clean *= config.polymerase_signal
    if config.bleaching_time_s is not None:
        clean *= np.exp(-time_s / config.bleaching_time_s)
    signal = clean + config.ms2_noise * rng.standard_normal(clean.shape)
    table = _separation_table(measured, names)
    table.insert(1, "group", np.repeat(groups, n_frames))
    table.insert(3, "time_s", np.tile(time_s, n))
    table["ms2"] = signal.ravel()
    seen = rng.uniform(size=len(table)) >= config.missing_fraction
    return table[seen]


def _separation_table(separation: Floats, names: NDArray[Any]) -> pd.DataFrame:
    n, _, n_frames = separation.shape
    table = pd.DataFrame({"track_id": np.repeat(names, n_frames), "frame": np.tile(np.arange(n_frames), n)})
    for axis, column in enumerate(VECTOR_COLUMNS):
        table[column] = separation[:, axis].ravel()
    table[DISTANCE_COLUMN] = np.linalg.norm(separation, axis=1).ravel()
    return table


def _burst_table(bursts: Bursts, names: NDArray[Any]) -> pd.DataFrame:
    """Bursts that reach into the imaged time."""
    kept = bursts.end_s > 0
    columns = {"start_s": bursts.start_s[kept], "end_s": bursts.end_s[kept]}
    return pd.DataFrame({"track_id": names[bursts.track[kept]], **columns})


def _event_table(events: Events, names: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame({"track_id": names[events.track], "time_s": events.time_s})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
