"""A negative binomial distribution at every frame: for a signal in counts."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.heads.config import NegativeBinomialConfig
from contactlens.tracks.models.heads.distribution import Distribution, Head, SignalScale, shifted, soft_clip

FRAMES = 4096  # whose counts are summed at once
MOST_COUNTS = (
    8192  # summed, unless an observed count is larger: of a prediction that reaches beyond, the rest is left out
)


@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """Counts N with mean exp(log_mean) and variance mean + mean^2 / r, r = exp(log_r); Y = (N - shift) / unit.

    log_mean, log_r: (B, T); shift, unit: scalars, 0 and 1 for a signal in counts.
    """

    log_mean: Tensor
    log_r: Tensor
    shift: Tensor
    unit: Tensor

    @property
    def mean(self) -> Tensor:
        return (self.log_mean.exp() - self.shift) / self.unit

    @property
    def log_variance(self) -> Tensor:
        return torch.logaddexp(self.log_mean, 2 * self.log_mean - self.log_r) - 2 * self.unit.log()

    def _counts(self, y: Tensor) -> Tensor:
        return self.shift + self.unit * y

    def _log_mass(self, count: Tensor, log_mean: Tensor, log_r: Tensor) -> Tensor:
        """log P(N = count) (Hilbe, Negative Binomial Regression, 2011, eq. 5.31)."""
        r, log_total = log_r.exp(), torch.logaddexp(log_r, log_mean)
        choose = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        return choose + r * (log_r - log_total) + count * (log_mean - log_total)

    def log_density(self, y: Tensor) -> Tensor:
        count = self._counts(y).round().clamp(min=0)
        return self._log_mass(count, self.log_mean, self.log_r) + self.unit.log()

    @cached_property
    def _last(self) -> int:
        """A count that hardly any frame exceeds, by the tails of a gamma distribution of the same mean and variance."""
        with torch.no_grad():
            mean, sd = self.log_mean.exp(), torch.exp(0.5 * self.log_variance) * self.unit
            decay = torch.maximum(sd, sd.square() / mean.clamp(min=1e-3))
            return int(min((mean + 6 * sd + 20 * decay).max().item(), MOST_COUNTS)) + 1

    def _cumulative(self, log_mean: Tensor, log_r: Tensor, last: int) -> Tensor:
        """P(N <= k) for k = 0 ... last: (n, last + 1), of flat parameters (n,)."""
        count = torch.arange(last + 1, device=log_mean.device, dtype=log_mean.dtype)
        return self._log_mass(count, log_mean[:, None], log_r[:, None]).exp().cumsum(dim=1).clamp(max=1.0)

    def _tables(self, y: Tensor | None = None) -> "list[tuple[Tensor, Tensor]]":
        """Chunks of frames: their cumulative probabilities, and their counts."""
        flat = [self.log_mean.flatten(), self.log_r.flatten()]
        count = torch.zeros_like(flat[0]) if y is None else self._counts(y).flatten()
        last = max(self._last, int(count.max().item()) + 1)
        return [
            (self._cumulative(log_mean, log_r, last), own)
            for log_mean, log_r, own in zip(*(part.split(FRAMES) for part in (*flat, count)), strict=True)
        ]

    def cdf(self, y: Tensor) -> Tensor:
        # A count that single precision has put a hair below itself is still that count.
        parts = [
            torch.where(
                count < -0.001, 0.0, table.gather(1, (count + 0.001).floor().clamp(min=0).long()[:, None])[:, 0]
            )
            for table, count in self._tables(y)
        ]
        return torch.cat(parts).view_as(self.log_mean)

    def cdf_below(self, y: Tensor) -> Tensor:
        return self.cdf(y - 1 / self.unit)

    @torch.no_grad()
    def quantile(self, level: float) -> Tensor:
        parts = [(table < level).sum(dim=1).to(table.dtype) for table, _ in self._tables()]
        return (torch.cat(parts).view_as(self.log_mean) - self.shift) / self.unit

    def crps(self, y: Tensor) -> Tensor:
        """Sum over counts k of (P(N <= k) - [y <= k])^2 (Gneiting & Raftery, JASA 2007, eq. 20), over all counts that
        have a probability worth summing. Time and memory grow with the largest count."""
        parts = []
        for table, count in self._tables(y):
            k = torch.arange(table.size(1), device=table.device, dtype=table.dtype)
            parts.append((table - (k >= count.round()[:, None]).to(table.dtype)).square().sum(dim=1))
        return torch.cat(parts).view_as(self.log_mean) / self.unit

    def in_units(self, scale: SignalScale) -> "NegativeBinomial":
        unit = self.unit / scale.sd
        return NegativeBinomial(self.log_mean, self.log_r, self.shift - unit * scale.mean, unit)

    def channels(self) -> Tensor:
        return torch.stack([self.mean, self.log_variance, self.log_mean, self.log_r], dim=1)


class NegativeBinomialHead(Head):
    """Log mean and log dispersion of counts: (B, C, T) -> (B, 2, T). The mean starts at the counts' own."""

    def __init__(self, in_channels: int, config: NegativeBinomialConfig, signal_mean: float) -> None:
        super().__init__()
        self.bounds = config.log_dispersion_bounds
        start = torch.tensor([math.log(max(signal_mean, 1e-3)), 0.0])
        self.project = shifted(PointwiseConv(in_channels, 2), start)

    def forward(self, features: Tensor) -> Tensor:
        log_mean, log_r = self.project(features).unbind(dim=1)
        return torch.stack([soft_clip(log_mean, -12.0, 16.0), soft_clip(log_r, *self.bounds)], dim=1)

    def distribution(self, prediction: Tensor, scale: SignalScale) -> NegativeBinomial:
        log_mean, log_r = prediction.unbind(dim=1)
        return NegativeBinomial(log_mean, log_r, scale.mean, scale.sd)

    def read(self, channels: Tensor) -> NegativeBinomial:
        zero = channels.new_zeros(())
        return NegativeBinomial(channels[:, 2], channels[:, 3], zero, zero + 1)
