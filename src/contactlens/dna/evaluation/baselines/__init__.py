"""The baselines every network is compared with, on the same splits and with the same scores.

A further baseline is its module and one line of BASELINES; its settings are a field of `BaselineConfig`. This file
imports none of them, so that reading params stays quick.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.dna.data.names import RECALIBRATED
from contactlens.dna.evaluation.config import BaselineConfig, KmerConfig

if TYPE_CHECKING:
    import numpy as np

    from contactlens.dna.data.names import Task
    from contactlens.dna.data.window_set import WindowSet


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, windows: "WindowSet") -> "np.ndarray":
        """Probability of label 1, (N,)."""


class Registration(NamedTuple):
    """module: of this folder; name: of its class, whose `fit` takes train, validation, settings and seed
    settings: the class's own; tasks: of the windows that it is for
    applies: whether the settings leave it anything that another baseline lacks
    """

    module: str
    name: str
    settings: Callable[[BaselineConfig], object]
    tasks: "tuple[Task, ...]" = ("pair", "region")
    applies: Callable[[BaselineConfig], bool] = lambda config: True

    def fit(self, train: "WindowSet", validation: "WindowSet", config: BaselineConfig, seed: int) -> Baseline:
        kind = getattr(import_module(f"{__name__}.{self.module}"), self.name)
        fitted: Baseline = kind.fit(train, validation, self.settings(config), seed)
        return fitted


def _additive(config: BaselineConfig) -> KmerConfig:
    return replace(config.kmer, interaction_components=0)


BASELINES: dict[str, Registration] = {  # the weakest first
    "distance": Registration("distance", "DistanceLogistic", lambda config: config.distance, ("pair",)),
    "element_propensity": Registration(
        "propensity", "ElementPropensity", lambda config: config.element_propensity, ("pair",)
    ),
    "gc_content": Registration("composition", "GcContent", lambda config: config.composition, ("region",)),
    "kmer_logistic": Registration("kmer", "KmerLogistic", _additive),
    "kmer_products": Registration(
        "kmer",
        "KmerLogistic",
        lambda config: config.kmer,
        ("pair",),
        lambda config: bool(config.kmer.interaction_components),
    ),
    "best_motif": Registration("motif_scan", "BestMotif", lambda config: config.motif_scan, ("region",)),
    "motif_scan": Registration("motif_scan", "MotifScan", lambda config: config.motif_scan),
    "motif_arrangement": Registration("motif_arrangement", "ArrangedScan", lambda config: config.motif_scan, ("pair",)),
    "cnn": Registration("cnn", "CnnBaseline", lambda config: config.cnn),
}


def applicable_baselines(task: "Task", names: Iterable[str], config: BaselineConfig) -> tuple[str, ...]:
    """Those of `names` (baselines, also as `<baseline>_recalibrated`) that `fit_baselines` fits to windows of the task,
    and any that it does not know."""
    fitted = _fitted(task, config)
    plain = {name: name.removesuffix(RECALIBRATED) for name in names}
    return tuple(name for name, baseline in plain.items() if baseline in fitted or baseline not in BASELINES)


def _fitted(task: "Task", config: BaselineConfig) -> dict[str, Registration]:
    return {name: one for name, one in BASELINES.items() if task in one.tasks and one.applies(config)}


def fit_baselines(
    train: "WindowSet", validation: "WindowSet", config: BaselineConfig, seed: int
) -> dict[str, Baseline]:
    """Every baseline of the windows' task by name, the weakest first.

    Raises InputError where a split has windows of one class only.
    """
    for split, windows in (("train", train), ("validation", validation)):
        if windows.windows["label"].nunique() < 2:
            raise InputError(f"{windows.source}: the {split} split has windows of one label only")
    chosen = _fitted(train.task, config)
    return {
        name: baseline.fit(train, validation, config, seed)
        for name, baseline in counted(chosen.items(), "baselines fitted")
    }
