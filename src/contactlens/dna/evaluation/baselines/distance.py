"""Distance alone. Public enhancer-promoter benchmarks let it win: near pairs are positive more often."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.composition import labels
from contactlens.dna.evaluation.baselines.logistic import Array, fit_scaled, positive
from contactlens.dna.evaluation.config import DistanceConfig


@dataclass(frozen=True)
class DistanceLogistic:
    """Logistic regression on a cubic spline of log(1 + distance), linear beyond the training distances."""

    classifier: Any

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: DistanceConfig, seed: int) -> "DistanceLogistic":
        spline = _spline(_log_distance(train), config.knots)
        x, x_validation = (spline.transform(_log_distance(windows)) for windows in (train, validation))
        fitted = fit_scaled(x, labels(train), x_validation, labels(validation), config.inverse_penalties)
        return cls(make_pipeline(spline, fitted))

    def predict(self, windows: WindowSet) -> Array:
        return positive(self.classifier, _log_distance(windows))


def _spline(x: Array, knots: int) -> SplineTransformer:
    at = np.unique(np.quantile(x, np.linspace(0, 1, knots)))
    if at.size < 2:
        at = at + np.array([-1.0, 1.0])  # one distance only: any two knots do
    return SplineTransformer(degree=3, knots=at[:, None], extrapolation="linear").fit(x)


def _log_distance(windows: WindowSet) -> Array:
    return np.log1p(windows.distances())[:, None]
