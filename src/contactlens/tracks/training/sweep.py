"""The sweep of the tracks branch: contact regularisation, starting radius and the likelihood's calibration.

`SWEPT` names the section and field of params.yaml that each swept key sets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from contactlens.base.settings import Field, NonNegativeFloat, rule, settings
from contactlens.calibration import mace, quantile_levels
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models import TrackModel
from contactlens.tracks.models.tasks import model_input, task_named
from contactlens.tracks.training.predictive import predict_signal
from contactlens.tracks.training.training import TrainingConfig, spec_of, train_model
from contactlens.training.search import Metrics, Report, Row, SearchConfig, Sweep, Values, fixed_trials

# `depth` is the encoder's; the decoder keeps its lead over it.
SWEPT = {
    "lambda_contact": ("loss", "lambda_contact"),
    "lambda_var": ("loss", "lambda_var"),
    "lambda_prior": ("loss", "lambda_prior"),
    "target_logvar": ("loss", "target_logvar"),
    "anneal_epochs": ("loss", "anneal_epochs"),
    "gate_sharpness": ("gate", "sharpness"),
    "radius_init": ("gate", "radius_init"),
    "learning_rate": ("fit", "learning_rate"),
    "width": ("model", "width"),
    "depth": ("model", "encoder_depth"),
}
GATE_KEYS = ("lambda_contact", "gate_sharpness", "radius_init")
CALIBRATION_KEYS = ("lambda_var", "lambda_prior", "target_logvar", "anneal_epochs")
METRIC = "validation_nll"
RESULTS = ("gate_midpoint", METRIC, "validation_crps", "validation_mace")


@settings
class SweepConfig(SearchConfig):
    """A search, the fixed trials before it, and what the choice may give up.

    nll_tolerance: validation NLL (nats per frame) that a stronger regularisation may cost: of the trials this near the
        best, the one with the largest lambda_contact is chosen. Without the regulariser the radius is not identified
        (any gate wide enough predicts as well), so the smallest contact that suffices is preferred
    lambda_contact_grid: contact regularisations tried with every other key at its value in params.yaml; 0 is
        among them
    radius_starts: starting radii (driver's unit) tried at lambda_contact 0
    """

    nll_tolerance: NonNegativeFloat
    lambda_contact_grid: tuple[NonNegativeFloat, ...]
    radius_starts: Annotated[tuple[float, ...], Field(min_length=2)]

    @rule
    def _no_regularisation_is_tried(self) -> None:
        if 0 not in self.lambda_contact_grid:
            raise ValueError("lambda_contact_grid must hold 0")


def contact_sweep(config: SweepConfig, training: TrainingConfig) -> Sweep:
    """The sweep around a training. Where its gate also hides MS2 a stronger regularisation does not mean less contact,
    and nothing is given up for it."""
    defaults = swept_values(training)
    weights = [{"lambda_contact": weight} for weight in config.lambda_contact_grid]
    starts = [{"lambda_contact": 0.0, "radius_init": radius} for radius in config.radius_starts]
    tolerance = 0.0 if task_named(training.task).signal_input else config.nll_tolerance
    choose = partial(least_contact, tolerance=tolerance)
    return Sweep(config, defaults, fixed_trials(defaults, [*weights, *starts]), METRIC, RESULTS, choose)


def least_contact(rows: list[Row], tolerance: float) -> Row:
    """Of the trials within `tolerance` of the lowest NLL, the one with the largest lambda_contact; of equals the lowest
    NLL, then the first.

    The rule of the simplest model within reach of the best (Breiman et al., Classification and Regression Trees, 1984,
    3.4.3), with an explicit tolerance in place of one standard error.
    """
    limit = min(row[METRIC] for row in rows) + tolerance
    near = [row for row in rows if row[METRIC] <= limit]
    return min(near, key=lambda row: (-row.get("lambda_contact", 0.0), row[METRIC]))


def swept_values(training: TrainingConfig) -> Values:
    """The training's own value of each key that a sweep may change.

    A key that says nothing about the task or the model is left out.
    """
    task, model = task_named(training.task), training.model
    idle = {
        *(() if model.gated and task.gated else GATE_KEYS),
        *(() if task.target == "signal" and not task.latent else CALIBRATION_KEYS),
        *(("depth",) if model.name == "transformer" else ()),
    }
    return {key: getattr(getattr(training, section), name) for key, (section, name) in SWEPT.items() if key not in idle}


def section_changes(training: TrainingConfig, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Section -> field -> value that `values` of swept keys ask for."""
    changes: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = SWEPT[key]
        changes.setdefault(section, {})[name] = value
        if key == "depth":
            lead = training.model.decoder_depth - training.model.encoder_depth
            changes[section]["decoder_depth"] = value + lead
    return changes


def with_values(training: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """The training with the values of a trial."""
    changes = section_changes(training, values)
    sections = {section: replace(getattr(training, section), **changed) for section, changed in changes.items()}
    return replace(training, **sections)


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


def train_trial(values: Values, data: TrialData, report: Report, folder: Path) -> Metrics:
    """Train with a trial's values, on from the checkpoint in `folder`; the best epoch's scores on validation."""
    config = with_values(data.training, values)
    spec = spec_of(config, data.track_set, data.train)
    trained = train_model(spec, config, data.train, data.validation, data.seed, folder, report)
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
