"""From a configuration and two splits to a trained model: what the sweep's trials and the final training share."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from contactlens.base.progress import counted
from contactlens.base.torch_setup import seed_everything
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import ModelSpec
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import Task, task_named
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.config import SeedsConfig, TrainingConfig
from contactlens.tracks.training.fit import fit
from contactlens.training.state import fingerprint, source_digest
from contactlens.training.trainable import EpochLog, TrainingResult


@dataclass(frozen=True)
class Trained:
    """A trained model, its spec and how training went."""

    seed: int
    model: TrackModel
    spec: ModelSpec
    result: TrainingResult

    def summary(self) -> dict[str, float]:
        """The seed's row in the table of seeds."""
        return {
            "seed": self.seed,
            "best_epoch": self.result.best_epoch,
            "validation_nll": self.result.best_score,
            "gate_midpoint": self.model.gate_midpoint,
            "gate_alpha": self.model.gate_alpha,
        }


def spec_of(config: TrainingConfig, track_set: TrackSet, train: TrackBatch) -> ModelSpec:
    """The spec of the model that `config` means on these data; the scaling, and what a head reads from the signal, are
    measured on the training split."""
    task = task_named(config.task)
    dt = track_set.frame_interval_s
    head = config.model.head
    head = head.resolved(train.signal[train.observed]) if task.predicts_signal else head
    return ModelSpec(
        task=config.task,
        driver=track_set.driver,
        model=replace(config.model, head=head),
        gate=config.gate,
        scaling=Scaling.of(train),
        frame_interval_s=dt,
        signal_unit=track_set.signal_unit or "",
        grid=config.reporter.grid(dt, config.model.bernoulli_vae.bins_per_frame) if task.latent else None,
    )


def train_model(
    spec: ModelSpec,
    config: TrainingConfig,
    train: TrackBatch,
    validation: TrackBatch,
    seed: int,
    checkpoints: Path | None = None,
    on_epoch: Callable[[EpochLog], None] | None = None,
    until: int | None = None,
) -> Trained:
    """Train one model from one seed; see `fit` for `checkpoints`, `on_epoch` and `until`."""
    seed_everything(seed, config.fit.threads)
    model = spec.build()
    result = fit(model, train, validation, config.loss, config.fit, seed, checkpoints, on_epoch, until)
    return Trained(seed, model, spec, result)


def train_seeds(
    spec: ModelSpec,
    config: TrainingConfig,
    train: TrackBatch,
    validation: TrackBatch,
    seeds: list[int],
    checkpoints: Path | str,
    on_epoch: Callable[[int, EpochLog], None],
) -> list[Trained]:
    """Train once per seed; checkpoints of a run that was killed are taken up. `on_epoch` gets all seeds' epochs."""
    identity = _identity(spec, config, train, validation)
    states = {seed: Path(checkpoints) / f"{identity}-{seed}" for seed in seeds}
    return [
        train_model(spec, config, train, validation, seed, state, partial(on_epoch, seed))
        for seed, state in counted(states.items(), "seeds trained")
    ]


def best_of(runs: Sequence[Trained]) -> Trained:
    """The run of the lowest validation NLL."""
    return min(runs, key=lambda one: one.result.best_score)


def members_of(runs: Sequence[Trained], config: SeedsConfig, task: Task) -> list[TrackModel]:
    """The networks of the ensemble, in the order of their seeds: all of them, or the best alone where there is none."""
    return [one.model for one in runs] if config.is_ensemble(task) else [best_of(runs).model]


def code_digest() -> str:
    """Of the source of this branch and of the loop."""
    return source_digest(Path(__file__).parents[1], ["**/*.py"])


def _identity(spec: ModelSpec, config: TrainingConfig, train: TrackBatch, validation: TrackBatch) -> str:
    """Names a training by its code, configuration and data, so that no other one takes up its checkpoint."""
    parts = [code_digest(), spec.to_json(), repr(config)]
    for batch in (train, validation):
        tensors = (batch.driver, batch.signal, batch.observed, batch.state)
        parts += [repr(batch.track_ids), fingerprint(tensor for tensor in tensors if tensor is not None)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
