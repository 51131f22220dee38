"""The sweep of pre-training: a search for the lowest loss on held-out sequence, beside the settings of params.yaml.

Every trial is scored on the same masked bases, those that the given settings draw: a loss with fewer bases masked is
lower for no merit. `SWEPT` names where each swept key stands in `dna.pretrain`. Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contactlens.dna.training.config import PretrainConfig
from contactlens.training.search import SearchConfig, Sweep
from contactlens.training.swept import changes_at, values_at

SWEPT = {
    "learning_rate": ("trainer", "learning_rate"),
    "weight_decay": ("trainer", "weight_decay"),
    "batch_size": ("trainer", "batch_size"),
    "mask_fraction": ("mask_fraction",),
    "crop_bp": ("crop_bp",),
    "crops_per_epoch": ("crops_per_epoch",),
}
METRIC = "validation_loss"
RESULTS = (METRIC, "validation_accuracy")


def pretraining_sweep(config: SearchConfig, pretrain: PretrainConfig) -> Sweep:
    """The sweep around a pre-training, whose own settings are the one fixed trial. 0 trials: no sweep at all."""
    defaults = values_at(pretrain, SWEPT)
    return Sweep(config, defaults, [defaults] if config.n_trials else [], METRIC, RESULTS)


def of_trial(pretrain: PretrainConfig, config: SearchConfig) -> PretrainConfig:
    """The pre-training within the budget of one trial, which is one process."""
    trainer = replace(pretrain.trainer, max_epochs=config.max_epochs, threads=config.cpus_per_trial)
    return replace(pretrain, workers=1, trainer=trainer)


def section_changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Section of `dna` -> what of it, nested as in params.yaml, `values` of swept keys ask for."""
    return {"pretrain": changes_at(SWEPT, values)} if values else {}
