"""The ceiling of simulated tracks: the score of the true distribution of each frame's signal given the whole driver.

The simulator that made the tracks, with its true parameters, draws signals given the measured driver: positions of the
sub-steps given the noisy ones of the frames, then promoter and polymerases. The signal's noise is Gaussian and known,
so that the distribution of a frame is a mixture of Gaussians around these draws. No model that sees the same driver
has a lower expected score. What a finite number of draws adds to the scores is subtracted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from contactlens.base.progress import counted
from contactlens.calibration.normal import normal_density
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.promoter_truth import observed_span
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.conditional_simulator import ConditionalSimulator, why_not
from contactlens.tracks.evaluation.config import CeilingConfig
from contactlens.tracks.models.tasks import Task
from contactlens.tracks.simulation.simulate import simulation_of

Array = np.ndarray
STEPS_PER_NOISE = 16  # of the grid that draws are counted on; it adds 1/3000 to the noise's variance
LEAST_NOISE = 0.25  # of a polymerase's signal
CHUNK = 4096  # frames scored at once


@dataclass(frozen=True)
class DrawnSignal:
    """The mixture of Gaussians of SD `noise` around `samples` independent draws for each of n frames.

    counts: (n, G) draws at each of the values first, first + step, ...
    `nll` and `crps` are without the bias of finitely many draws: exactly so the CRPS, to second order the NLL.
    """

    counts: Array
    first: float
    step: float
    noise: float
    samples: int

    @classmethod
    def of(cls, draws: Array, noise: float) -> "DrawnSignal":
        """draws: (samples, n) signals without noise."""
        step = noise / STEPS_PER_NOISE
        place = np.rint(draws / step).astype(np.int64)  # zero, where many are, is a value of the grid
        low = int(place.min())
        width = int(place.max()) - low + 1
        samples, n = draws.shape
        flat = (np.arange(n) * width + place - low).ravel()
        counts = np.bincount(flat, minlength=n * width).reshape(n, width)
        return cls(counts.astype(np.float32), low * step, step, noise, samples)

    @property
    def values(self) -> Array:
        return self.first + self.step * np.arange(self.counts.shape[1])

    @cached_property
    def mean(self) -> Array:
        return self.counts @ self.values / self.samples

    @cached_property
    def sd(self) -> Array:
        square = self.counts @ self.values**2 / self.samples
        return np.sqrt(np.maximum(square - self.mean**2, 0.0) + self.noise**2)

    def pit(self, y: Array) -> Array:
        return self._mean_of(ndtr, y)

    def nll(self, y: Array) -> Array:
        density = self._mean_of(self._density, y)
        square = self._mean_of(lambda gap: self._density(gap) ** 2, y)
        smallest = np.finfo(np.float64).tiny
        relative = square / np.maximum(density, smallest) ** 2 - 1  # variance of one draw's density
        return -np.log(np.maximum(density, smallest)) - relative / (2 * (self.samples - 1))

    def crps(self, y: Array) -> Array:
        """E|Y - y| - E|Y - Y'| / 2 over pairs of different draws (Gneiting and Raftery, J. Am. Stat. Assoc. 2007)."""
        to_signal = self._mean_of(lambda gap: self.noise * _mean_absolute(gap), y)
        wider = np.sqrt(2) * self.noise
        spread = wider * _mean_absolute((self.values[:, None] - self.values) / wider)
        pairs = np.concatenate([((own @ spread) * own).sum(axis=1) for own in self._chunks()])
        same = self.samples * wider * _mean_absolute(np.zeros(1))
        return to_signal - (pairs - same) / (2 * self.samples * (self.samples - 1))

    def _density(self, gap: Array) -> Array:
        return normal_density(gap) / self.noise

    def _mean_of(self, value: Callable[[Array], Array], y: Array) -> Array:
        """(n,) mean over the draws of a function of (y - draw) / noise."""
        signals = np.array_split(y, range(CHUNK, len(y), CHUNK))
        sums = [
            (own * value((signal[:, None] - self.values) / self.noise)).sum(axis=1)
            for own, signal in zip(self._chunks(), signals, strict=True)
        ]
        return np.concatenate(sums) / self.samples

    def _chunks(self) -> list[Array]:
        return np.array_split(self.counts.astype(np.float64), range(CHUNK, len(self.counts), CHUNK))


class Ceiling(NamedTuple):
    """rows: tracks of the batch that it was computed on; form: of their observed frames, track after track."""

    rows: Array
    form: DrawnSignal


def why_no_ceiling(task: Task, tracks: TrackSet, config: CeilingConfig) -> str | None:
    """The reason, None where there is a ceiling."""
    simulation = simulation_of(tracks)
    if config.tracks == 0:
        return "none was asked for (tracks.evaluate.ceiling.tracks)"
    if simulation is None:
        return "the process that made these tracks is not known; that of simulated ones is"
    if not task.predicts_signal or task.sees_signal or not task.driver_input:
        return f"task {task.name} does not predict the signal from the driver alone"
    if simulation.ms2_noise < LEAST_NOISE * simulation.polymerase_signal:
        return "the signal's noise is too small beside a polymerase's signal to fill the gaps between draws"
    return why_not(simulation)


def ceiling_of(batch: TrackBatch, tracks: TrackSet, config: CeilingConfig, seed: int) -> Ceiling:
    """Of tracks of a batch of `tracks`; the same seed gives the same numbers, whatever `config.tracks`.

    Only where `why_no_ceiling` gives no reason.
    """
    simulation = simulation_of(tracks)
    assert simulation is not None
    observed = batch.observed.cpu().numpy()
    known = np.flatnonzero(observed.any(axis=1))
    rows = known[np.unique(np.linspace(0, len(known) - 1, min(config.tracks, len(known))).round().astype(int))]
    simulator = ConditionalSimulator(simulation)
    start = np.rint(observed_span(tracks, batch.track_ids)[0] / simulation.frame_interval_s).astype(int)
    draws = []
    for row in counted(rows, "tracks of the ceiling"):
        frames = start[row] + np.flatnonzero(observed[row])
        measured, seen = np.zeros((3, simulation.n_frames)), np.zeros(simulation.n_frames, dtype=bool)
        measured[:, frames] = batch.driver[row, :3].cpu().numpy()[:, observed[row]]
        seen[frames] = True
        rng = np.random.default_rng([seed, int(row)])
        draws.append(simulator.signals(measured, seen, config.samples, rng)[:, frames])
    return Ceiling(rows, DrawnSignal.of(np.concatenate(draws, axis=1), simulation.ms2_noise))


def _mean_absolute(gap: Array) -> Array:
    """E|Z + gap| of a standard normal Z."""
    return gap * (2 * ndtr(gap) - 1) + 2 * normal_density(gap)
