"""Proper scores of Gaussian predictions, and the shape in which any prediction of frames is scored."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from contactlens.calibration.normal import normal_density

Array = np.ndarray


def gaussian_nll(y: Array, mean: Array, sd: Array) -> Array:
    """Negative log-density of `y` under N(mean, sd^2), in nats, with the 0.5 log(2 pi).

    y, mean, sd: broadcastable, one unit. The density is per that unit.
    """
    return 0.5 * np.log(2 * np.pi) + np.log(sd) + 0.5 * ((y - mean) / sd) ** 2


def gaussian_crps(y: Array, mean: Array, sd: Array) -> Array:
    """Continuous ranked probability score of N(mean, sd^2), in the unit of `y`.

    Gneiting & Raftery (2007), J. Am. Stat. Assoc. 102:359, equation 21 (with the sign of a loss).
    """
    z = (y - mean) / sd
    return sd * (z * (2 * ndtr(z) - 1) + 2 * normal_density(z) - 1 / np.sqrt(np.pi))


class Scored(Protocol):
    """What the metrics read of a prediction of n frames. All arrays are (n,)."""

    @property
    def mean(self) -> Array: ...

    @property
    def sd(self) -> Array: ...

    def pit(self, y: Array) -> Array:
        """The probability integral transform: the cdf, drawn at random inside the jump of one that jumps at y."""
        ...

    def nll(self, y: Array) -> Array: ...

    def crps(self, y: Array) -> Array: ...


class Predictive(Scored, Protocol):
    """A predictive distribution for each of n frames."""

    def cdf(self, y: Array) -> Array: ...

    def cdf_below(self, y: Array) -> Array:
        """P(Y < y): the cdf, but where it jumps."""
        ...

    def quantile(self, level: float) -> Array: ...


@dataclass(frozen=True)
class Gaussian:
    """N(mean, sd^2) for each of n frames; mean and sd are (n,) in the unit of the target."""

    mean: Array
    sd: Array

    def cdf(self, y: Array) -> Array:
        return ndtr((y - self.mean) / self.sd)

    def cdf_below(self, y: Array) -> Array:
        return self.cdf(y)

    def pit(self, y: Array) -> Array:
        return self.cdf(y)

    def quantile(self, level: float) -> Array:
        return ndtri(level) * self.sd + self.mean

    def nll(self, y: Array) -> Array:
        return gaussian_nll(y, self.mean, self.sd)

    def crps(self, y: Array) -> Array:
        return gaussian_crps(y, self.mean, self.sd)
