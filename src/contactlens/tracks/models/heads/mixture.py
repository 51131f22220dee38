"""A mixture of Gaussians at every frame: for a signal with several peaks, as of a promoter that is on or off."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.heads.config import MixtureConfig
from contactlens.tracks.models.heads.distribution import (
    HALF_LOG_2PI,
    Distribution,
    Head,
    SignalScale,
    normal_cdf,
    normal_density,
    root,
    shifted,
    soft_clip,
)


class _MeanAbsolute(torch.autograd.Function):
    """With its derivatives, erf(z / sqrt 2) by the mean and phi(z) / sd by the variance: a CRPS and its gradient take
    a third less time than by autograd's own. Tensors of one shape."""

    generate_vmap_rule = True

    @staticmethod
    def forward(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        precision = variance.rsqrt()
        z = mean * precision
        by_variance = z.square().mul_(-0.5).exp_().mul_(precision).mul_(1 / math.sqrt(2 * math.pi))
        by_mean = z.mul_(math.sqrt(0.5)).erf_()
        return torch.addcmul(mean * by_mean, variance, by_variance, value=2), by_mean, by_variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        by_mean, by_variance = ctx.saved_tensors
        return gradient * by_mean, gradient * by_variance


def mean_absolute(mean: Tensor, variance: Tensor) -> Tensor:
    """E|X| for X ~ N(mean, variance), of one shape; differentiable once."""
    value: Tensor = _MeanAbsolute.apply(mean, variance)[0]
    return value


@dataclass(frozen=True)
class Mixture(Distribution):
    """sum_k exp(log_weights_k) N(means_k, exp(logvars_k)); each (B, K, T), or (n, K) for a flat list of frames."""

    log_weights: Tensor
    means: Tensor
    logvars: Tensor

    @property
    def mean(self) -> Tensor:
        return (self.log_weights.exp() * self.means).sum(dim=1)

    @property
    def log_variance(self) -> Tensor:
        """By the law of total variance; within the components it is never 0, so the logarithm has a gradient."""
        between = (self.means - self.mean.unsqueeze(1)).square()
        return (self.log_weights.exp() * (self.logvars.exp() + between)).sum(dim=1).log()

    def log_density(self, y: Tensor) -> Tensor:
        square = (y.unsqueeze(1) - self.means).square() * torch.exp(-self.logvars)
        return torch.logsumexp(self.log_weights - 0.5 * (self.logvars + square) - HALF_LOG_2PI, dim=1)

    def crps(self, y: Tensor) -> Tensor:
        """E|Y - y| - E|Y - Y'| / 2 (Grimit et al., Q. J. R. Meteorol. Soc. 132 (2006) 2925, eq. 5)."""
        weights, variances = self.log_weights.exp(), self.logvars.exp()
        sds = torch.exp(0.5 * self.logvars)
        miss = (weights * mean_absolute(y.unsqueeze(1) - self.means, variances)).sum(dim=1)
        of_one = (weights.square() * sds).sum(dim=1) / math.sqrt(math.pi)  # E|Y - Y'| / 2 of one component
        first, second = torch.triu_indices(weights.size(1), weights.size(1), offset=1, device=weights.device)

        def pairs(values: Tensor) -> tuple[Tensor, Tensor]:
            return values.index_select(1, first), values.index_select(1, second)

        (w, v), (m, n), (s, t) = pairs(weights), pairs(self.means), pairs(variances)
        return miss - of_one - (w * v * mean_absolute(m - n, s + t)).sum(dim=1)

    def cdf(self, y: Tensor) -> Tensor:
        z = (y.unsqueeze(1) - self.means) * torch.exp(-0.5 * self.logvars)
        return (self.log_weights.exp() * normal_cdf(z)).sum(dim=1)

    def quantile(self, level: float) -> Tensor:
        """Between the lowest and the highest of the components' own quantiles."""
        z = torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).item()
        parts = (self.log_weights.exp(), self.means, torch.exp(-0.5 * self.logvars))
        weights, means, precisions = (one.detach().movedim(1, -1).flatten(end_dim=-2) for one in parts)
        ends = means + z / precisions

        def excess_and_density(y: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
            scaled = (y.unsqueeze(1) - means[rows]) * precisions[rows]
            excess = (weights[rows] * normal_cdf(scaled)).sum(dim=1) - level
            return excess, (weights[rows] * precisions[rows] * normal_density(scaled)).sum(dim=1)

        found = root(excess_and_density, ends.amin(dim=1), ends.amax(dim=1))
        return found.reshape(self.mean.shape)

    def in_units(self, scale: SignalScale) -> "Mixture":
        return Mixture(self.log_weights, scale.mean + scale.sd * self.means, self.logvars + 2 * scale.sd.log())

    def channels(self) -> Tensor:
        moments = torch.stack([self.mean, self.log_variance], dim=1)
        return torch.cat([moments, self.log_weights, self.means, self.logvars], dim=1)


class MixtureHead(Head):
    """Parameters of a mixture of the standardised signal: (B, C, T) -> (B, 3 K, T).

    The components start apart, at the K middle quantiles of a standard normal variable, so that they learn different
    things. Source: Bishop, Mixture density networks, NCRG/94/004 (1994).
    """

    def __init__(self, in_channels: int, config: MixtureConfig, logvar_bounds: tuple[float, float]) -> None:
        super().__init__()
        K = config.components
        start = torch.zeros(3 * K)
        start[K : 2 * K] = torch.special.ndtri((torch.arange(K) + 0.5) / K)
        self.project = shifted(PointwiseConv(in_channels, 3 * K), start)
        self.logvar_bounds = logvar_bounds

    def forward(self, features: Tensor) -> Tensor:
        logits, means, logvars = self.project(features).chunk(3, dim=1)
        return torch.cat([logits.log_softmax(dim=1), means, soft_clip(logvars, *self.logvar_bounds)], dim=1)

    def distribution(self, prediction: Tensor, scale: SignalScale) -> Mixture:
        return Mixture(*prediction.chunk(3, dim=1))

    def read(self, channels: Tensor) -> Mixture:
        return Mixture(*channels[:, 2:].chunk(3, dim=1))
