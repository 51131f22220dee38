"""The network beside its baselines on the test split, before and after recalibration, with intervals over tracks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.calibration import (
    Gaussian,
    Metric,
    Predictive,
    Recalibration,
    RecalibrationConfig,
    all_metrics,
    difference,
    ence_bins,
    interval,
    quantile_levels,
    resample_counts,
)
from contactlens.calibration.bootstrap import histogram_metric, reliability_metric
from contactlens.files import write_aside, write_json
from contactlens.tracks.batch import TrackBatch
from contactlens.tracks.track_set import SIGNAL_COLUMN, TrackSet

Array = np.ndarray
NETWORK = "network"
RECALIBRATED = "_recalibrated"
BAND = 0.9
PROPER_SCORES = ("nll", "crps")


@dataclass(frozen=True)
class EvaluateConfig:
    """bootstrap_replicates, confidence: of the percentile intervals over tracks.
    coverage_levels: central bands whose coverage is reported.
    reliability_levels: equally spaced quantile levels of the reliability diagram and of MACE.
    pit_bins, ence_bins: bins of the PIT histogram, and of predicted variance for ENCE.
    """

    bootstrap_replicates: int
    confidence: float
    coverage_levels: list[float]
    reliability_levels: int
    pit_bins: int
    ence_bins: int
    recalibration: RecalibrationConfig

    def __post_init__(self) -> None:
        if not all(0 < level < 1 for level in (self.confidence, *self.coverage_levels)):
            raise ValueError("evaluate: confidence and coverage_levels must lie between 0 and 1")
        for name in ("bootstrap_replicates", "reliability_levels", "pit_bins", "ence_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} must be at least 1, got {getattr(self, name)}")


class GaussianFrames(NamedTuple):
    """A model's prediction of a batch: mean and sd (N, T), a.u."""

    mean: Array
    sd: Array

    def flat(self, batch: TrackBatch) -> Gaussian:
        """The prediction of the observed frames, (n,) float64."""
        observed = batch.observed.cpu().numpy()
        return Gaussian(self.mean[observed].astype(np.float64), self.sd[observed].astype(np.float64))


class SplitPredictions(NamedTuple):
    """What one model says of the split that recalibrates it and of the split that judges it."""

    calibration: GaussianFrames
    test: GaussianFrames


@dataclass(frozen=True)
class Evaluation:
    """metrics: model, metric, estimate, low, high. Difference rows are named `nll_minus_<baseline>`.
    reliability: model, level, expected, observed, low, high. `level` counts the quantile levels from 1.
    pit: model, bin_left, bin_right, density, low, high.
    ence_bins: model, bin, rmv, rmse.
    recalibration: the network's.
    """

    metrics: pd.DataFrame
    reliability: pd.DataFrame
    pit: pd.DataFrame
    ence_bins: pd.DataFrame
    recalibration: Recalibration

    TABLES = ("metrics", "reliability", "pit", "ence_bins")


def evaluate(
    calibration: TrackBatch,
    test: TrackBatch,
    models: Mapping[str, SplitPredictions],
    config: EvaluateConfig,
    seed: int,
) -> Evaluation:
    """Score every model, as it is and recalibrated (`<model>_recalibrated`), on the observed test frames.

    models: by name, `network` among them; the others are its baselines. All share one set of resampled tracks. The
    network is compared with a baseline as it is, the recalibrated network with the recalibrated baseline.
    """
    y, track = _signal(test), _track_codes(test)
    counts = resample_counts(int(track.max()) + 1, config.bootstrap_replicates, seed)
    recalibrations = {name: _recalibration(calibration, m.calibration, config) for name, m in models.items()}
    forms: dict[str, Predictive] = {}
    for name, model in models.items():
        forms[name] = model.test.flat(test)
        forms[name + RECALIBRATED] = recalibrations[name].predict(forms[name].mean, forms[name].sd)
    levels = quantile_levels(config.reliability_levels)
    metrics = {
        name: all_metrics(track, y, form, config.coverage_levels, levels, config.ence_bins)
        for name, form in forms.items()
    }
    for baseline in (name for name in models if name != NETWORK):
        for suffix in ("", RECALIBRATED):
            _add_differences(metrics, NETWORK + suffix, baseline + suffix)
    shown = {name: forms[name] for name in (NETWORK, NETWORK + RECALIBRATED)}
    return Evaluation(
        metrics=_metric_table(metrics, counts, config.confidence),
        reliability=_curves(shown, lambda form: _reliability(form, y, track, levels, counts, config)),
        pit=_curves(shown, lambda form: _pit(form, y, track, counts, config)),
        ence_bins=_curves(shown, lambda form: _variance_bins(form, y, config.ence_bins)),
        recalibration=recalibrations[NETWORK],
    )
