"""The sweep of the tracks branch: what contact regularisation and start do, and a search for the best likelihood.

`SWEPT` names the section and field of params.yaml that each swept key sets.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from contactlens.base.settings import Field, NonNegativeFloat, PositiveInt, rule, settings
from contactlens.tracks.models.tasks import task_named
from contactlens.tracks.training.config import TrainingConfig
from contactlens.training.search import SearchConfig, Sweep, Values, fixed_trials

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
SEED_OFFSET = "seed_offset"
METRIC = "validation_nll"
RESULTS = ("gate_midpoint", METRIC, "validation_crps", "validation_mace")


@settings
class SweepConfig(SearchConfig):
    """A search by validation NLL, and the fixed trials before it: what the contact regularisation does to a predictor.

    lambda_contact_grid: contact regularisations tried with every other key at its value in params.yaml; 0 is
        among them. A sensitivity curve: the trial that is chosen has the lowest NLL, whatever its regularisation
    lambda_contact_seeds: trainings of each of them, from as many seeds
    radius_starts: starting radii (driver's unit) tried at lambda_contact 0
    """

    lambda_contact_grid: tuple[NonNegativeFloat, ...]
    lambda_contact_seeds: PositiveInt
    radius_starts: Annotated[tuple[float, ...], Field(min_length=2)]

    @rule
    def _no_regularisation_is_tried(self) -> None:
        if 0 not in self.lambda_contact_grid:
            raise ValueError("lambda_contact_grid must hold 0")


def contact_sweep(config: SweepConfig, training: TrainingConfig) -> Sweep:
    """The sweep around a training."""
    defaults = {**swept_values(training), SEED_OFFSET: 0}
    offsets = range(config.lambda_contact_seeds)
    weights = [{"lambda_contact": w, SEED_OFFSET: offset} for w in config.lambda_contact_grid for offset in offsets]
    starts = [{"lambda_contact": 0.0, "radius_init": radius} for radius in config.radius_starts]
    return Sweep(config, defaults, fixed_trials(defaults, [*weights, *starts]), METRIC, RESULTS, SEED_OFFSET)


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
    """The training with the values of a trial, whose seed is none of its configuration."""
    changes = section_changes(training, {key: value for key, value in values.items() if key != SEED_OFFSET})
    sections = {section: replace(getattr(training, section), **changed) for section, changed in changes.items()}
    return replace(training, **sections)
