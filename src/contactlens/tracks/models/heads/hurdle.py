"""A point mass at the detection limit beside a mixture above it: for a signal that is often exactly at its floor."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.heads.config import HurdleConfig
from contactlens.tracks.models.heads.distribution import (
    HALF_LOG_2PI,
    Distribution,
    Head,
    SignalScale,
    bisected,
    normal_cdf,
    normal_density,
    shifted,
    soft_clip,
)

NODES = 40  # of the quadrature of the CRPS
REACH = 8.0  # standard deviations of a component, beyond which it holds less than 1e-15
AT_LIMIT = 1e-5  # standard deviations of the signal within which a value counts as at the limit: single precision


def _integral(z: Tensor) -> Tensor:
    """Integral of the normal cdf from -inf to z."""
    return z * normal_cdf(z) + normal_density(z)


@dataclass(frozen=True)
class Hurdle(Distribution):
    """Y = limit with probability 1 - sigmoid(logit); else from a mixture of Gaussians cut off below the limit.

    logit: (B, T), log odds of a signal above the limit; log_weights, means (at least the limit), logvars: (B, K, T), of
        the Gaussians before they are cut
    limit, tolerance: a value within the tolerance of the limit, or below it, counts as at the limit
    unit: the signal's unit in the distribution's own, 1 / sd for a standardised signal and 1 for one in units: the
        log-density of an atom is log P - log(unit), as of a density
    """

    logit: Tensor
    log_weights: Tensor
    means: Tensor
    logvars: Tensor
    limit: Tensor
    tolerance: Tensor
    unit: Tensor

    @property
    def signal_probability(self) -> Tensor:
        """P(Y > limit)."""
        return torch.sigmoid(self.logit)

    @property
    def _sds(self) -> Tensor:
        return torch.exp(0.5 * self.logvars)

    @property
    def _above(self) -> Tensor:
        """(B, K, T): (mean - limit) / sd of each component, not negative."""
        return (self.means - self.limit) / self._sds

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean excess over the limit and mean squared excess, given a signal: (B, T) each.

        Of a Gaussian cut off at 0, with z = mean / sd and r = density(z) / cdf(z): sd (z + r) and sd^2 (z^2 + 1 + z r)
        (Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions 1, 1994, sec. 13.10).
        """
        z, sd, weights = self._above, self._sds, self.log_weights.exp()
        ratio = normal_density(z) / normal_cdf(z)
        first = (weights * sd * (z + ratio)).sum(dim=1)
        second = (weights * sd.square() * (z.square() + 1 + z * ratio)).sum(dim=1)
        return first, second

    @property
    def mean(self) -> Tensor:
        return self.limit + self.signal_probability * self._moments()[0]

    @property
    def log_variance(self) -> Tensor:
        """Within and between the two parts: log p + log(var + (1 - p) mean^2), finite for every p in (0, 1)."""
        first, second = self._moments()
        within = (second - first.square()).clamp(min=torch.finfo(second.dtype).eps * second.detach())
        between = torch.sigmoid(-self.logit) * first.square()
        return F.logsigmoid(self.logit) + (within + between).log()

    def log_density(self, y: Tensor) -> Tensor:
        at_limit = self._at_limit(y)
        # A frame at the limit must not reach the logarithm of a density that it does not have.
        z = (torch.where(at_limit, self.limit, y).unsqueeze(1) - self.means) / self._sds
        logs = -0.5 * z.square() - HALF_LOG_2PI - 0.5 * self.logvars - torch.special.log_ndtr(self._above)
        density = F.logsigmoid(self.logit) + torch.logsumexp(self.log_weights + logs, dim=1)
        return torch.where(at_limit, F.logsigmoid(-self.logit) - self.unit.log(), density)

    def _at_limit(self, y: Tensor) -> Tensor:
        return y <= self.limit + self.tolerance

    def _survival(self, y: Tensor) -> Tensor:
        """P(Y > y | a signal) for y of at least the limit."""
        z = (self.means - y.unsqueeze(1)) / self._sds
        return (self.log_weights.exp() * normal_cdf(z) / normal_cdf(self._above)).sum(dim=1)

    def cdf(self, y: Tensor) -> Tensor:
        inside = torch.maximum(y, self.limit)
        return torch.where(y < self.limit - self.tolerance, 0.0, 1 - self.signal_probability * self._survival(inside))

    def cdf_below(self, y: Tensor) -> Tensor:
        return torch.where(self._at_limit(y), 0.0, self.cdf(y))

    def quantile(self, level: float) -> Tensor:
        low = self.limit.expand_as(self.logit)
        high = self.means.amax(dim=1) + (REACH + 2) * self._sds.amax(dim=1)
        found = bisected(self, level, low, high.detach())
        return torch.where(torch.sigmoid(-self.logit) >= level, low, found)

    def crps(self, y: Tensor) -> Tensor:
        """With the survival S of a signal and its probability p, the integral of (cdf - [y <= x])^2 over x is

        (y - limit) - 2 p int_limit^y S + p^2 int_limit^inf S^2    (Gneiting & Raftery, JASA 2007, eq. 20).

        The first integral is closed, the second a sum over pairs of components, each by Gauss-Legendre quadrature. A
        value below the limit misses it by the distance on top.
        """
        p = self.signal_probability
        weights = self.log_weights.exp() / normal_cdf(self._above)
        inside = torch.maximum(y, self.limit)
        z = (self.means - inside.unsqueeze(1)) / self._sds
        up_to_y = (weights * self._sds * (_integral(self._above) - _integral(z))).sum(dim=1)
        return (inside - self.limit) - 2 * p * up_to_y + p.square() * self._squared(weights) + (inside - y)

    def _squared(self, weights: Tensor) -> Tensor:
        """Integral of S^2 above the limit; weights (B, K, T) over the parts of the Gaussians that are left.

        By parts, the integral of two normal survival functions is one's density against the integral of the other's
        survival. The narrower one gives the density: everything else is smooth on its scale.
        """
        a, b = torch.triu_indices(self.means.size(1), self.means.size(1), device=weights.device)
        narrow_first = self.logvars[:, a] <= self.logvars[:, b]

        def pick(values: Tensor) -> tuple[Tensor, Tensor]:
            """From (B, K, T) those of each pair, (B, K (K + 1) / 2, T), the narrower one's in front."""
            of_a, of_b = values[:, a], values[:, b]
            return torch.where(narrow_first, of_a, of_b), torch.where(narrow_first, of_b, of_a)

        sd, wide = pick(self._sds)
        start, other = pick(self._above)
        low = -torch.minimum(start, torch.full_like(start, REACH))  # in the narrower one's own z
        half, ratio, whole = 0.5 * (REACH - low), sd / wide, _integral(other)
        integral = torch.zeros_like(low)
        for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
            z = low + half * (node + 1)
            beyond = other - (start + z) * ratio
            integral = integral + weight * normal_density(z) * (whole - _integral(beyond))
        times = torch.where(a == b, 1.0, 2.0).reshape(-1, *(1 for _ in weights.shape[2:]))
        share = weights[:, a] * weights[:, b] * times
        return (share * half * wide * integral).sum(dim=1)

    def in_units(self, scale: SignalScale) -> "Hurdle":
        return Hurdle(
            self.logit,
            self.log_weights,
            scale.mean + scale.sd * self.means,
            self.logvars + 2 * scale.sd.log(),
            scale.mean + scale.sd * self.limit,
            scale.sd * self.tolerance,
            scale.sd * self.unit,
        )

    def channels(self) -> Tensor:
        moments = torch.stack([self.mean, self.log_variance, self.signal_probability, self.logit], dim=1)
        return torch.cat([moments, self.log_weights, self.means, self.logvars], dim=1)


