"""One configuration on one set of splits, trained from every seed and made ready to be evaluated."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.table import EvaluatedModel
from contactlens.tracks.models.checkpoint import ModelSpec
from contactlens.tracks.models.ensemble import Ensemble
from contactlens.tracks.models.tasks import task_named
from contactlens.tracks.training.config import SeedsConfig, TrainingConfig
from contactlens.tracks.training.training import best_of, members_of, spec_of, train_seeds


class TrainedSystem(NamedTuple):
    """The best seed on validation and, of several, the ensemble; spec: of each of its networks."""

    evaluated: EvaluatedModel
    spec: ModelSpec


def train_for_evaluation(
    training: TrainingConfig,
    train: SeedsConfig,
    tracks: TrackSet,
    splits: Mapping[str, list[str]],
    seed: int,
    states: Path | str,
) -> TrainedSystem:
    """Train from `train.n_seeds` seeds, from `seed` on; unfinished ones are taken up from the folder `states`."""
    batches = {name: batch_of(tracks, ids) for name, ids in splits.items()}
    fitted, validation = batches["train"], batches["validation"]
    spec = spec_of(training, tracks, fitted)
    seeds = [seed + i for i in range(train.n_seeds)]
    runs = train_seeds(spec, training, fitted, validation, seeds, states, lambda seed, log: None)
    members = [model.cpu() for model in members_of(runs, train, task_named(training.task))]
    evaluated = EvaluatedModel(
        best_of(runs).model.cpu(),
        tracks,
        batches,
        training.fit.batch_size,
        ensemble=Ensemble(members) if len(members) > 1 else None,
    )
    return TrainedSystem(evaluated, spec)
