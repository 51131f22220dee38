"""From a configuration and two splits to a trained model: what the sweep's trials and the final training share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contactlens.tracks.batch import TrackBatch
from contactlens.tracks.fit import EpochLog, FitConfig, FitResult, fit, seed_everything
from contactlens.tracks.losses import LossConfig
from contactlens.tracks.models import GateConfig, ModelConfig, Scaling, TrackModel
from contactlens.tracks.models.checkpoint import ModelSpec
from contactlens.tracks.track_set import TrackSet


@dataclass(frozen=True)
class TrainingConfig:
    """One row of the table of systems (`task` and `model`) with its gate, loss and optimisation."""

    task: str
    model: ModelConfig
    gate: GateConfig
    loss: LossConfig
    fit: FitConfig


@dataclass(frozen=True)
class Trained:
    """A trained model, its spec and how training went."""

    seed: int
    model: TrackModel
    spec: ModelSpec
    result: FitResult


def spec_of(config: TrainingConfig, track_set: TrackSet, train: TrackBatch) -> ModelSpec:
    """The spec of the model that `config` means on these data; the scaling is measured on the training split."""
    return ModelSpec(
        task=config.task,
        driver=track_set.driver,
        model=config.model,
        gate=config.gate,
        scaling=Scaling.of(train),
        frame_interval_s=track_set.frame_interval_s,
        signal_unit=track_set.signal_unit or "",
    )


def train_model(
    spec: ModelSpec,
    config: TrainingConfig,
    train: TrackBatch,
    validation: TrackBatch,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
) -> Trained:
    """Train one model from one seed; see `fit` for `checkpoint` and `on_epoch`."""
    seed_everything(seed, config.fit.threads)
    model = spec.build()
    result = fit(model, spec.resolved_task, train, validation, config.loss, config.fit, seed, checkpoint, on_epoch)
    return Trained(seed, model, spec, result)
