"""The least a model can know: the mean and spread of the signal."""

from dataclasses import dataclass

import numpy as np

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.frames import Array, Frames


@dataclass(frozen=True)
class ConstantGaussian:
    """One Gaussian for every frame: maximum likelihood on the train split."""

    mean: float
    sd: float

    @classmethod
    def fit(cls, train: TrackBatch) -> "ConstantGaussian":
        frames = Frames.of(train)
        signal = frames.signal[frames.observed]
        return cls(float(signal.mean()), float(signal.std()))

    def predict(self, batch: TrackBatch) -> tuple[Array, Array]:
        shape = tuple(batch.signal.shape)
        return np.full(shape, self.mean), np.full(shape, self.sd)
