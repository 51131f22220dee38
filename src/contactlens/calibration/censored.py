"""A prediction cut off at a detection limit: what it says to lie below counts as at the limit, as in a Tobit model.

A density has probability zero of a value that recurs exactly, so its likelihood can't be compared with that of a
distribution with an atom there. Its censored form has an atom too, and is the stronger rival.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from contactlens.calibration.scores import Predictive

Array = np.ndarray
NODES = 32  # of the quadrature of the CRPS
LOWEST = 1e-4  # level of the quantile where that begins
SMALLEST = 1e-12  # probability of the atom, so that a frame at a limit which is never reached costs 28 nats
PIT_SEED = 0


@dataclass(frozen=True)
class Censored:
    """Y, with what lies at most `gap` above the limit moved to it, for each of n frames (a `Predictive`).

    Mean and sd stay those of Y.

    limit: the detection limit, in the signal's unit
    gap: to above it, where no signal is ever measured
    """

    base: Predictive
    limit: float
    gap: float = 0.0

    def at_limit(self, y: Array) -> Array:
        return np.asarray(y <= self.limit + self.gap)

    @cached_property
    def atom(self) -> Array:
        """P(Y <= limit + gap), (n,)."""
        return self.base.cdf(np.full(len(self.mean), self.limit + self.gap))

    @property
    def mean(self) -> Array:
        return self.base.mean

    @property
    def sd(self) -> Array:
        return self.base.sd

    def cdf(self, y: Array) -> Array:
        return np.where(y < self.limit, 0.0, np.where(self.at_limit(y), self.atom, self.base.cdf(y)))

    def cdf_below(self, y: Array) -> Array:
        return np.where(self.at_limit(y), 0.0, self.base.cdf_below(y))

    def pit(self, y: Array) -> Array:
        """Drawn at random, from one seed, inside the jump at the limit."""
        drawn = np.random.default_rng(PIT_SEED).random(len(y)) * self.atom
        return np.where(self.at_limit(y), drawn, self.base.pit(y))

    def quantile(self, level: float) -> Array:
        value = self.base.quantile(level)
        return np.where(self.at_limit(value), self.limit, value)

    def nll(self, y: Array) -> Array:
        """Against the measure that counts the limit as one point beside the lengths above it."""
        return np.where(self.at_limit(y), -np.log(np.maximum(self.atom, SMALLEST)), self.base.nll(y))

    def crps(self, y: Array) -> Array:
        """That of Y less what moving its mass changes, below the limit and in the gap."""
        at_limit = self.at_limit(y)
        inside = np.where(at_limit, self.limit, y)
        low = np.minimum(self.base.quantile(LOWEST), self.limit)
        limit = np.full(len(low), self.limit)
        below = _integral(lambda x: self.base.cdf(x) ** 2, low, limit)
        between = _integral(
            lambda x: (self.base.cdf(x) - at_limit) ** 2 - (self.atom - at_limit) ** 2, limit, limit + self.gap
        )
        return np.asarray(self.base.crps(inside) - below - between)


def _integral(value: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """From `low` to `high`, (n,) each, by Gauss-Legendre."""
    half = (high - low) / 2
    nodes = zip(*np.polynomial.legendre.leggauss(NODES), strict=True)
    return np.asarray(half * sum(weight * value(low + half * (1 + node)) for node, weight in nodes))
