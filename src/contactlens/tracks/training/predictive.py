"""What a trained model predicts of the signal, as evaluation, recalibration and serving take it: one `Predictive`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contactlens.calibration import Gaussian, Predictive
from contactlens.tracks.models.heads import Distribution
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.fit import outputs, predict

Array = np.ndarray
CHUNK = 20_000  # frames evaluated at once
PIT_SEED = 0


@dataclass(frozen=True)
class HeadPredictive:
    """The distributions of any head at n frames (a `Predictive`).

    channels: (n, K) float64, what a model gives of each frame; read: its `TrackModel.distribution`
    """

    channels: Tensor
    read: Callable[[Tensor], Distribution]

    @property
    def mean(self) -> Array:
        return self.channels[:, 0].numpy()

    @property
    def sd(self) -> Array:
        return torch.exp(0.5 * self.channels[:, 1]).numpy()

    def cdf(self, y: Array) -> Array:
        return self._each(lambda form, own: form.cdf(own), y)

    def cdf_below(self, y: Array) -> Array:
        """P(Y < y)."""
        return self._each(lambda form, own: form.cdf_below(own), y)

    def pit(self, y: Array) -> Array:
        """Drawn at random, from one seed, inside a jump (Czado, Gneiting & Held, Biometrics 65 (2009) 1254)."""
        low, high = self.cdf_below(y), self.cdf(y)
        return low + np.random.default_rng(PIT_SEED).random(len(y)) * (high - low)

    def quantile(self, level: float) -> Array:
        return self._each(lambda form, own: form.quantile(level), self.mean)

    def nll(self, y: Array) -> Array:
        return self._each(lambda form, own: -form.log_density(own), y)

    def crps(self, y: Array) -> Array:
        return self._each(lambda form, own: form.crps(own), y)

    @torch.no_grad()
    def _each(self, value: Callable[[Distribution, Tensor], Tensor], y: Array) -> Array:
        given = torch.as_tensor(y, dtype=torch.float64)
        chunks = zip(self.channels.split(CHUNK), given.split(CHUNK), strict=True)
        return torch.cat([value(self.read(channels), own) for channels, own in chunks]).numpy()


def predict_signal(model: TrackModel, x: Tensor, observed: Tensor, batch_size: int) -> Predictive:
    """The predictive distribution of the signal at the observed frames, track after track, in its unit."""
    mask = observed.cpu()
    if model.head_name == "gaussian":
        mean, sd = predict(model, x, observed, batch_size)
        return Gaussian(mean[mask.numpy()], sd[mask.numpy()])
    channels = outputs(model, x, observed, batch_size).transpose(1, 2)[mask]  # (n, K)
    return HeadPredictive(channels, model.distribution)
