"""The baselines every network is compared with, on the same splits and with the same scores."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.dna.data.names import RECALIBRATED
from contactlens.dna.data.window_set import Task, WindowSet
from contactlens.dna.evaluation.baselines.cnn import CnnBaseline, CnnConfig
from contactlens.dna.evaluation.baselines.composition import CompositionConfig, GcContent, labels
from contactlens.dna.evaluation.baselines.distance import DistanceConfig, DistanceLogistic
from contactlens.dna.evaluation.baselines.kmer import KmerConfig, KmerLogistic
from contactlens.dna.evaluation.baselines.logistic import Array
from contactlens.dna.evaluation.baselines.propensity import ElementPropensity, PropensityConfig

__all__ = [
    "Baseline",
    "BaselineConfig",
    "CnnBaseline",
    "CnnConfig",
    "CompositionConfig",
    "DistanceConfig",
    "DistanceLogistic",
    "ElementPropensity",
    "GcContent",
    "KmerConfig",
    "KmerLogistic",
    "PropensityConfig",
    "fair_rivals",
    "fit_baselines",
]


OF_TASK: dict[Task, tuple[str, ...]] = {
    "pair": ("distance", "element_propensity", "kmer_products"),
    "region": ("gc_content",),
}


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, windows: WindowSet) -> Array:
        """Probability of label 1, (N,)."""


@dataclass(frozen=True)
class BaselineConfig:
    """distance, element_propensity: of pairs alone; composition: of regions alone.
    kmer: of `kmer_logistic`, which has no products, and, for pairs and unless its interaction_components are 0, of
        `kmer_products`, which has them.
    """

    distance: DistanceConfig
    element_propensity: PropensityConfig
    composition: CompositionConfig
    kmer: KmerConfig
    cnn: CnnConfig


def fair_rivals(task: Task, names: Iterable[str], config: BaselineConfig) -> tuple[str, ...]:
    """Those of `names` (baselines, also as `<baseline>_recalibrated`) that `fit_baselines` fits to windows of the task,
    and any that it does not know."""
    other = OF_TASK["region" if task == "pair" else "pair"]
    idle = () if config.kmer.interaction_components else ("kmer_products",)
    return tuple(name for name in names if name.removesuffix(RECALIBRATED) not in (*other, *idle))


def fit_baselines(train: WindowSet, validation: WindowSet, config: BaselineConfig, seed: int) -> dict[str, Baseline]:
    """Every baseline of the windows' task by name, the weakest first.

    Raises InputError where a split has windows of one class only.
    """
    for name, windows in (("train", train), ("validation", validation)):
        if len(set(labels(windows))) < 2:
            raise InputError(f"{windows.source}: the {name} split has windows of one label only")
    splits = train, validation
    if train.task == "pair":
        fits: dict[str, Callable[[], Baseline]] = {
            "distance": lambda: DistanceLogistic.fit(*splits, config.distance, seed),
            "element_propensity": lambda: ElementPropensity.fit(*splits, config.element_propensity, seed),
        }
    else:
        fits = {"gc_content": lambda: GcContent.fit(*splits, config.composition, seed)}
    additive = replace(config.kmer, interaction_components=0)
    fits["kmer_logistic"] = lambda: KmerLogistic.fit(*splits, additive, seed)
    if train.task == "pair" and config.kmer.interaction_components:
        fits["kmer_products"] = lambda: KmerLogistic.fit(*splits, config.kmer, seed)
    fits["cnn"] = lambda: CnnBaseline.fit(*splits, config.cnn, seed)
    return {name: fit() for name, fit in counted(fits.items(), "baselines fitted")}
