"""Calibration and accuracy of predictions on flat arrays of observed frames.

Everything here is a plain number or a short table of one set of frames; intervals are in `bootstrap`.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

Array = np.ndarray


def pit(y: Array, mean: Array, sd: Array) -> Array:
    """Probability integral transform of Gaussian predictions: uniform on (0, 1) where they are calibrated."""
    return ndtr((y - mean) / sd)


def quantile_levels(count: int) -> Array:
    """`count` equally spaced levels strictly inside (0, 1): 99 gives 0.01, 0.02, ..., 0.99."""
    return np.arange(1, count + 1) / (count + 1)


def reliability(pits: Array, levels: Array) -> Array:
    """Observed share of frames at or below each predicted quantile (CDF levels, not central bands).

    Kuleshov, Fenner & Ermon (2018), ICML, equation 8. A calibrated prediction gives `levels` back.
    """
    return np.searchsorted(np.sort(pits), levels, side="right") / pits.size


def mace(pits: Array, levels: Array) -> float:
    """Mean absolute calibration error: mean |observed - expected| over quantile levels.

    Chung et al. (2021), "Uncertainty Toolbox", arXiv:2109.10254. A constant sd can
    score well: read it with `ence` and `sharpness`.
    """
    return float(np.mean(np.abs(reliability(pits, levels) - levels)))


def in_central_band(pits: Array, level: float) -> Array:
    """Whether each frame lies in the central band that should hold `level` of them: (n,) bool."""
    return np.abs(pits - 0.5) <= level / 2


def coverage(pits: Array, level: float) -> float:
    """Share of frames in the central `level` band, between quantiles (1 - level) / 2 and (1 + level) / 2."""
    return float(np.mean(in_central_band(pits, level)))


class VarianceBins(NamedTuple):
    """Frames binned by predicted variance: root mean predicted variance and RMSE per bin, (bins,) each."""

    rmv: Array
    rmse: Array


def equal_count_bins(values: Array, bins: int) -> Array:
    """Bin index of each value, (n,) int in [0, bins): bins of equal counts by rank, ties kept in order.

    Ranks, not edges, so that a constant column still fills every bin.
    """
    ranks = np.empty(values.size, dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks * bins // values.size


def ence_bins(y: Array, mean: Array, sd: Array, bins: int) -> VarianceBins:
    """Root mean variance against RMSE in equal-count bins of predicted variance."""
    index = equal_count_bins(sd, bins)
    count = np.bincount(index, minlength=bins)
    rmv = np.sqrt(np.bincount(index, sd**2, minlength=bins) / count)
    rmse = np.sqrt(np.bincount(index, (y - mean) ** 2, minlength=bins) / count)
    return VarianceBins(rmv, rmse)


def ence(y: Array, mean: Array, sd: Array, bins: int) -> float:
    """Expected normalised calibration error: mean over bins of |RMV - RMSE| / RMV.

    Levi, Gispan, Giladi & Fetaya (2022), Sensors 22:5540 (arXiv:1905.11659), equation 9.
    """
    rmv, rmse = ence_bins(y, mean, sd, bins)
    return float(np.mean(np.abs(rmv - rmse) / rmv))


def sharpness(sd: Array) -> float:
    """Root mean predicted variance, in the unit of the target (smaller is sharper)."""
    return float(np.sqrt(np.mean(sd**2)))


def mae(y: Array, mean: Array) -> float:
    """Mean absolute error of the predicted mean."""
    return float(np.mean(np.abs(y - mean)))


def r2(y: Array, mean: Array) -> float:
    """Share of the variance of `y` over all frames that the predicted mean explains."""
    return float(1 - np.sum((y - mean) ** 2) / np.sum((y - y.mean()) ** 2))
