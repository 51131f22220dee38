"""A Gaussian at every frame."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.heads.distribution import (
    HALF_LOG_2PI,
    Distribution,
    Head,
    SignalScale,
    normal_cdf,
    soft_clip,
)


def gaussian_nll(y: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Negative log-likelihood per frame, in nats, all terms included."""
    return 0.5 * (logvar + (y - mean).square() * torch.exp(-logvar)) + HALF_LOG_2PI


def gaussian_crps(y: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Continuous ranked probability score per frame, in y's unit (Gneiting & Raftery, JASA 2007, eq. 21)."""
    sd = torch.exp(0.5 * logvar)
    z = (y - mean) / sd
    density = torch.exp(-0.5 * z.square() - HALF_LOG_2PI)
    return sd * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


@dataclass(frozen=True)
class Gaussian(Distribution):
    """N(location, exp(logvar))."""

    location: Tensor
    logvar: Tensor

    @property
    def mean(self) -> Tensor:
        return self.location

    @property
    def log_variance(self) -> Tensor:
        return self.logvar

    def log_density(self, y: Tensor) -> Tensor:
        return -gaussian_nll(y, self.location, self.logvar)

    def crps(self, y: Tensor) -> Tensor:
        return gaussian_crps(y, self.location, self.logvar)

    def cdf(self, y: Tensor) -> Tensor:
        return normal_cdf((y - self.location) * torch.exp(-0.5 * self.logvar))

    def quantile(self, level: float) -> Tensor:
        z = torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).item()
        return self.location + z * torch.exp(0.5 * self.logvar)

    def in_units(self, scale: SignalScale) -> "Gaussian":
        return Gaussian(scale.mean + scale.sd * self.location, self.logvar + 2 * scale.sd.log())

    def channels(self) -> Tensor:
        return torch.stack([self.location, self.logvar], dim=1)


class DecodedGaussianHead(Head):
    """Of a backbone whose decoder ends in a Gaussian head of its own: its prediction (B, 2, T), as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.project: nn.Module = nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return self.project(features)

    def distribution(self, prediction: Tensor, scale: SignalScale) -> Gaussian:
        return self.read(prediction)

    def read(self, channels: Tensor) -> Gaussian:
        location, logvar = channels.unbind(dim=1)
        return Gaussian(location, logvar)


class GaussianHead(DecodedGaussianHead):
    """Mean and log-variance per frame, in units of the standardised signal: (B, C, T) -> (B, 2, T)."""

    def __init__(self, in_channels: int, logvar_bounds: tuple[float, float]) -> None:
        super().__init__()
        self.project = PointwiseConv(in_channels, 2)
        self.logvar_bounds = logvar_bounds

    def forward(self, features: Tensor) -> Tensor:
        mean, logvar = self.project(features).unbind(dim=1)
        return torch.stack([mean, soft_clip(logvar, *self.logvar_bounds)], dim=1)
