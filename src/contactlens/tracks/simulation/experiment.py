"""A simulated experiment as arrays: polymer, promoter, polymerases and microscope. Needs numpy and scipy alone.

`simulate_arrays` is the whole generator; `simulate.py` makes the tables of a track set from what it gives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.contact import Bridge, mean_effect_probability, takes_effect
from contactlens.tracks.simulation.exposure import ExposedSampler
from contactlens.tracks.simulation.microscope import observe
from contactlens.tracks.simulation.promoter import (
    Bursts,
    Events,
    load_polymerases,
    load_with_dispersion,
    poisson_events,
    switch,
)
from contactlens.tracks.simulation.rouse import Motion, RelaxingMotion, SeparationSampler

CHUNK = 200  # tracks drawn at once; part of what a seed means
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Experiment:
    """N tracks of T frames. Times (s) count from frame 0; what happened before it has a negative time.

    separation_nm (N, 3, T), ms2 (N, T): as measured, also where the frame was missed; observed (N, T): where it was not
    true_separation_nm (N, 3, T): without exposure, noise, drift and cross-talk
    candidates, bursts, loading: candidate on-events, on-intervals and loaded polymerases, from the burn-in on
    loading_rate_per_s (N,): while on; responsive (N,): whether the promoter can switch on at all
    """

    frame_interval_s: float
    separation_nm: Floats
    ms2: Floats
    observed: Bools
    true_separation_nm: Floats
    candidates: Events
    bursts: Bursts
    loading: Events
    loading_rate_per_s: Floats
    responsive: Bools

    @property
    def time_s(self) -> Floats:
        return np.arange(self.ms2.shape[1], dtype=np.float64) * self.frame_interval_s

    @property
    def distance_nm(self) -> Floats:
        """(N, T) measured distance."""
        return np.asarray(np.linalg.norm(self.separation_nm, axis=1))

    @property
    def promoter_on(self) -> Bools:
        """(N, T) whether the promoter is on at each frame."""
        n, n_frames = self.ms2.shape
        change = np.zeros((n, n_frames + 1), dtype=np.int64)
        for step, time in ((1, self.bursts.start_s), (-1, self.bursts.end_s)):
            frame = np.clip(np.ceil(time / self.frame_interval_s), 0, n_frames).astype(np.int64)
            np.add.at(change, (self.bursts.track, frame), step)
        return np.asarray(np.cumsum(change[:, :-1], axis=1) > 0)


class Promoted(NamedTuple):
    """What promoters and polymerases did, as in `Experiment`."""

    candidates: Events
    bursts: Bursts
    loading: Events
    loading_rate_per_s: Floats
    responsive: Bools


def sampler_of(config: SimulationConfig, motion: Motion | None = None) -> SeparationSampler:
    """The sampler of the paths that `config` needs, of its own polymer or of another motion. Experiments that share
    polymer, times and exposure can share one; it takes longer to make than to draw a few paths from.

    motion: such as one that was fitted to tracks (`contactlens.tracks.data.motion`)

    Raises ValueError where there is an exposure and the motion's covariance is no sum of exponentials.
    """
    n_times = (config.burn_in_frames + config.n_frames - 1) * config.substeps_per_frame + 1
    step_s = config.frame_interval_s / config.substeps_per_frame
    motion = config.chain if motion is None else motion
    if config.exposure_s > 0:
        if not isinstance(motion, RelaxingMotion):
            raise ValueError("motion blur needs a motion whose covariance is a sum of exponentials")
        return ExposedSampler(motion, n_times, step_s, config.exposure_s)
    return SeparationSampler(motion, n_times, step_s)


def simulate_arrays(config: SimulationConfig, seed: int, sampler: SeparationSampler | None = None) -> Experiment:
    """An experiment of `config.n_tracks` tracks; the same seed gives the same bytes.

    sampler: of `sampler_of`, made here where it is not given
    """
    chunks = list(simulate_chunks(config, seed, sampler))
    offsets = np.cumsum([0, *(len(chunk.ms2) for chunk in chunks)])
    candidates_before = np.cumsum([0, *(chunk.candidates.track.size for chunk in chunks)])
    bursts = [chunk.bursts for chunk in chunks]
    return Experiment(
        config.frame_interval_s,
        separation_nm=np.concatenate([chunk.separation_nm for chunk in chunks]),
        ms2=np.concatenate([chunk.ms2 for chunk in chunks]),
        observed=np.concatenate([chunk.observed for chunk in chunks]),
        true_separation_nm=np.concatenate([chunk.true_separation_nm for chunk in chunks]),
        candidates=_joined([chunk.candidates for chunk in chunks], offsets),
        bursts=Bursts(
            np.concatenate([b.track + first for b, first in zip(bursts, offsets, strict=False)]),
            np.concatenate([b.start_s for b in bursts]),
            np.concatenate([b.end_s for b in bursts]),
            np.concatenate([b.candidate + first for b, first in zip(bursts, candidates_before, strict=False)]),
        ),
        loading=_joined([chunk.loading for chunk in chunks], offsets),
        loading_rate_per_s=np.concatenate([chunk.loading_rate_per_s for chunk in chunks]),
        responsive=np.concatenate([chunk.responsive for chunk in chunks]),
    )


def simulate_chunks(
    config: SimulationConfig, seed: int, sampler: SeparationSampler | None = None
) -> Iterator[Experiment]:
    """As `simulate_arrays`, `CHUNK` tracks at a time: what is held in memory at once."""
    sampler = sampler_of(config) if sampler is None else sampler
    starts = range(0, config.n_tracks, CHUNK)
    streams = np.random.SeedSequence(seed).spawn(len(starts))
    for start, stream in zip(starts, streams, strict=True):
        yield _simulate_chunk(config, sampler, min(CHUNK, config.n_tracks - start), stream)


def _simulate_chunk(
    config: SimulationConfig, sampler: SeparationSampler, n: int, stream: np.random.SeedSequence
) -> Experiment:
    """What is absent by default draws from streams of its own, so that adding it leaves all else as it was."""
    rng = np.random.default_rng(stream)
    cells, blur, optics = (np.random.default_rng(own) for own in stream.spawn(3))
    if isinstance(sampler, ExposedSampler):
        path, exposed = sampler.draw_exposed(n, rng, blur)
    else:
        path = exposed = sampler.draw(n, rng)  # (n, 3, n_times)
    promoted = promote(config, sampler.motion, path, rng, cells)
    frames = slice(config.burn_in_frames * config.substeps_per_frame, None, config.substeps_per_frame)
    true = path[:, :, frames].astype(np.float64)
    position = true if exposed is path else exposed[:, :, frames].astype(np.float64)
    measured, ms2 = observe(config, position, promoted.loading, rng, optics)
    observed = (rng.uniform(size=ms2.size) >= config.missing_fraction).reshape(ms2.shape)
    return Experiment(config.frame_interval_s, measured, ms2, observed, true, *promoted)


def promote(
    config: SimulationConfig,
    motion: Motion,
    path: NDArray[np.float32],
    rng: np.random.Generator,
    cells: np.random.Generator,
) -> Promoted:
    """What promoters and polymerases do while the loci move along path (N, 3, sub-steps; nm), which begins with the
    burn-in; `cells` draws what is absent by default."""
    n = len(path)
    candidates, able, first_steps, responsive = _candidates(config, motion, path, rng, cells)
    bursts = switch(
        candidates, able, config.k_off_per_s, n, rng, config.activation_steps, config.activation_delay_s, first_steps
    )
    rate = np.full(n, config.loading_rate_per_s)
    if config.loading_cv_between_tracks > 0:
        spread = config.loading_cv_between_tracks**2
        rate *= cells.gamma(1 / spread, spread, size=n)
    return Promoted(candidates, bursts, _load(config, bursts, rate, rng), rate, responsive)


def _candidates(
    config: SimulationConfig,
    motion: Motion,
    path: NDArray[np.float32],
    rng: np.random.Generator,
    cells: np.random.Generator,
) -> tuple[Events, Bools, NDArray[np.int64] | None, Bools]:
    """The candidate on-events; which of them take effect; how many of these the first burst of each track takes; and
    which tracks respond at all."""
    n = len(path)
    start_s = -config.burn_in_frames * config.frame_interval_s
    candidates = poisson_events(config.k_on_per_s, n, start_s, config.duration_s, rng)
    step_s = config.frame_interval_s / config.substeps_per_frame
    bridge = Bridge(motion, step_s) if config.contact_between_substeps else None
    able = takes_effect(config, path, candidates.track, (candidates.time_s - start_s) / step_s, bridge, cells)
    responsive = np.ones(n, dtype=bool)
    if config.unresponsive_fraction > 0:
        responsive = cells.uniform(size=n) >= config.unresponsive_fraction
        able &= responsive[candidates.track]
    first_steps = None
    if config.activation_steps > 1:
        first_steps = cells.integers(1, config.activation_steps, size=n, endpoint=True)
    if config.start == "stationary":
        on = (cells.uniform(size=n) < stationary_on_fraction(config)) & responsive
        candidates, able = _begin_on(candidates, able, np.flatnonzero(on), start_s - config.activation_delay_s)
        if first_steps is not None:
            first_steps[on] = 1
    return candidates, able, first_steps, responsive


def stationary_on_fraction(config: SimulationConfig) -> float:
    """Share of time that a promoter is on whose contact changes fast, or not at all: the mean-field value near which a
    stationary start draws."""
    waiting_s = config.activation_steps / (config.k_on_per_s * max(mean_effect_probability(config), 1e-12))
    on_s = 1 / config.k_off_per_s
    return on_s / (on_s + waiting_s + config.activation_delay_s)


def _begin_on(candidates: Events, able: Bools, tracks: NDArray[np.int64], time_s: float) -> tuple[Events, Bools]:
    """The candidates and those that take effect, with one more at `time_s` on each of `tracks`; a burst that lasts
    Exp(k_off) has no memory of when it began."""
    first = np.searchsorted(candidates.track, tracks)
    events = Events(np.insert(candidates.track, first, tracks), np.insert(candidates.time_s, first, time_s))
    return events, np.insert(able, first, True)


def _load(config: SimulationConfig, bursts: Bursts, rate_per_s: Floats, rng: np.random.Generator) -> Events:
    """The polymerases loaded during each burst, at the rate (N,) of its track."""
    rate = rate_per_s[bursts.track]
    if config.loading_fano != 1:
        return load_with_dispersion(bursts, rate, config.loading_fano, config.duration_s, rng)
    return load_polymerases(bursts, rate, config.duration_s, rng)


def _joined(events: list[Events], first_track: NDArray[np.int64]) -> Events:
    track = np.concatenate([e.track + first for e, first in zip(events, first_track, strict=False)])
    return Events(track, np.concatenate([e.time_s for e in events]))
