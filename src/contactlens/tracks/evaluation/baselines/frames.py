"""What the baselines read of a batch, as NumPy arrays, and what every baseline offers."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from contactlens.calibration.scores import Predictive
from contactlens.tracks.data.batch import TrackBatch

Array = np.ndarray


class Frames(NamedTuple):
    """distance: (N, T) the gate channel, NaN where missing; signal: (N, T) a.u.; observed: (N, T) bool."""

    distance: Array
    signal: Array
    observed: Array

    @classmethod
    def of(cls, batch: TrackBatch) -> "Frames":
        observed = batch.observed.cpu().numpy()
        distance = batch.driver[:, -1].cpu().numpy().astype(np.float64)
        signal = batch.signal.cpu().numpy().astype(np.float64)
        return cls(np.where(observed, distance, np.nan), signal, observed)


class Baseline(Protocol):
    """A fitted baseline. It predicts every frame, observed or not."""

    def predict(self, batch: TrackBatch) -> tuple[Array, Array]:
        """Mean (N, T) and sd (N, T) of the signal, a.u."""
        ...


@runtime_checkable
class DistributionBaseline(Baseline, Protocol):
    """A baseline whose distribution is no Gaussian."""

    def distribution(self, batch: TrackBatch) -> Predictive:
        """Of the observed frames, track after track."""
        ...