class HurdleHead(Head):
    """Parameters of a hurdle of the standardised signal: (B, C, T) -> (B, 1 + 3 K, T).

    Before they are cut the components' means lie above the limit, so that at least half of each is left. They start
    apart, as a `MixtureHead`'s do. Source: Cragg, Econometrica 39 (1971) 829.
    """

    def __init__(
        self, in_channels: int, config: HurdleConfig, logvar_bounds: tuple[float, float], signal_sd: float
    ) -> None:
        super().__init__()
        if config.limit is None:
            raise ValueError("a hurdle head needs the detection limit")
        K = config.components
        self.limit, self.signal_sd, self.logvar_bounds = config.limit, signal_sd, logvar_bounds
        start = torch.zeros(1 + 3 * K)
        start[1 + K : 1 + 2 * K] = 2 * (torch.arange(K) + 0.5) / K
        self.project = shifted(PointwiseConv(in_channels, 1 + 3 * K), start)

    def forward(self, features: Tensor) -> Tensor:
        """Means as their excess over the limit."""
        logit, rest = self.project(features).tensor_split([1], dim=1)
        logits, excess, logvars = rest.chunk(3, dim=1)
        kept = [logits.log_softmax(dim=1), F.softplus(excess), soft_clip(logvars, *self.logvar_bounds)]
        return torch.cat([logit, *kept], dim=1)

    def distribution(self, prediction: Tensor, scale: SignalScale) -> Hurdle:
        limit = (self.limit - scale.mean) / scale.sd
        logit, rest = prediction[:, 0], prediction[:, 1:]
        log_weights, excess, logvars = rest.chunk(3, dim=1)
        tolerance = torch.full_like(scale.sd, AT_LIMIT)
        return Hurdle(logit, log_weights, limit + excess, logvars, limit, tolerance, 1 / scale.sd)

    def read(self, channels: Tensor) -> Hurdle:
        parts = channels[:, 4:].chunk(3, dim=1)
        limit, tolerance = channels.new_tensor(self.limit), channels.new_tensor(AT_LIMIT * self.signal_sd)
        means = torch.maximum(parts[1], limit)  # single precision may have put one a hair below
        return Hurdle(channels[:, 3], parts[0], means, parts[2], limit, tolerance, torch.ones_like(limit))
