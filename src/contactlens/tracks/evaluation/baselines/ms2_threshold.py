"""The simplest decoder of promoter states: on is where MS2 is above a threshold."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.frames import Frames

Array = np.ndarray


@dataclass(frozen=True)
class Ms2Threshold:
    """threshold: signal (a.u.) from which on the promoter is called on; it maximises balanced accuracy on train.
    logistic: probability of on as a logistic function of the signal.
    occupancy: share of train frames that are on, which stands in for a missing frame's probability.
    """

    threshold: float
    logistic: Pipeline
    occupancy: float

    @classmethod
    def fit(cls, signal: Array, state: Array, observed: Array) -> "Ms2Threshold":
        """From the signal (N, T), a.u., and the true state (N, T), 0 or 1, where observed (N, T).

        Raises InputError unless both states occur.
        """
        x, y = signal[observed], state[observed] > 0.5
        if y.all() or not y.any():
            raise InputError("ms2_threshold: needs observed frames of both states")
        false_positive, true_positive, thresholds = roc_curve(y, x)
        best = np.argmax(true_positive - false_positive)
        logistic = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[:, None], y)
        return cls(float(thresholds[best]), logistic, float(y.mean()))

    def states(self, batch: TrackBatch) -> Array:
        """(N, T) bool, True where the signal is observed and at or above the threshold."""
        frames = Frames.of(batch)
        return frames.observed & (frames.signal >= self.threshold)

    def probability(self, batch: TrackBatch) -> Array:
        """(N, T) probability that the promoter is on; it rises with the signal, so that its AUROC is the signal's."""
        frames = Frames.of(batch)
        on = self.logistic.predict_proba(frames.signal.reshape(-1, 1))[:, 1].reshape(frames.signal.shape)
        return np.where(frames.observed, on, self.occupancy)
