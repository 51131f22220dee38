"""What the baselines read of a batch, as NumPy arrays, and what every baseline offers."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from contactlens.calibration.scores import Predictive
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.halfway import halfway_distance

Array = np.ndarray


class Frames(NamedTuple):
    """distance: (N, T) the gate channel, NaN where missing; signal: (N, T) a.u.; observed: (N, T) bool.
    halfway: (N, T) distance half way to the frame before, NaN where missing; None where no vectors tell it
    """

    distance: Array
    signal: Array
    observed: Array
    halfway: Array | None = None

    @classmethod
    def of(cls, batch: TrackBatch) -> "Frames":
        observed = batch.observed.cpu().numpy()
        distance = batch.driver[:, -1].cpu().numpy().astype(np.float64)
        signal = batch.signal.cpu().numpy().astype(np.float64)
        halfway = None
        if batch.driver.size(1) > 1:
            between = halfway_distance(batch.driver.double(), batch.observed).cpu().numpy()
            halfway = np.where(observed, between, np.nan)
        return cls(np.where(observed, distance, np.nan), signal, observed, halfway)


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
