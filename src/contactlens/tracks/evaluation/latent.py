"""Tasks whose model places polymerases on its way from MS2 to MS2."""

from dataclasses import replace

import pandas as pd
import torch

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.promoter_truth import observed_span
from contactlens.tracks.evaluation.baselines.deconvolution import Deconvolution
from contactlens.tracks.evaluation.evaluate import NETWORK
from contactlens.tracks.evaluation.loading_alignment import (
    LoadingAlignment,
    LoadingTimes,
    evaluate_alignment,
    true_loading,
)
from contactlens.tracks.evaluation.loading_events import event_table
from contactlens.tracks.evaluation.result import EvaluationConfig, Subject, TaskEvaluation
from contactlens.tracks.evaluation.signal import evaluate_signal
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.simulation.loading_grid import LoadingGrid
from contactlens.tracks.simulation.promoter import Events

ONE = 0.5  # posterior probability above which a bin holds a polymerase


def evaluate_latent(subject: Subject, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """See `evaluate_task`: the reconstruction, and where loading times are known, how well the latents agree with them
    beside a deconvolution and both controls."""
    reconstruction = evaluate_signal(subject, config, seed)
    if subject.tracks.truth is None:
        return reconstruction
    validation, test = _loading_times(subject, config, seed)
    alignment = evaluate_alignment(validation, test, subject.test.frame_interval_s, config.loading, seed)
    tables = {f"loading_{name}": getattr(alignment, name) for name in LoadingAlignment.TABLES if name != "metrics"}
    names = subject.test.track_ids
    tables["loading_events"] = event_table(test, names, observed_span(subject.tracks, names)[0])
    return replace(
        reconstruction,
        metrics=pd.concat([reconstruction.metrics, alignment.metrics], ignore_index=True),
        tables={**reconstruction.tables, **tables},
    )


def _loading_times(subject: Subject, config: EvaluationConfig, seed: int) -> tuple[LoadingTimes, LoadingTimes]:
    """True and found loading times of the validation and of the test split."""
    validation, test = subject.batches["validation"], subject.test
    grid = subject.model.grid
    deconvolution = Deconvolution.fit(validation, grid, config.deconvolution, seed)

    def times(batch: TrackBatch) -> LoadingTimes:
        true, duration_s = true_loading(subject.tracks, batch.track_ids)
        found = {NETWORK: _placed(subject, batch, grid), "deconvolution": deconvolution.events(batch)}
        return LoadingTimes(true, found, duration_s)

    return times(validation), times(test)


@torch.no_grad()
def _placed(subject: Subject, batch: TrackBatch, grid: LoadingGrid) -> Events:
    x = model_input(subject.model.task, batch)
    rows = torch.arange(len(batch)).split(subject.batch_size)
    latent = torch.cat([subject.model.latent(x[i], batch.observed[i]) for i in rows])
    return grid.place((latent > ONE).double().numpy())
