"""A distribution of the signal for every frame from the leaves of a forest: of any shape, zeros and bursts included.

As in quantile regression forests (Meinshausen, J. Mach. Learn. Res. 2006) a frame's distribution is that of the signals
in its leaves. A leaf is split where the summed Brier score of many thresholds, a CRPS, falls most. Signals are smoothed
by Gaussians that all frames share, so that the density has no holes and Gaussian tails; a frame has weights of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.ensemble import RandomForestRegressor

from contactlens.calibration.normal import normal_density
from contactlens.calibration.residuals import ResidualMixture

Array = np.ndarray
GROUPS = 60  # of equal counts of signals, each of which two of the shared Gaussians hold
TREES = 12
LEAST_SHARE = 1e-4  # of any prediction that is the distribution of all signals: no density is zero
BISECTIONS = 50
CHUNK = 20_000


@dataclass(frozen=True)
class SharedMixture:
    """Mixtures of K Gaussians that n frames share: weights (n, K) with sum 1; centres, widths (K,) in the signal's
    unit."""

    weights: Array
    centres: Array
    widths: Array

    @cached_property
    def mean(self) -> Array:
        return self.weights @ self.centres

    @cached_property
    def sd(self) -> Array:
        return np.sqrt(self.weights @ (self.widths**2 + self.centres**2) - self.mean**2)

    def cdf(self, y: Array) -> Array:
        return np.clip(self._mean_of(ndtr, np.ones_like(self.widths), y), 0.0, 1.0)  # weights sum to 1 but for rounding

    def cdf_below(self, y: Array) -> Array:
        return self.cdf(y)

    def pit(self, y: Array) -> Array:
        return self.cdf(y)

    def nll(self, y: Array) -> Array:
        density = self._mean_of(normal_density, 1 / self.widths, y)
        return -np.log(np.maximum(density, np.finfo(np.float64).tiny))

    def crps(self, y: Array) -> Array:
        """E|Y - y| - E|Y - Y'| / 2 in closed form (Grimit et al., Q. J. R. Meteorol. Soc. 2006)."""
        spread = np.sqrt(self.widths[:, None] ** 2 + self.widths**2)
        between = spread * _mean_absolute((self.centres[:, None] - self.centres) / spread)
        within = ((self.weights @ between) * self.weights).sum(axis=1)
        return self._mean_of(_mean_absolute, self.widths, y) - within / 2

    def quantile(self, level: float) -> Array:
        ends = self.centres + self.widths * ndtri(level)
        low, high = np.full(len(self.weights), ends.min()), np.full(len(self.weights), ends.max())
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self.cdf(middle) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    def _mean_of(self, function: Callable[[Array], Array], factor: Array, y: Array) -> Array:
        """(n,) sum over k of weight, factor_k and function((y - centre_k) / width_k)."""
        if len(y) and np.all(y == y[0]):
            return self.weights @ (function((y[0] - self.centres) / self.widths) * factor)
        parts = [
            (self.weights[at : at + CHUNK] * function((y[at : at + CHUNK, None] - self.centres) / self.widths)) @ factor
            for at in range(0, len(y), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


class LeafDistribution(NamedTuple):
    """shared: of all signals that it was fitted to; forest: features to the chance of each but the last of the groups
    that these were cut into, summed up to it."""

    shared: ResidualMixture
    forest: RandomForestRegressor

    @classmethod
    def fit(cls, x: Array, y: Array, min_leaf_frames: int, seed: int) -> "LeafDistribution":
        """x: (n, F) features without gaps; y: (n,) signals."""
        shared = ResidualMixture.fit(y, GROUPS)
        groups = len(shared.weights) - 1
        rank = np.empty(len(y), dtype=np.int64)
        rank[np.argsort(y, kind="stable")] = np.arange(len(y)) * groups // len(y)
        below = rank[:, None] <= np.arange(groups - 1)
        forest = RandomForestRegressor(
            n_estimators=TREES, min_samples_leaf=min_leaf_frames, max_samples=0.5, random_state=seed
        )
        return cls(shared, forest.fit(x, below.astype(np.float64)))

    def predict(self, x: Array) -> SharedMixture:
        below = self.forest.predict(x)
        chances = np.diff(below, axis=1, prepend=0.0, append=1.0)
        halves = np.clip(chances, 0.0, None) / 2  # a group's signals are in the two Gaussians that it is part of
        weights = np.pad(halves, ((0, 0), (0, 1))) + np.pad(halves, ((0, 0), (1, 0)))
        weights = (1 - LEAST_SHARE) * weights / weights.sum(axis=1, keepdims=True) + LEAST_SHARE * self.shared.weights
        return SharedMixture(weights, self.shared.centres, self.shared.widths)


def _mean_absolute(gap: Array) -> Array:
    """E|Z + gap| of a standard normal Z."""
    return gap * (2 * ndtr(gap) - 1) + 2 * normal_density(gap)
