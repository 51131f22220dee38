"""What a trained model predicts of the signal, as evaluation, recalibration and serving take it: one `Predictive`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from contactlens.calibration.scores import Gaussian, Predictive
from contactlens.tracks.models.ensemble import Ensemble, MixedDistribution
from contactlens.tracks.models.heads.distribution import Distribution
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.fit import outputs, predict

Array = np.ndarray
CHUNK = 20_000  # frames evaluated at once
PIT_SEED = 0


@dataclass(frozen=True)
class HeadPredictive:
    """The distributions of any head at n frames (a `Predictive`).

    channels: (n, K) float64, what a model gives of each frame; read: its `distribution`
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

    @cached_property
    @torch.no_grad()
    def _forms(self) -> list[Distribution]:
        return [self.read(channels) for channels in self.channels.split(CHUNK)]

    @torch.no_grad()
    def _each(self, value: Callable[[Distribution, Tensor], Tensor], y: Array) -> Array:
        given = torch.as_tensor(y, dtype=torch.float64).split(CHUNK)
        return torch.cat([value(form, own) for form, own in zip(self._forms, given, strict=True)]).numpy()


@torch.no_grad()
def spread_parts(form: Predictive, before: Predictive) -> tuple[Array, Array] | None:
    """Aleatoric and epistemic standard deviation of an ensemble's prediction, (n,) each, whose squares add up to that
    of `form.sd`; None of one network, which can't tell how unsure it is of itself.

    before: the prediction before it was recalibrated, `form` itself where it was not; a recalibrated variance is made
        of the same shares
    """
    mixed = before.read(before.channels) if isinstance(before, HeadPredictive) else None
    if not isinstance(mixed, MixedDistribution):
        return None
    epistemic = (mixed.epistemic / (mixed.aleatoric + mixed.epistemic)).numpy()
    return form.sd * np.sqrt(1 - epistemic), form.sd * np.sqrt(epistemic)


def predict_signal(model: TrackModel | Ensemble, x: Tensor, observed: Tensor, batch_size: int) -> Predictive:
    """The predictive distribution of the signal at the observed frames, track after track, in its unit."""
    mask = observed.cpu()
    if isinstance(model, TrackModel) and model.head_name == "gaussian":
        mean, sd = predict(model, x, observed, batch_size)
        return Gaussian(mean[mask.numpy()], sd[mask.numpy()])
    channels = outputs(model, x, observed, batch_size).transpose(1, 2)[mask]  # (n, K)
    return HeadPredictive(channels, model.distribution)
