"""The sweep of the DNA branch: a search for the fine-tuning of the lowest validation loss, beside that of params.yaml.

`SWEPT` names where each swept key stands in the `dna` section of params.yaml. Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from contactlens.base.settings import NonNegativeFloat, PositiveInt, settings
from contactlens.dna.data.names import CRITERION
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.training.config import FineTuneConfig
from contactlens.training.search import SearchConfig, Sweep, Values
from contactlens.training.swept import changes_at, values_at, with_values_at

SWEPT = {
    "learning_rate": ("fine_tune", "trainer", "learning_rate"),
    "weight_decay": ("fine_tune", "trainer", "weight_decay"),
    "dropout": ("fine_tune", "dropout"),
    "label_smoothing": ("fine_tune", "label_smoothing"),
    "unfrozen_layers": ("fine_tune", "unfrozen_layers"),
    "adapter_rank": ("fine_tune", "adapter_rank"),
    "layer_decay": ("fine_tune", "layer_decay"),
    "head_hidden": ("head", "hidden"),
    "head_pooling": ("head", "pooling"),
    "head_detectors": ("head", "detectors"),
}
METRIC = CRITERION
ECE = "validation_ece"
RESULTS = (METRIC, "validation_refined_loss", "validation_auroc", ECE)


@settings
class SweepConfig(SearchConfig):
    """A search by validation loss; the values of params.yaml are its one fixed trial. 0 trials: no sweep at all.

    train_windows, validation_windows: windows, drawn once, that trials are trained and scored on; null: all
    min_gain: nats per window by which a trial's validation loss must be below that of the values of params.yaml, after
        as many epochs, for its values to be taken over: what another seed alone can change
    """

    train_windows: PositiveInt | None
    validation_windows: PositiveInt | None
    min_gain: NonNegativeFloat


@dataclass(frozen=True)
class ClassifierTraining:
    """What of params.yaml makes a classifier of a backbone; context_bp: as of `WindowClassifier`."""

    head: HeadConfig
    fine_tune: FineTuneConfig
    context_bp: int | None


def fine_tuning_sweep(config: SweepConfig, training: ClassifierTraining) -> Sweep:
    """The sweep around a training."""
    defaults = swept_values(training)
    fixed = [defaults] if config.n_trials else []
    return Sweep(config, defaults, fixed, METRIC, RESULTS, margin=config.min_gain)


def swept_values(training: ClassifierTraining) -> Values:
    """The training's own value of each key that a sweep may change."""
    return values_at(training, SWEPT)


def section_changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Section -> what of it, nested as in params.yaml, `values` of swept keys ask for."""
    return changes_at(SWEPT, values)


def with_values(training: ClassifierTraining, values: Mapping[str, Any]) -> ClassifierTraining:
    """The training with the values of a trial."""
    return with_values_at(training, SWEPT, values)


def of_trial(training: ClassifierTraining, config: SearchConfig) -> ClassifierTraining:
    """The training within the budget of one trial, which is one process."""
    tuned = training.fine_tune
    trainer = replace(tuned.trainer, max_epochs=config.max_epochs, threads=config.cpus_per_trial)
    return replace(training, fine_tune=replace(tuned, workers=1, trainer=trainer))
