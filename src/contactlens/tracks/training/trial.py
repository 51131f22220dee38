"""One trial of the sweep: a training with the values that the sweep chose, and what it reports."""

from dataclasses import dataclass
from pathlib import Path

from contactlens.calibration.metrics import mace, quantile_levels
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.config import TrainingConfig
from contactlens.tracks.training.predictive import predict_signal
from contactlens.tracks.training.sweep import METRIC, SEED_OFFSET, with_values
from contactlens.tracks.training.training import spec_of, train_model
from contactlens.training.search import Metrics, Report, Values


@dataclass(frozen=True)
class TrialData:
    """What every trial of a sweep shares: the training that its values change, the splits, and the seed.

    track_set: for its units; its rows are not read
    """

    training: TrainingConfig
    track_set: TrackSet
    train: TrackBatch
    validation: TrackBatch
    seed: int


def train_trial(values: Values, data: TrialData, report: Report, folder: Path, epochs: int) -> Metrics:
    """Train with a trial's values until so many epochs are done, on from the checkpoint in `folder`; the best epoch's
    scores on validation."""
    config = with_values(data.training, values)
    spec = spec_of(config, data.track_set, data.train)
    seed = data.seed + values[SEED_OFFSET]
    trained = train_model(spec, config, data.train, data.validation, seed, folder, report, epochs)
    best = trained.result.history[trained.result.best_epoch]
    return {
        "epochs": len(trained.result.history),
        "gate_midpoint": trained.model.gate_midpoint,
        METRIC: best[METRIC],
        "validation_crps": best["validation_crps"],
        **calibration_error(trained.model, data.validation, config.fit.batch_size),
    }


def calibration_error(model: TrackModel, validation: TrackBatch, batch_size: int) -> Metrics:
    """MACE of a predicted signal; nothing for a predicted state."""
    if model.task.target == "state":
        return {}
    predictive = predict_signal(model, model_input(model.task, validation), validation.observed, batch_size)
    pits = predictive.pit(validation.signal.numpy()[validation.observed.numpy()])
    return {"validation_mace": mace(pits, quantile_levels(99))}
