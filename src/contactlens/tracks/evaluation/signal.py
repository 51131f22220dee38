"""Predicted signals: the network beside its baselines on the test split, before and after recalibration."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from contactlens.calibration.bootstrap import (
    ConfidenceInterval,
    Metric,
    Resamples,
    all_metrics,
    difference,
    histogram_metric,
    mean_metric,
    reliability_metric,
)
from contactlens.calibration.metrics import ence_bins, quantile_levels
from contactlens.calibration.normal_scores import NormalScores, recalibration_fitted
from contactlens.calibration.recalibration import Recalibration
from contactlens.calibration.scores import Gaussian, Predictive
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import RECALIBRATED, SignalView, fit_baselines
from contactlens.tracks.evaluation.baselines.constant import ConstantGaussian
from contactlens.tracks.evaluation.baselines.frames import Baseline, DistributionBaseline
from contactlens.tracks.evaluation.ceiling import Ceiling, ceiling_of, why_no_ceiling
from contactlens.tracks.evaluation.config import EvaluationConfig, SignalEvaluationConfig
from contactlens.tracks.evaluation.seeds import seed_metrics
from contactlens.tracks.evaluation.table import (
    CEILING,
    ENSEMBLE,
    NETWORK,
    SAME_FORM,
    EvaluatedModel,
    TaskEvaluation,
    add_differences,
    interval_table,
)
from contactlens.tracks.models.ensemble import Ensemble
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.predictive import predict_signal, spread_parts

Array = np.ndarray
BAND = 0.9
PROPER_SCORES = ("nll", "crps")
ALL_FORMS = (*SAME_FORM, ("", RECALIBRATED))


def evaluate_signal(evaluated: EvaluatedModel, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """See `evaluate_task`. Predictions: see `predicted_frames`, of what is served."""
    calibration, test = evaluated.batches["calibration"], evaluated.test
    models = signal_predictions(evaluated, config, seed)
    asked = config.signal.ceiling
    reason = why_no_ceiling(evaluated.model.task, evaluated.tracks, asked)
    ceiling = ceiling_of(test, evaluated.tracks, asked, seed) if reason is None else None
    evaluation = score_signal(
        calibration, test, models, config.signal, seed, evaluated.served, evaluated.groups, ceiling
    )
    before = models[evaluated.served.removesuffix(RECALIBRATED)].test
    frames = predicted_frames(observed_signal(test), evaluation.served, before)
    return TaskEvaluation(
        metrics=evaluation.metrics,
        tables={name: getattr(evaluation, name) for name in SignalEvaluation.TABLES if name != "metrics"}
        | {CEILING: _described(ceiling, reason)},
        predictions=evaluated.frames().join(frames),
        recalibration=evaluation.recalibration.to_json(),
    )


def signal_predictions(
    evaluated: EvaluatedModel, config: EvaluationConfig, seed: int
) -> "dict[str, SignalPredictions]":
    """What network, ensemble and the baselines, which are fitted here, predict."""
    calibration, test = evaluated.batches["calibration"], evaluated.test
    task = evaluated.model.task

    def predicted(model: TrackModel | Ensemble, batch: TrackBatch) -> Predictive:
        return predict_signal(model, model_input(task, batch), batch.observed, evaluated.batch_size)

    def baseline(one: Baseline, batch: TrackBatch) -> Predictive:
        if isinstance(one, DistributionBaseline):
            return one.distribution(batch)
        return gaussian_of(one.predict(batch), batch)

    forms: dict[str, Callable[[TrackBatch], Predictive]] = {NETWORK: partial(predicted, evaluated.model)}
    if evaluated.ensemble is not None:
        forms[ENSEMBLE] = partial(predicted, evaluated.ensemble)
    forms |= {name: partial(baseline, one) for name, one in _baselines(evaluated, config, seed).items()}
    return {name: SignalPredictions(form(calibration), form(test)) for name, form in forms.items()}


def _described(ceiling: Ceiling | None, reason: str | None) -> pd.DataFrame:
    """One row: tracks and samples that the ceiling is of, or the reason why there is none."""
    tracks, samples = (0, 0) if ceiling is None else (len(ceiling.rows), ceiling.form.samples)
    return pd.DataFrame({"tracks": [tracks], "samples": [samples], "reason": [reason or ""]})


class SignalPredictions(NamedTuple):
    """One model's predictions of the observed frames of the split that recalibrates it, and of the test split's."""

    calibration: Predictive
    test: Predictive


@dataclass(frozen=True)
class SignalEvaluation:
    """metrics: model, metric, estimate, low, high, over. Difference rows are named `nll_minus_<baseline>`.
    Of what is served, as it is and recalibrated:
    reliability: model, level, expected, observed, low, high. `level` counts the quantile levels from 1.
    pit: model, bin_left, bin_right, density, low, high.
    ence_bins: model, bin, rmv, rmse.
    recalibration: its recalibration; served: its prediction of the test frames, in the form that is served.
    """

    metrics: pd.DataFrame
    reliability: pd.DataFrame
    pit: pd.DataFrame
    ence_bins: pd.DataFrame
    recalibration: Recalibration | NormalScores
    served: Predictive

    TABLES = ("metrics", "reliability", "pit", "ence_bins")


def score_signal(
    calibration: TrackBatch,
    test: TrackBatch,
    models: Mapping[str, SignalPredictions],
    config: SignalEvaluationConfig,
    seed: int,
    served: str = NETWORK + RECALIBRATED,
    groups: Sequence[str] | None = None,
    ceiling: Ceiling | None = None,
) -> SignalEvaluation:
    """Score every model, as it is and recalibrated (`<model>_recalibrated`), on the observed test frames.

    models: by name, `network` among them and perhaps `ensemble`; the others are baselines. All share one set of
        resampled tracks; the proper scores of the ensemble as it is are of resampled seeds too. Network and ensemble
        are compared with every baseline as it is and recalibrated, recalibrated with the recalibrated baseline; and the
        ensemble with the network.
    served: the form that is served
    groups: of each test track, which are resampled before it
    ceiling: of some of the test tracks; on these every form of every model is compared with it (`nll_minus_ceiling`),
        which says of a baseline how far any model could be ahead of it
    """
    evaluator = _SignalEvaluator.of(test, config, seed, groups or test.track_ids)
    forms, recalibrations = recalibrated_forms(calibration, models, config)
    metrics = {name: evaluator.metrics(form) for name, form in forms.items()}
    if ENSEMBLE in models:
        metrics[ENSEMBLE] |= evaluator.with_seeds(forms[ENSEMBLE], seed)
    compare_with_baselines(metrics, models)
    if ceiling is not None:
        metrics[CEILING] = evaluator.add_ceiling(ceiling, {name: (metrics[name], forms[name]) for name in forms})
    served_model = served.removesuffix(RECALIBRATED)
    shown = {name: forms[name] for name in (served_model, served_model + RECALIBRATED)}
    return SignalEvaluation(
        metrics=_over_ceiling(interval_table(metrics, evaluator.resamples), ceiling),
        reliability=_stack(shown, evaluator.reliability),
        pit=_stack(shown, evaluator.pit),
        ence_bins=_stack(shown, evaluator.variance_bins),
        recalibration=recalibrations[served_model],
        served=forms[served],
    )


def recalibrated_forms(
    calibration: TrackBatch, models: Mapping[str, SignalPredictions], config: SignalEvaluationConfig
) -> tuple[dict[str, Predictive], dict[str, Recalibration | NormalScores]]:
    """Every model's prediction of the test frames, as it is and recalibrated (`<model>_recalibrated`), and by what."""
    recalibrations = {
        name: recalibration_fitted(observed_signal(calibration), model.calibration, config.recalibration)
        for name, model in models.items()
    }
    forms: dict[str, Predictive] = {}
    for name, model in models.items():
        forms[name] = model.test
        forms[name + RECALIBRATED] = recalibrations[name].of(model.test)
    return forms, recalibrations


