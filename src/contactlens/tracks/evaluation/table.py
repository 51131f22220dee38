"""The table of metrics with intervals that every kind of target fills, and the files that an evaluation leaves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from contactlens.base.files import write_aside, write_json
from contactlens.base.progress import counted
from contactlens.calibration.bootstrap import Metric, Resamples, difference
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.split import is_split_by_group
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet
from contactlens.tracks.evaluation.baselines import RECALIBRATED
from contactlens.tracks.models.ensemble import Ensemble
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel

NETWORK, ENSEMBLE, CEILING = "network", "ensemble", "ceiling"
TRUTH = "truth"
TEST_SPLIT, CROSS_VALIDATION, CROSS_VALIDATED = "test_split", "cross_validation", "_cross_validated"
SAME_FORM = (("", ""), (RECALIBRATED, RECALIBRATED))
INTERVAL_COLUMNS = ["estimate", "low", "high"]


@dataclass(frozen=True)
class EvaluatedModel:
    """A trained model and the tracks that it is evaluated on.

    ensemble: of several seeds, of which `model` is one; None where there is none
    served: the row of the metrics that promotion looks at and that is served: `network` or `ensemble`, as it is or
        `_recalibrated`
    batches: train, validation, calibration and test split of `tracks`
    batch_size: tracks in one pass of the model
    """

    model: TrackModel
    tracks: TrackSet
    batches: Mapping[str, TrackBatch]
    batch_size: int
    ensemble: Ensemble | None = None
    served: str = NETWORK + RECALIBRATED

    @property
    def test(self) -> TrackBatch:
        return self.batches["test"]

    @property
    def groups(self) -> list[str]:
        """Of each test track what the split kept whole: its group, or the track where there are fewer than four."""
        return self.test.groups if is_split_by_group(self.tracks) else self.test.track_ids

    def frames(self) -> pd.DataFrame:
        """One row per observed test frame, in the order of the test batch: track_id, frame, time_s, the gate's column,
        contact (how open the gate is), ms2."""
        frames = self.tracks.frames[self.tracks.frames["track_id"].isin(self.test.track_ids)]
        order = frames["track_id"].map({name: i for i, name in enumerate(self.test.track_ids)})
        frames = frames.iloc[np.lexsort([frames["frame"], order])].reset_index(drop=True)
        with torch.no_grad():
            contact = self.model.gate(model_input(self.model.task, self.test))[self.test.observed].numpy()
        columns = ["track_id", "frame", "time_s", self.tracks.driver.gate_column]
        return frames[columns].assign(contact=contact, ms2=frames[SIGNAL_COLUMN])


@dataclass(frozen=True)
class TaskEvaluation:
    """metrics: model, metric, estimate, low, high, over
    tables: further tables by name, whichever the task has
    predictions: one row per observed test frame
    recalibration: what the calibration split decided of the network, as JSON
    """

    metrics: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    predictions: pd.DataFrame
    recalibration: dict[str, Any]

    def write(self, folder: Path | str) -> None:
        """Write metrics.json, metrics.csv, predictions.parquet and the further tables, in `evaluation`, into `folder`.
        The files beside `evaluation` are the same for every task."""
        folder = Path(folder)
        with write_aside(folder / "metrics.csv") as aside:
            self.metrics.to_csv(aside, index=False)
        with write_aside(folder / "evaluation") as aside:
            aside.mkdir()
            for name, table in self.tables.items():
                table.to_csv(aside / f"{name}.csv", index=False)
        with write_aside(folder / "predictions.parquet") as aside:
            self.predictions.to_parquet(aside, index=False)
        write_json(folder / "metrics.json", self.nested())

    def nested(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """metrics.json: `nested_metrics`, rows of a cross-validation as `<model>_cross_validated`, and as `groups` of
        `test_split` and of `cross_validation` how many groups the intervals are over, where they are over groups."""
        cross = self.tables.get(CROSS_VALIDATION)
        nested = nested_metrics(self.metrics) | _groups(TEST_SPLIT, self.metrics)
        if cross is None:
            return nested
        rows = nested_metrics(cross.assign(model=cross["model"] + CROSS_VALIDATED))
        return nested | rows | _groups(CROSS_VALIDATION, cross)


def interval_table(
    metrics: Mapping[str, Mapping[str, Metric]], resamples: Resamples, name_column: str = "metric"
) -> pd.DataFrame:
    """One row per model and metric: model, metric (or `name_column`), estimate, low, high, over (what the interval is
    over)."""
    rows = [
        (model, name, *map(float, resamples.interval(metric)), resamples.over)
        for model, of_model in counted(metrics.items(), "models scored")
        for name, metric in of_model.items()
    ]
    return pd.DataFrame(rows, columns=["model", name_column, *INTERVAL_COLUMNS, "over"])


def add_differences(
    metrics: Mapping[str, dict[str, Metric]],
    baselines: Iterable[str],
    scores: Sequence[str],
    model: str = NETWORK,
    forms: Sequence[tuple[str, str]] = SAME_FORM,
) -> None:
    """Add `<score>_minus_<baseline>` to the model's metrics for each of the scores; forms: suffixes of the model and of
    the baseline that are compared."""
    for baseline in baselines:
        for own, others in forms:
            form, other = metrics[model + own], metrics[baseline + others]
            form |= {f"{score}_minus_{baseline}{others}": difference(form[score], other[score]) for score in scores}


def _groups(split: str, metrics: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    number, unit = str(metrics["over"].iloc[0]).split() if "over" in metrics else ("0", "tracks")
    return {split: {"groups": {"estimate": float(number)}}} if unit.startswith("group") else {}


def nested_metrics(metrics: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """{model: {metric: {estimate, low, high}}} of the long table; null for a number that is not defined."""
    nested: dict[str, dict[str, dict[str, float | None]]] = {}
    for model, metric, *numbers in metrics[["model", "metric", *INTERVAL_COLUMNS]].itertuples(index=False):
        finite = [number if np.isfinite(number) else None for number in numbers]
        nested.setdefault(model, {})[metric] = dict(zip(INTERVAL_COLUMNS, finite, strict=True))
    return nested
