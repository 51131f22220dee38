"""What is evaluated, how, and what comes of it, in one form for every task."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from contactlens.base.files import write_aside, write_json
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet
from contactlens.tracks.evaluation.baselines import BaselineConfig
from contactlens.tracks.evaluation.baselines.deconvolution import DeconvolutionConfig
from contactlens.tracks.evaluation.baselines.states import StateBaselineConfig
from contactlens.tracks.evaluation.evaluate import EvaluateConfig, nested_metrics
from contactlens.tracks.evaluation.loading_alignment import AlignmentConfig
from contactlens.tracks.evaluation.state_judge import StateEvaluateConfig
from contactlens.tracks.models import TrackModel
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.simulation.reporter import Reporter


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of every kind of evaluation, of which a task uses its own; reporter: what decoders of MS2 assume."""

    baselines: BaselineConfig
    signal: EvaluateConfig
    state_baselines: StateBaselineConfig
    states: StateEvaluateConfig
    deconvolution: DeconvolutionConfig
    loading: AlignmentConfig
    reporter: Reporter


@dataclass(frozen=True)
class Subject:
    """A trained model and the tracks that it is judged on.

    batches: train, validation, calibration and test split of `tracks`
    batch_size: tracks in one pass of the model
    """

    model: TrackModel
    tracks: TrackSet
    batches: Mapping[str, TrackBatch]
    batch_size: int

    @property
    def test(self) -> TrackBatch:
        return self.batches["test"]

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
    """metrics: model, metric, estimate, low, high
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
        write_json(folder / "metrics.json", nested_metrics(self.metrics))
