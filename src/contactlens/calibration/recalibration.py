"""Recalibration of Gaussian predictions, fitted on a split of its own.

`variance_factor` is the one-number version. `Recalibration` corrects the predicted sd where it misjudges the
size of residuals and then replaces the Gaussian by the residuals' own distribution, which for MS2 is far from
Gaussian: the promoter was on or it was not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from contactlens.calibration.config import RecalibrationConfig
from contactlens.calibration.metrics import equal_count_bins
from contactlens.calibration.residuals import ResidualMixture
from contactlens.calibration.scores import Predictive

Array = np.ndarray


def variance_factor(y: Array, mean: Array, sd: Array) -> float:
    """The factor on the predicted variance that maximises the Gaussian likelihood: mean z^2."""
    return float(np.mean(((y - mean) / sd) ** 2))


@dataclass(frozen=True)
class SdMap:
    """A monotone map from predicted sd to the rms residual, linear in logarithms between knots, (K,) each.

    Beyond the outer knots the ratio of the nearest knot is kept.
    """

    predicted: Array
    measured: Array

    @classmethod
    def fit(cls, residual: Array, sd: Array, bins: int) -> "SdMap":
        """Isotonic regression of the mean square residual on predicted sd over equal-count bins.

        Isotonic on bins, not on frames: its first and last steps on frames are set by a handful of residuals. Each bin
        counts one frame more than it holds, with the mean square of all (see `Recalibration.fit`).
        """
        from sklearn.isotonic import IsotonicRegression

        index = equal_count_bins(sd, bins) if np.ptp(sd) > 0 else np.zeros(sd.size, dtype=np.int64)
        count = np.bincount(index)
        predicted = np.exp(np.bincount(index, np.log(sd)) / count)
        square = IsotonicRegression().fit_transform(
            predicted, (np.bincount(index, residual**2) + np.mean(residual**2)) / (count + 1), sample_weight=count
        )
        predicted, first = np.unique(predicted, return_index=True)
        return cls(predicted, np.sqrt(square[first]))

    def __call__(self, sd: Array) -> Array:
        at = np.clip(sd, self.predicted[0], self.predicted[-1])
        measured = np.exp(np.interp(np.log(at), np.log(self.predicted), np.log(self.measured)))
        return measured * (sd / at)


@dataclass(frozen=True)
class Recalibration:
    """y = mean + sd_map(sd) * z with z from the residual distribution of the bin that holds `mean`.

    edges: (bins - 1,) of predicted mean, a.u.
    """

    sd_map: SdMap
    edges: Array
    residuals: tuple[ResidualMixture, ...]

    @classmethod
    def fit(cls, y: Array, mean: Array, sd: Array, config: RecalibrationConfig) -> "Recalibration":
        """Fit to flat arrays (n,) of a split that neither trained nor tests the model.

        Rule of succession: every bin counts one frame more than it holds, with a residual as the whole split has them.
        Else a bin whose frames all went well, as frames without a spot do, would call the first surprise impossible.
        """
        sd_map = SdMap.fit(y - mean, sd, config.sd_bins)
        scale = sd_map(sd)
        z = (y - mean) / scale
        typical = float(np.sqrt(np.mean((y - mean) ** 2)))
        inner = np.arange(1, config.residual_bins) / config.residual_bins
        # An edge at the smallest mean would leave an empty bin: a constant mean has one bin.
        edges = np.unique(np.quantile(mean, inner))
        edges = edges[edges > mean.min()]
        index = np.searchsorted(edges, mean, side="right")
        mixtures = []
        for inside in (index == b for b in range(edges.size + 1)):
            mixture = ResidualMixture.fit(z[inside], config.residual_groups)
            width = typical / float(np.sqrt(np.mean(scale[inside] ** 2)))
            mixtures.append(mixture.with_unseen(1 / (inside.sum() + 1), width))
        return cls(sd_map, edges, tuple(mixtures))

    def predict(self, mean: Array, sd: Array) -> "Recalibrated":
        """The recalibrated distribution of each frame; mean and sd are the model's own, (n,)."""
        return Recalibrated(self, mean, self.sd_map(sd))

    def of(self, form: Predictive) -> "Recalibrated":
        """The recalibrated distribution of each frame of a form."""
        return self.predict(form.mean, form.sd)

    def to_json(self) -> dict[str, Any]:
        return {
            "predicted_sd": self.sd_map.predicted.tolist(),
            "measured_sd": self.sd_map.measured.tolist(),
            "mean_edges": self.edges.tolist(),
            "residuals": [mixture.to_json() for mixture in self.residuals],
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Recalibration":
        return cls(
            SdMap(np.array(state["predicted_sd"]), np.array(state["measured_sd"])),
            np.array(state["mean_edges"]),
            tuple(ResidualMixture.from_json(mixture) for mixture in state["residuals"]),
        )


@dataclass(frozen=True)
class Recalibrated:
    """A recalibrated distribution for each of n frames (a `Predictive`).

    location: the model's mean; scale: the mapped sd; both (n,). `mean` and `sd` are the distribution's own.
    """

    fitted: Recalibration
    location: Array
    scale: Array

    @property
    def mean(self) -> Array:
        return self.location + self.scale * self._of_bin([mixture.mean for mixture in self.fitted.residuals])

    @property
    def sd(self) -> Array:
        return self.scale * np.sqrt(self._of_bin([mixture.variance for mixture in self.fitted.residuals]))

    def quantile(self, level: float) -> Array:
        values = self._of_bin([mixture.quantile(level) for mixture in self.fitted.residuals])
        return self.location + self.scale * values

    def cdf(self, y: Array) -> Array:
        return self._per_bin("cdf", y)

    def cdf_below(self, y: Array) -> Array:
        return self.cdf(y)

    def pit(self, y: Array) -> Array:
        return self.cdf(y)

    def nll(self, y: Array) -> Array:
        return self._per_bin("nll", y) + np.log(self.scale)

    def crps(self, y: Array) -> Array:
        return self._per_bin("crps", y) * self.scale

    @property
    def _bin(self) -> Array:
        return np.searchsorted(self.fitted.edges, self.location, side="right")

    def _of_bin(self, values: list[float]) -> Array:
        return np.array(values)[self._bin]

    def _per_bin(self, score: str, y: Array) -> Array:
        z = (y - self.location) / self.scale
        out = np.empty_like(z)
        for b, mixture in enumerate(self.fitted.residuals):
            inside = self._bin == b
            if inside.any():
                out[inside] = getattr(mixture, score)(z[inside])
        return out
