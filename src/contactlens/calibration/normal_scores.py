"""Recalibration of any predictive distribution, which keeps the shape that it has frame by frame.

`Recalibration` gives every frame the residuals' common shape. That is right for a Gaussian, which has none of its own,
and would throw away what a mixture says. Here the distribution F of a frame becomes G(Phi^-1(F)), with G the smooth
distribution that the normal scores Phi^-1(F(y)) of the calibration split have (Gneiting, Balabdaoui & Raftery, J. R.
Stat. Soc. B 69 (2007) 243: they are standard normal where the prediction is calibrated).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from contactlens.calibration.config import RecalibrationConfig
from contactlens.calibration.normal import normal_log_density
from contactlens.calibration.recalibration import Recalibration
from contactlens.calibration.residuals import ResidualMixture
from contactlens.calibration.scores import Gaussian, Predictive

Array = np.ndarray
FARTHEST = 8.0  # normal scores are kept within this, where a cdf has rounded to 0 or 1
UNSEEN_WIDTH = 2.0  # of the normal scores of a frame as the fit has not met one
STEPS = 128  # of the quadrature of mean, sd and CRPS
TAIL = 1e-6  # probability on either side of it
KEY = "normal_scores"


def _score(probability: Array) -> Array:
    """Of a sum of weights that rounding took above 1 too."""
    return np.clip(ndtri(np.minimum(probability, 1.0)), -FARTHEST, FARTHEST)


@dataclass(frozen=True)
class NormalScores:
    """scores: the distribution G of the normal scores."""

    scores: ResidualMixture

    @classmethod
    def fit(cls, y: Array, form: Predictive, config: RecalibrationConfig) -> "NormalScores":
        """Fit to flat frames (n,) of a split that neither trained nor tests the model; one frame more than it holds
        counts, which lies anywhere."""
        z = _score(form.pit(y))
        mixture = ResidualMixture.fit(z, config.residual_groups)
        return cls(mixture.with_unseen(1 / (z.size + 1), UNSEEN_WIDTH))

    def of(self, form: Predictive) -> "NormalScoresRecalibrated":
        return NormalScoresRecalibrated(self.scores, form)

    def to_json(self) -> dict[str, Any]:
        return {KEY: self.scores.to_json()}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "NormalScores":
        return cls(ResidualMixture.from_json(state[KEY]))


@dataclass(frozen=True)
class NormalScoresRecalibrated:
    """A recalibrated distribution for each of n frames (a `Predictive`); mean, sd and CRPS by quadrature of the cdf."""

    scores: ResidualMixture
    form: Predictive

    def cdf(self, y: Array) -> Array:
        return self.scores.cdf(_score(self.form.cdf(y)))

    def cdf_below(self, y: Array) -> Array:
        return self.scores.cdf(_score(self.form.cdf_below(y)))

    def pit(self, y: Array) -> Array:
        return self.scores.cdf(_score(self.form.pit(y)))

    def quantile(self, level: float) -> Array:
        z = np.clip(self.scores.quantile(level), -FARTHEST, FARTHEST)  # beyond it the form's own would be infinite
        return self.form.quantile(float(ndtr(z)))

    def nll(self, y: Array) -> Array:
        """By the chain rule g(z) / phi(z) f(y); where the cdf jumps, the recalibrated size of the jump."""
        high, low = self.form.cdf(y), self.form.cdf_below(y)
        z = _score(high)
        smooth = self.form.nll(y) + self.scores.nll(z) + normal_log_density(z)
        jump = high > low
        mass = self.scores.cdf(z) - np.where(low > 0, self.scores.cdf(_score(low)), 0.0)
        return np.where(jump, -np.log(np.maximum(mass, np.finfo(float).tiny)), smooth)

    @property
    def mean(self) -> Array:
        return self._moments[0]

    @property
    def sd(self) -> Array:
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        return self._integrals(None)[:2]

    def crps(self, y: Array) -> Array:
        """The cells give the moments too, which are kept."""
        mean, sd, crps = self._integrals(y)
        vars(self)["_moments"] = mean, sd
        return crps

    def _integrals(self, y: Array | None) -> tuple[Array, Array, Array]:
        """Mean and sd, from E[Y] = high - int F and E[(high - Y)^2] = 2 int (high - y) F over [low, high]; and, of y,
        the CRPS, the integral of (F - [y <= x])^2.

        The midpoint rule errs where its integrand has a corner: by width^2 / 12 at `high` in the second moment, and at
        y in the CRPS, where (before after - width^2 / 12) f(y) is missing of the cell that y divides, by the
        Euler-Maclaurin formula on either side. Both are put right, so that few steps are enough.
        """
        low, high = self._ends
        first = second = np.zeros_like(low)
        total = np.zeros_like(low) if y is None else np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
        density = np.zeros_like(low) if y is None else self._density(y)
        for x, cdf, width in self._cells(low, high):
            first = first + width * cdf
            second = second + 2 * width * (high - x) * cdf
            if y is not None:
                before = y - (x - width / 2)
                divided = np.where((before >= 0) & (before < width), before * (width - before) - width**2 / 12, 0.0)
                before = np.clip(before, 0.0, width)
                total = total + before * cdf**2 + (width - before) * (1 - cdf) ** 2 - density * divided
        second = second - ((high - low) / STEPS) ** 2 / 12
        return high - first, np.sqrt(np.maximum(second - first**2, 0.0)), total

    def _density(self, y: Array) -> Array:
        """0 where the cdf jumps, which has none."""
        return np.where(self.form.cdf(y) > self.form.cdf_below(y), 0.0, np.exp(-self.nll(y)))

    @cached_property
    def _ends(self) -> tuple[Array, Array]:
        """Of every frame; the same for all where they differ little, since many a form is quicker at common points."""
        low, high = self.quantile(TAIL), self.quantile(1 - TAIL)
        lowest, highest = low.min(initial=np.inf), high.max(initial=-np.inf)
        if np.all(2 * (high - low) > highest - lowest):
            return np.full_like(low, lowest), np.full_like(high, highest)
        return low, high

    def _cells(self, low: Array, high: Array) -> Iterator[tuple[Array, Array, Array]]:
        """Midpoint, cdf there and width of each cell between low and high."""
        width = (high - low) / STEPS
        grid = np.linspace(-FARTHEST, FARTHEST, 4001)
        values = self.scores.cdf(grid)
        for step in range(STEPS):
            y = low + (step + 0.5) * width
            yield y, np.interp(_score(self.form.cdf(y)), grid, values), width


def recalibration_fitted(y: Array, form: Predictive, config: RecalibrationConfig) -> Recalibration | NormalScores:
    """The recalibration that suits a form: of a Gaussian the residuals' common shape, of others their normal scores."""
    if isinstance(form, Gaussian):
        return Recalibration.fit(y, form.mean, form.sd, config)
    return NormalScores.fit(y, form, config)


def recalibration_from_json(state: dict[str, Any]) -> Recalibration | NormalScores:
    """What `to_json` of either wrote."""
    return (NormalScores if KEY in state else Recalibration).from_json(state)
