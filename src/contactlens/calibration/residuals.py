"""The distribution of standardised residuals as a smooth mixture that keeps their mean and variance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from contactlens.calibration.normal import normal_density

Array = np.ndarray
# Narrowest component, as a share of the residuals' spread. Signals clipped at 0 tie (half of the frames of a
# real MS2 set); a density may not win by a spike on them, and one wider than this is not narrowed by it.
NARROWEST = 0.05
# Frames evaluated at once: frames x components is the size of the working array.
CHUNK = 20_000


@dataclass(frozen=True)
class ResidualMixture:
    """A mixture of Gaussians over z; weights (sum 1), centres and widths are (K,).

    The sorted residuals are cut into groups of equal size; each component is the Gaussian with the mean and
    variance of two neighbouring groups (one at either end), so that every residual counts twice. By the law
    of total variance the mixture's mean and variance are the residuals' own (but for components widened to
    NARROWEST), its CDF follows theirs at the resolution of a group, its density has no holes and its tails
    are Gaussian: an NLL on new frames stays finite, which the step function of quantile recalibration
    (Kuleshov et al. 2018) does not give.
    """

    weights: Array
    centres: Array
    widths: Array

    @classmethod
    def fit(cls, z: Array, groups: int) -> "ResidualMixture":
        """Fit to residuals z (n,); fewer groups than asked where these would hold less than 2 each."""
        groups = min(groups, max(1, z.size // 2))
        slot = np.arange(z.size) * groups // z.size
        ordered = np.sort(z)
        sums = np.stack([np.bincount(slot, ordered**power, minlength=groups) for power in range(3)])
        joined = np.concatenate([sums[:, :1], sums[:, :-1] + sums[:, 1:], sums[:, -1:]], axis=1)
        count, first, second = joined
        centres = first / count
        variance = second / count - centres**2
        widths = np.sqrt(np.maximum(variance, (NARROWEST * z.std()) ** 2))
        return cls(count / (2 * z.size), centres, widths)

    def with_unseen(self, share: float, width: float) -> "ResidualMixture":
        """The same with a `share` of residuals that the fit has not met: a Gaussian around 0 of that width."""
        return ResidualMixture(
            np.append(self.weights * (1 - share), share), np.append(self.centres, 0.0), np.append(self.widths, width)
        )

    @property
    def mean(self) -> float:
        return float(self.weights @ self.centres)

    @property
    def variance(self) -> float:
        return float(self.weights @ (self.widths**2 + self.centres**2)) - self.mean**2

    def cdf(self, z: Array) -> Array:
        return self._average(z, ndtr, self.weights)

    def nll(self, z: Array) -> Array:
        """Negative log-density in logarithms throughout: finite however far out z lies."""
        front = np.log(self.weights / self.widths) - 0.5 * np.log(2 * np.pi)
        parts = (front - 0.5 * u**2 for u in self._standardised(z))
        return -np.concatenate([logsumexp(part, axis=1) for part in parts])

    def crps(self, z: Array) -> Array:
        """CRPS of a Gaussian mixture in closed form: E|Z - z| - 0.5 E|Z - Z'|.

        Grimit, Gneiting, Berrocal & Johnson (2006), Q. J. R. Meteorol. Soc. 132:2925, equation 5.
        """
        gaps = self.centres[:, None] - self.centres
        spread = np.sqrt(self.widths[:, None] ** 2 + self.widths**2)
        within = self.weights @ (spread * _mean_absolute(gaps / spread)) @ self.weights
        return self._average(z, _mean_absolute, self.weights * self.widths) - 0.5 * within

    def quantile(self, level: float) -> float:
        """The z below which the mixture holds `level`, 0 < level < 1."""
        bounds = self.centres + self.widths * ndtri(level)
        low, high = bounds.min(), bounds.max()
        if low == high:
            return float(low)
        from scipy.optimize import brentq

        return float(brentq(lambda z: float(self.cdf(np.array([z]))[0]) - level, low - 1e-9, high + 1e-9))

    def _average(self, z: Array, function: Callable[[Array], Array], weights: Array) -> Array:
        """sum_k weights_k function((z - centre_k) / width_k) for z (n,)."""
        return np.concatenate([function(u) @ weights for u in self._standardised(z)])

    def _standardised(self, z: Array) -> Iterator[Array]:
        """(z - centre_k) / width_k as (frames, K), in chunks of frames."""
        for start in range(0, z.size, CHUNK):
            yield (z[start : start + CHUNK, None] - self.centres) / self.widths

    def to_json(self) -> dict[str, list[float]]:
        return {name: getattr(self, name).tolist() for name in ("weights", "centres", "widths")}

    @classmethod
    def from_json(cls, state: dict[str, list[float]]) -> "ResidualMixture":
        return cls(*(np.array(state[name]) for name in ("weights", "centres", "widths")))


def _mean_absolute(u: Array) -> Array:
    """E|U| for U ~ N(u, 1)."""
    return u * (2 * ndtr(u) - 1) + 2 * normal_density(u)
