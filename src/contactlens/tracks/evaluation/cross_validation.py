"""Cross-validation by group: every fold is trained, recalibrated and scored as the one split is, on groups of its own.

A fold's scores of single frames are kept, so that the metrics of all folds are those of one test split that holds every
track once, with intervals over groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.files import write_aside
from contactlens.base.parquet_file import read_parquet
from contactlens.calibration.bootstrap import Metric, Resamples, all_metrics, mean_metric
from contactlens.calibration.censored import Censored
from contactlens.calibration.metrics import in_central_band, quantile_levels
from contactlens.calibration.scores import Predictive
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.baselines import RECALIBRATED
from contactlens.tracks.evaluation.config import EvaluationConfig, SignalEvaluationConfig
from contactlens.tracks.evaluation.from_scratch import train_for_evaluation
from contactlens.tracks.evaluation.signal import (
    BAND,
    PROPER_SCORES,
    compare_with_baselines,
    observed_signal,
    recalibrated_forms,
    signal_predictions,
)
from contactlens.tracks.evaluation.table import ENSEMBLE, INTERVAL_COLUMNS, NETWORK, interval_table
from contactlens.tracks.models.checkpoint import ModelSpec
from contactlens.tracks.training.config import SeedsConfig, TrainingConfig

Array = np.ndarray
AT_LIMIT, ABOVE_LIMIT = "_at_limit", "_above_limit"
SHOWN_BY_GROUP = (*PROPER_SCORES, "coverage_90")
FILE = "scores.parquet"
SCORES = ("mean", "sd", "pit", "nll", "crps")


@dataclass(frozen=True)
class CrossValidated:
    """What every fold shares: the configuration, chosen before, and the tracks."""

    tracks: TrackSet
    training: TrainingConfig
    train: SeedsConfig
    evaluation: EvaluationConfig
    seed: int


class CrossValidationTables(NamedTuple):
    """metrics: model, metric, estimate, low, high, over, as of one test split. Where the head has a detection limit,
    also `nll_at_limit`, `nll_above_limit` and those of the CRPS: the parts of a score that such frames contribute.
    groups: group, model, tracks, frames, nll, crps, coverage_90.
    parts: of a head with a detection limit, which frames lose a score: part, frames (their share), model, nll, crps
        (what they contribute), and `nll_less`, `crps_less` of the ensemble (else the network), as it is, less that
        model, with the ends of their intervals, `_low` and `_high`; None of other heads.
    """

    metrics: pd.DataFrame
    groups: pd.DataFrame
    parts: pd.DataFrame | None


def run_fold(splits: Mapping[str, list[str]], shared: CrossValidated, folder: Path) -> None:
    """Train on a fold, fit its baselines and recalibrations, and write the scores of its test frames into `folder`,
    which also keeps what is unfinished."""
    trained = train_for_evaluation(
        shared.training, shared.train, shared.tracks, splits, shared.seed, folder / "checkpoints"
    )
    evaluated = trained.evaluated
    calibration, test = evaluated.batches["calibration"], evaluated.test
    models = signal_predictions(evaluated, shared.evaluation, shared.seed)
    forms, _ = recalibrated_forms(calibration, models, shared.evaluation.signal)
    table = frame_scores(
        replace(test, groups=evaluated.groups), forms, detection_limit(trained.spec, evaluated.batches["train"])
    )
    with write_aside(folder / FILE) as aside:
        table.to_parquet(aside, index=False)


class Limit(NamedTuple):
    """A detection limit, and how far above it nothing is ever measured; both in the signal's unit."""

    value: float
    gap: float


def detection_limit(spec: ModelSpec, train: TrackBatch) -> Limit | None:
    """The head's limit with half the way to the smallest training signal above it; None of a head without one."""
    head = spec.model.head
    if head.name != "hurdle" or head.hurdle.limit is None:
        return None
    signal = observed_signal(train)
    above = signal[signal > head.hurdle.limit]
    return Limit(head.hurdle.limit, float(above.min() - head.hurdle.limit) / 2 if above.size else 0.0)