def compare_with_baselines(
    metrics: Mapping[str, dict[str, Metric]], models: Iterable[str], scores: Sequence[str] = PROPER_SCORES
) -> None:
    """Add network and ensemble less every baseline, and the ensemble less the network; models: names, each in both
    forms."""
    names = list(models)
    own = [name for name in (NETWORK, ENSEMBLE) if name in names]
    baselines = [name for name in names if name not in own]
    for name in own:
        add_differences(metrics, baselines, scores, name, ALL_FORMS)
    add_differences(metrics, own[:-1], scores, own[-1])


def paired_difference(
    first: Predictive,
    second: Predictive,
    test: TrackBatch,
    score: Literal["nll", "crps"],
    config: SignalEvaluationConfig,
    seed: int,
    groups: Sequence[str],
) -> ConfidenceInterval:
    """Score of the first prediction of the observed test frames less that of the second; groups, tracks and, of an
    ensemble, its seeds are resampled."""
    evaluator = _SignalEvaluator.of(test, config, seed, groups)

    def metric(form: Predictive, own_seed: int) -> Metric:
        alone = mean_metric(evaluator.track, getattr(form, score)(evaluator.y))
        return evaluator.with_seeds(form, own_seed).get(score, alone)

    return evaluator.resamples.interval(difference(metric(first, seed), metric(second, seed + 1)))


