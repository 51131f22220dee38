"""The mechanistic baseline: contact is distance below a threshold, MS2 a causal linear response to it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solve
from scipy.signal import lfilter

from contactlens.calibration.metrics import equal_count_bins
from contactlens.calibration.recalibration import variance_factor
from contactlens.calibration.scores import gaussian_nll
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.frames import Array, Frames
from contactlens.tracks.evaluation.config import ContactFilterConfig

# Tracks whose lagged contacts are held in memory at once: tracks x frames x taps.
CHUNK = 64


@dataclass(frozen=True)
class ContactFilter:
    """mean_t = intercept + sum_l taps_l (contact_{t-l} - occupancy), sd a function of that mean.

    threshold: in driver units; occupancy: share of train frames in contact, which stands in for a missing
    frame.
    taps: (L,) a.u., present frame first. sd_at, sd: (bins,) knots of the sd over the predicted mean: a
    constant sd would be the weaker baseline, since MS2 scatters most where it is expected most.
    """

    threshold: float
    occupancy: float
    intercept: float
    taps: Array
    sd_at: Array
    sd: Array

    @classmethod
    def fit(cls, train: TrackBatch, validation: TrackBatch, config: ContactFilterConfig) -> "ContactFilter":
        """Fit every threshold and penalty on train; keep the pair with the lowest validation NLL."""
        frames, held_out = Frames.of(train), Frames.of(validation)
        thresholds = np.unique(np.quantile(frames.distance[frames.observed], config.threshold_quantiles))
        candidates = [c for threshold in thresholds for c in _fit_ridge(frames, float(threshold), config)]
        best = min(candidates, key=lambda candidate: candidate._nll(held_out))
        mean, sd = best._predict(held_out)
        factor = variance_factor(*(values[held_out.observed] for values in (held_out.signal, mean, sd)))
        return replace(best, sd=best.sd * np.sqrt(factor))

    def predict(self, batch: TrackBatch) -> tuple[Array, Array]:
        return self._predict(Frames.of(batch))

    def _predict(self, frames: Frames) -> tuple[Array, Array]:
        contact = _centred_contact(frames, self.threshold, self.occupancy)
        mean = self.intercept + lfilter(self.taps, [1.0], contact, axis=1)
        return mean, np.interp(mean, self.sd_at, self.sd)

    def _nll(self, frames: Frames) -> float:
        mean, sd = self._predict(frames)
        return float(gaussian_nll(frames.signal, mean, sd)[frames.observed].mean())


def _fit_ridge(frames: Frames, threshold: float, config: ContactFilterConfig) -> Iterator[ContactFilter]:
    """One candidate per penalty for this threshold."""
    occupancy = float(np.mean(frames.distance[frames.observed] < threshold))
    contact = _centred_contact(frames, threshold, occupancy)
    gram, moment = _normal_equations(contact, frames, config.filter_frames)
    for strength in config.ridge:
        # The last row and column belong to the intercept, which is not penalised.
        penalty = np.full(len(gram), strength * np.trace(gram[:-1, :-1]) / config.filter_frames)
        penalty[-1] = 0.0
        weights = solve(gram + np.diag(penalty), moment, assume_a="pos")
        mean = (weights[-1] + lfilter(weights[:-1], [1.0], contact, axis=1))[frames.observed]
        sd_at, sd = _binned_sd(mean, frames.signal[frames.observed] - mean, config.sd_bins)
        yield ContactFilter(threshold, occupancy, float(weights[-1]), weights[:-1], sd_at, sd)


def _centred_contact(frames: Frames, threshold: float, occupancy: float) -> Array:
    """Contact minus its mean; 0, the best guess, in missing frames (and so before a track's start)."""
    return np.where(frames.observed, (frames.distance < threshold) - occupancy, 0.0)


def _normal_equations(contact: Array, frames: Frames, taps: int) -> tuple[Array, Array]:
    """X'X (taps + 1, taps + 1) and X'y (taps + 1,) of lagged contacts and a final 1, over observed frames."""
    gram, moment = np.zeros((taps + 1, taps + 1)), np.zeros(taps + 1)
    padded = np.pad(contact, ((0, 0), (taps - 1, 0)))
    for start in range(0, len(contact), CHUNK):
        rows = slice(start, start + CHUNK)
        lagged = sliding_window_view(padded[rows], taps, axis=1)[frames.observed[rows]][:, ::-1]
        design = np.column_stack([lagged, np.ones(len(lagged))])
        gram += design.T @ design
        moment += design.T @ frames.signal[rows][frames.observed[rows]]
    return gram, moment


def _binned_sd(mean: Array, residual: Array, bins: int) -> tuple[Array, Array]:
    """Mean prediction and rms residual in equal-count bins of the prediction, (bins,) each."""
    index = equal_count_bins(mean, bins)
    count = np.bincount(index, minlength=bins)
    square = np.bincount(index, residual**2, minlength=bins)
    return np.bincount(index, mean, minlength=bins) / count, np.sqrt(square / count)
