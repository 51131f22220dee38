"""The network beside its baselines on the test split, before and after recalibration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.progress import counted
from contactlens.calibration import (
    ConfidenceInterval,
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
from contactlens.tracks.data.batch import TrackBatch

Array = np.ndarray
NETWORK = "network"
RECALIBRATED = "_recalibrated"
BAND = 0.9
INTERVAL = ["estimate", "low", "high"]
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

    FURTHER_TABLES = ("reliability", "pit", "ence_bins")


def evaluate(
    calibration: TrackBatch,
    test: TrackBatch,
    models: Mapping[str, SplitPredictions],
    config: EvaluateConfig,
    seed: int,
) -> Evaluation:
    """Score every model, as it is and recalibrated (`<model>_recalibrated`), on the observed test frames.

    models: by name, `network` among them; the others are its baselines. All share one set of resampled
    tracks. The network is compared with a baseline as it is, the recalibrated network with the recalibrated
    baseline.
    """
    judge = _Judge.of(test, config, seed)
    recalibrations = {
        name: Recalibration.fit(_signal(calibration), *_flat(model.calibration, calibration), config.recalibration)
        for name, model in models.items()
    }
    forms: dict[str, Predictive] = {}
    for name, model in models.items():
        mean, sd = _flat(model.test, test)
        forms[name] = Gaussian(mean, sd)
        forms[name + RECALIBRATED] = recalibrations[name].predict(mean, sd)
    metrics = {name: judge.metrics(form) for name, form in forms.items()}
    for baseline in (name for name in models if name != NETWORK):
        for suffix in ("", RECALIBRATED):
            metrics[NETWORK + suffix] |= _differences(metrics[NETWORK + suffix], metrics, baseline + suffix)
    shown = {name: forms[name] for name in (NETWORK, NETWORK + RECALIBRATED)}
    return Evaluation(
        metrics=_stack(metrics, judge.intervals),
        reliability=_stack(shown, judge.reliability),
        pit=_stack(shown, judge.pit),
        ence_bins=_stack(shown, judge.variance_bins),
        recalibration=recalibrations[NETWORK],
    )


@dataclass(frozen=True)
class _Judge:
    """The observed test frames: signal y (n,) a.u., track (n,) int codes, and the resampled tracks."""

    y: Array
    track: Array
    counts: Array
    config: EvaluateConfig

    @classmethod
    def of(cls, test: TrackBatch, config: EvaluateConfig, seed: int) -> "_Judge":
        # Codes without gaps: a track that was never observed is not drawn.
        track = np.unique(np.nonzero(test.observed.cpu().numpy())[0], return_inverse=True)[1]
        counts = resample_counts(int(track.max()) + 1, config.bootstrap_replicates, seed)
        return cls(_signal(test), track, counts, config)

    @property
    def levels(self) -> Array:
        return quantile_levels(self.config.reliability_levels)

    def interval(self, metric: Metric) -> ConfidenceInterval:
        return interval(metric, self.counts, self.config.confidence)

    def metrics(self, form: Predictive) -> dict[str, Metric]:
        config = self.config
        return all_metrics(self.track, self.y, form, config.coverage_levels, self.levels, config.ence_bins)

    def intervals(self, metrics: Mapping[str, Metric]) -> pd.DataFrame:
        rows = [(name, *map(float, self.interval(metric))) for name, metric in metrics.items()]
        return pd.DataFrame(rows, columns=["metric", *INTERVAL])

    def reliability(self, form: Predictive) -> pd.DataFrame:
        observed = self.interval(reliability_metric(self.track, form.cdf(self.y), self.levels))
        return pd.DataFrame(
            {
                "level": np.arange(1, self.levels.size + 1),
                "expected": self.levels,
                "observed": observed.estimate,
                "low": observed.low,
                "high": observed.high,
            }
        )

    def pit(self, form: Predictive) -> pd.DataFrame:
        bins = self.config.pit_bins
        edges = np.linspace(0, 1, bins + 1)
        index = np.minimum((form.cdf(self.y) * bins).astype(int), bins - 1)
        share = self.interval(histogram_metric(self.track, index, bins))
        density = {"density": share.estimate * bins, "low": share.low * bins, "high": share.high * bins}
        return pd.DataFrame({"bin_left": edges[:-1], "bin_right": edges[1:], **density})

    def variance_bins(self, form: Predictive) -> pd.DataFrame:
        bins = ence_bins(self.y, form.mean, form.sd, self.config.ence_bins)
        return pd.DataFrame({"bin": np.arange(1, bins.rmv.size + 1), "rmv": bins.rmv, "rmse": bins.rmse})


def predicted_frames(test: TrackBatch, network: GaussianFrames, recalibration: Recalibration) -> pd.DataFrame:
    """One row per observed test frame, track after track: mean, sd and the central 90 % band, low90 and high90, of the
    recalibrated distribution, a.u."""
    predicted = recalibration.predict(*_flat(network, test))
    return pd.DataFrame(
        {
            "mean": predicted.mean,
            "sd": predicted.sd,
            "low90": predicted.quantile((1 - BAND) / 2),
            "high90": predicted.quantile((1 + BAND) / 2),
        }
    )


def nested_metrics(metrics: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """{model: {metric: {estimate, low, high}}} of the long table; null for a number that could not be had."""
    nested: dict[str, dict[str, dict[str, float | None]]] = {}
    for model, metric, *numbers in metrics[["model", "metric", *INTERVAL]].itertuples(index=False):
        finite = [number if np.isfinite(number) else None for number in numbers]
        nested.setdefault(model, {})[metric] = dict(zip(INTERVAL, finite, strict=True))
    return nested


def _signal(batch: TrackBatch) -> Array:
    return batch.signal.cpu().numpy()[batch.observed.cpu().numpy()].astype(np.float64)


def _flat(frames: GaussianFrames, batch: TrackBatch) -> tuple[Array, Array]:
    """Mean and sd of the observed frames, (n,) float64 each."""
    observed = batch.observed.cpu().numpy()
    return frames.mean[observed].astype(np.float64), frames.sd[observed].astype(np.float64)


def _differences(
    own: Mapping[str, Metric], metrics: Mapping[str, Mapping[str, Metric]], baseline: str
) -> dict[str, Metric]:
    return {f"{score}_minus_{baseline}": difference(own[score], metrics[baseline][score]) for score in PROPER_SCORES}


def _stack(keyed: Mapping[str, Any], table: Callable[[Any], pd.DataFrame]) -> pd.DataFrame:
    """The tables of several models under each other, the model's name in front."""
    tables = {name: table(item) for name, item in counted(keyed.items(), "models scored")}
    return pd.concat(tables, names=["model", None]).reset_index(level="model").reset_index(drop=True)