def predicted_frames(y: Array, served: Predictive, before: Predictive) -> pd.DataFrame:
    """One row per observed test frame, track after track: mean, sd and the central 90 % band, low90 and high90; of an
    ensemble aleatoric and epistemic, the parts of the sd; all in the signal's unit; and frame_nll, in nats.

    y: (n,) the signal; before: the same prediction before recalibration, where it was recalibrated
    """
    columns = {
        "mean": served.mean,
        "sd": served.sd,
        "low90": served.quantile((1 - BAND) / 2),
        "high90": served.quantile((1 + BAND) / 2),
        "frame_nll": served.nll(y),
    }
    parts = spread_parts(served, before)
    return pd.DataFrame(columns if parts is None else {**columns, "aleatoric": parts[0], "epistemic": parts[1]})


@dataclass(frozen=True)
class _SignalEvaluator:
    """The observed test frames: signal y (n,) a.u., track (n,) int codes, rows of these tracks in the test batch, and
    the resampled tracks."""

    y: Array
    track: Array
    rows: Array
    resamples: Resamples
    config: SignalEvaluationConfig

    @classmethod
    def of(
        cls, test: TrackBatch, config: SignalEvaluationConfig, seed: int, groups: Sequence[str]
    ) -> "_SignalEvaluator":
        # Codes without gaps: a track that was never observed is not drawn.
        rows, track = np.unique(np.nonzero(test.observed.cpu().numpy())[0], return_inverse=True)
        drawn = [groups[row] for row in rows]
        resamples = Resamples.draw(rows.size, config.bootstrap_replicates, config.confidence, seed, drawn)
        return cls(observed_signal(test), track, rows, resamples, config)

    @property
    def levels(self) -> Array:
        return quantile_levels(self.config.reliability_levels)

    def metrics(self, form: Predictive) -> dict[str, Metric]:
        config = self.config
        return all_metrics(self.track, self.y, form, config.coverage_levels, self.levels, config.ence_bins)

    def with_seeds(self, form: Predictive, seed: int) -> dict[str, Metric]:
        """The proper scores of an ensemble, with its seeds resampled as well as its tracks."""
        return seed_metrics(self.track, self.y, form, self.config.bootstrap_replicates, seed)

    def add_ceiling(
        self, ceiling: Ceiling, models: Mapping[str, tuple[dict[str, Metric], Predictive]]
    ) -> dict[str, Metric]:
        """The ceiling's metrics; each model, of all test frames, gets the differences of its proper scores."""
        frames = np.isin(self.rows[self.track], ceiling.rows)
        y, track = self.y[frames], self.track[frames]
        config = self.config
        found = all_metrics(track, y, ceiling.form, config.coverage_levels, self.levels, config.ence_bins)
        own = {name: self._of_all_tracks(metric) for name, metric in found.items()}
        for metrics, form in models.values():
            for score in PROPER_SCORES:
                value = self._of_all_tracks(mean_metric(track, getattr(form, score)(self.y)[frames]))
                metrics[f"{score}_minus_{CEILING}"] = difference(value, own[score])
        return own

    def _of_all_tracks(self, metric: Metric) -> Metric:
        """A metric of some tracks, as one of all: the others' sums are 0."""
        return metric._replace(sums=np.pad(metric.sums, ((0, len(self.rows) - len(metric.sums)), (0, 0))))

    def reliability(self, form: Predictive) -> pd.DataFrame:
        observed = self.resamples.interval(reliability_metric(self.track, form.pit(self.y), self.levels))
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
        index = np.minimum((form.pit(self.y) * bins).astype(int), bins - 1)
        share = self.resamples.interval(histogram_metric(self.track, index, bins))
        density = {"density": share.estimate * bins, "low": share.low * bins, "high": share.high * bins}
        return pd.DataFrame({"bin_left": edges[:-1], "bin_right": edges[1:], **density})

    def variance_bins(self, form: Predictive) -> pd.DataFrame:
        bins = ence_bins(self.y, form.mean, form.sd, self.config.ence_bins)
        return pd.DataFrame({"bin": np.arange(1, bins.rmv.size + 1), "rmv": bins.rmv, "rmse": bins.rmse})