def frame_scores(test: TrackBatch, forms: Mapping[str, Predictive], limit: Limit | None) -> pd.DataFrame:
    """One row per model and observed test frame: model, group, track_id, ms2, at_limit, mean, sd, pit, nll, crps.

    With a limit every model is scored as cut off there (see `Censored`), so that NLLs can be compared.
    """
    y = observed_signal(test)
    track = np.nonzero(test.observed.cpu().numpy())[0]
    described = {
        "group": np.array(test.groups, dtype=object)[track],
        "track_id": np.array(test.track_ids, dtype=object)[track],
        "ms2": y,
        "at_limit": np.zeros(len(y), dtype=bool) if limit is None else y <= sum(limit),
    }
    tables = []
    for name, form in forms.items():
        scored = form if limit is None else Censored(form, *limit)
        values = {"mean": scored.mean, "sd": scored.sd, "pit": scored.pit(y), "nll": scored.nll(y)}
        tables.append(pd.DataFrame({"model": name, **described, **values, "crps": scored.crps(y)}))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Kept:
    """Scores of frames that were computed before, (n,) each (a `Scored` of the signal that they were computed with)."""

    mean: Array
    sd: Array
    pits: Array
    nlls: Array
    crpss: Array

    @classmethod
    def of(cls, frames: pd.DataFrame) -> "_Kept":
        return cls(*(frames[name].to_numpy() for name in SCORES))

    def pit(self, y: Array) -> Array:
        return self.pits

    def nll(self, y: Array) -> Array:
        return self.nlls

    def crps(self, y: Array) -> Array:
        return self.crpss


def cross_validation_tables(
    folders: Sequence[Path], config: SignalEvaluationConfig, seed: int
) -> CrossValidationTables:
    """Of all folds' scores, from the folders that `run_fold` wrote into. Network and ensemble are compared with every
    baseline, as on one test split; groups are resampled (see `resample_counts_by_group`)."""
    scores = pd.concat([read_parquet(folder / FILE).to_pandas() for folder in folders], ignore_index=True)
    models = {str(name): frames for name, frames in scores.groupby("model", sort=False)}
    first = next(iter(models.values()))
    code, track_ids = pd.factorize(first["track_id"])
    groups = first.drop_duplicates("track_id").set_index("track_id")["group"].loc[track_ids].to_list()
    metrics = {name: _metrics(code, frames, config) for name, frames in models.items()}
    parts = [f"{score}{part}" for score in PROPER_SCORES for part in (AT_LIMIT, ABOVE_LIMIT)]
    compared = [*PROPER_SCORES, *(parts if first["at_limit"].any() else [])]
    compare_with_baselines(metrics, [name for name in models if not name.endswith(RECALIBRATED)], compared)
    resamples = Resamples.draw(len(track_ids), config.bootstrap_replicates, config.confidence, seed, groups)
    table, at_limit = interval_table(metrics, resamples), float(first["at_limit"].mean())
    own = ENSEMBLE if ENSEMBLE in models else NETWORK
    return CrossValidationTables(table, _by_group(scores), _by_part(table, at_limit, own) if at_limit > 0 else None)


def _by_part(metrics: pd.DataFrame, at_limit: float, own: str) -> pd.DataFrame:
    """at_limit: the share of such frames; own: what is compared with every other model."""
    values = metrics.set_index(["model", "metric"])[INTERVAL_COLUMNS]
    rows = []
    for part, share in ((AT_LIMIT, at_limit), (ABOVE_LIMIT, 1 - at_limit)):
        for model in metrics["model"].unique():
            row = {"part": part.strip("_").replace("_", " "), "frames": share, "model": model}
            row |= {score: values.loc[(model, score + part), "estimate"] for score in PROPER_SCORES}
            for score in PROPER_SCORES:
                if (less := (own, f"{score}{part}_minus_{model}")) in values.index:
                    ends = (f"{score}_less", f"{score}_less_low", f"{score}_less_high")
                    row |= dict(zip(ends, values.loc[[less]].to_numpy()[0], strict=True))
            rows.append(row)
    return pd.DataFrame(rows)


def _metrics(code: Array, frames: pd.DataFrame, config: SignalEvaluationConfig) -> dict[str, Metric]:
    levels, y = quantile_levels(config.reliability_levels), frames["ms2"].to_numpy()
    metrics = all_metrics(code, y, _Kept.of(frames), config.coverage_levels, levels, config.ence_bins)
    at_limit = frames["at_limit"].to_numpy()
    if at_limit.any():
        for score in PROPER_SCORES:
            value = frames[score].to_numpy()
            metrics[f"{score}{AT_LIMIT}"] = mean_metric(code, np.where(at_limit, value, 0.0))
            metrics[f"{score}{ABOVE_LIMIT}"] = mean_metric(code, np.where(at_limit, 0.0, value))
    return metrics


def _by_group(scores: pd.DataFrame) -> pd.DataFrame:
    inside = in_central_band(scores["pit"].to_numpy(), BAND)
    grouped = scores.assign(coverage_90=inside.astype(float)).groupby(["group", "model"], sort=False)
    counts = grouped.agg(tracks=("track_id", "nunique"), frames=("ms2", "size"))
    return counts.join(grouped[list(SHOWN_BY_GROUP)].mean()).reset_index()
