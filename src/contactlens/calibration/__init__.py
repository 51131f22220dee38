"""What both branches share: proper scores, calibration metrics with intervals by track, and recalibration."""

from contactlens.calibration.bootstrap import (
    ConfidenceInterval,
    Metric,
    Resamples,
    all_metrics,
    difference,
    interval,
    resample_counts,
)
from contactlens.calibration.metrics import (
    coverage,
    ence,
    ence_bins,
    mace,
    mae,
    pit,
    quantile_levels,
    r2,
    reliability,
    sharpness,
)
from contactlens.calibration.normal_scores import NormalScores, recalibration_fitted, recalibration_from_json
from contactlens.calibration.recalibration import Recalibration, RecalibrationConfig, variance_factor
from contactlens.calibration.scores import Gaussian, Predictive, Scored, gaussian_crps, gaussian_nll

__all__ = [
    "ConfidenceInterval",
    "Gaussian",
    "Metric",
    "NormalScores",
    "Predictive",
    "Recalibration",
    "RecalibrationConfig",
    "Resamples",
    "Scored",
    "all_metrics",
    "coverage",
    "difference",
    "ence",
    "ence_bins",
    "gaussian_crps",
    "gaussian_nll",
    "interval",
    "mace",
    "mae",
    "pit",
    "quantile_levels",
    "r2",
    "recalibration_fitted",
    "recalibration_from_json",
    "reliability",
    "resample_counts",
    "sharpness",
    "variance_factor",
]