def _baselines(evaluated: EvaluatedModel, config: EvaluationConfig, seed: int) -> dict[str, Baseline]:
    """All of them where the driver is an input; else the one that does not need it."""
    train, model = evaluated.batches["train"], evaluated.model
    task = model.task
    if not task.driver_input:
        return {"constant_gaussian": ConstantGaussian.fit(train)}
    view = SignalView(
        radius=model.gate_midpoint if task.signal_input else None,
        parts=None if model.context is None else model.context.frames,
    )
    return fit_baselines(train, evaluated.batches["validation"], config.baselines, seed, view)


def observed_signal(batch: TrackBatch) -> Array:
    """The signal at the observed frames (n,), track after track, in its unit."""
    return batch.signal.cpu().numpy()[batch.observed.cpu().numpy()].astype(np.float64)


def gaussian_of(predicted: tuple[Array, Array], batch: TrackBatch) -> Gaussian:
    """A predicted mean and sd, (N, T) each, at the observed frames of a batch, in double precision."""
    mean, sd = (grid[batch.observed.cpu().numpy()].astype(np.float64) for grid in predicted)
    return Gaussian(mean, sd)


def _over_ceiling(metrics: pd.DataFrame, ceiling: Ceiling | None) -> pd.DataFrame:
    """The table, in which rows of the ceiling and differences from it say over how many tracks they are, where
    intervals are over tracks."""
    if ceiling is None or not metrics["over"].str.endswith("tracks").all():
        return metrics
    fewer = (metrics["model"] == CEILING) | metrics["metric"].str.endswith(f"_minus_{CEILING}")
    return metrics.assign(over=metrics["over"].mask(fewer, f"{len(ceiling.rows)} tracks"))


def _stack(keyed: Mapping[str, Any], table: Callable[[Any], pd.DataFrame]) -> pd.DataFrame:
    """The tables of several models under each other, the model's name in front."""
    tables = {name: table(item) for name, item in keyed.items()}
    return pd.concat(tables, names=["model", None]).reset_index(level="model").reset_index(drop=True)
