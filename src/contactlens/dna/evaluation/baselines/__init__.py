"""The baselines every network is compared with, on the same splits and with the same scores."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple, Protocol

from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.base.settings import settings
from contactlens.dna.data.names import RECALIBRATED
from contactlens.dna.data.window_set import Task, WindowSet
from contactlens.dna.evaluation.baselines.cnn import CnnBaseline, CnnConfig
from contactlens.dna.evaluation.baselines.composition import CompositionConfig, GcContent, labels
from contactlens.dna.evaluation.baselines.distance import DistanceConfig, DistanceLogistic
from contactlens.dna.evaluation.baselines.kmer import KmerConfig, KmerLogistic
from contactlens.dna.evaluation.baselines.logistic import Array
from contactlens.dna.evaluation.baselines.motif_scan import BestMotif, MotifScan, MotifScanConfig
from contactlens.dna.evaluation.baselines.propensity import ElementPropensity, PropensityConfig

__all__ = [
    "Baseline",
    "BaselineConfig",
    "BestMotif",
    "CnnBaseline",
    "CnnConfig",
    "CompositionConfig",
    "DistanceConfig",
    "DistanceLogistic",
    "ElementPropensity",
    "GcContent",
    "KmerConfig",
    "KmerLogistic",
    "MotifScan",
    "MotifScanConfig",
    "PropensityConfig",
    "applicable_baselines",
    "fit_baselines",
]


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, windows: WindowSet) -> Array:
        """Probability of label 1, (N,)."""


@settings
class BaselineConfig:
    """distance, element_propensity: of pairs alone; composition: of regions alone.
    kmer: of `kmer_logistic`, which has no products, and, for pairs and unless its interaction_components are 0, of
        `kmer_products`, which has them.
    motif_scan: of `motif_scan`, and, for regions, of `best_motif`, which has one motif and no trees.
    """

    distance: DistanceConfig
    element_propensity: PropensityConfig
    composition: CompositionConfig
    kmer: KmerConfig
    motif_scan: MotifScanConfig
    cnn: CnnConfig


class Registration(NamedTuple):
    """fit: (train, validation, config, seed) -> the fitted baseline; tasks: of the windows that it is for.

    applies: whether the settings leave it anything that another baseline lacks
    """

    fit: Callable[[WindowSet, WindowSet, BaselineConfig, int], Baseline]
    tasks: tuple[Task, ...] = ("pair", "region")
    applies: Callable[[BaselineConfig], bool] = lambda config: True


def _additive(config: BaselineConfig) -> KmerConfig:
    return replace(config.kmer, interaction_components=0)


# The weakest first. A further baseline is its module and one line here; its settings are a field of BaselineConfig.
BASELINES: dict[str, Registration] = {
    "distance": Registration(lambda t, v, c, seed: DistanceLogistic.fit(t, v, c.distance, seed), ("pair",)),
    "element_propensity": Registration(
        lambda t, v, c, seed: ElementPropensity.fit(t, v, c.element_propensity, seed), ("pair",)
    ),
    "gc_content": Registration(lambda t, v, c, seed: GcContent.fit(t, v, c.composition, seed), ("region",)),
    "kmer_logistic": Registration(lambda t, v, c, seed: KmerLogistic.fit(t, v, _additive(c), seed)),
    "kmer_products": Registration(
        lambda t, v, c, seed: KmerLogistic.fit(t, v, c.kmer, seed),
        ("pair",),
        lambda c: bool(c.kmer.interaction_components),
    ),
    "best_motif": Registration(lambda t, v, c, seed: BestMotif.fit(t, v, c.motif_scan, seed), ("region",)),
    "motif_scan": Registration(lambda t, v, c, seed: MotifScan.fit(t, v, c.motif_scan, seed)),
    "cnn": Registration(lambda t, v, c, seed: CnnBaseline.fit(t, v, c.cnn, seed)),
}


def applicable_baselines(task: Task, names: Iterable[str], config: BaselineConfig) -> tuple[str, ...]:
    """Those of `names` (baselines, also as `<baseline>_recalibrated`) that `fit_baselines` fits to windows of the task,
    and any that it does not know."""
    fitted = _fitted(task, config)
    plain = {name: name.removesuffix(RECALIBRATED) for name in names}
    return tuple(name for name, baseline in plain.items() if baseline in fitted or baseline not in BASELINES)


def _fitted(task: Task, config: BaselineConfig) -> dict[str, Registration]:
    return {name: one for name, one in BASELINES.items() if task in one.tasks and one.applies(config)}


def fit_baselines(train: WindowSet, validation: WindowSet, config: BaselineConfig, seed: int) -> dict[str, Baseline]:
    """Every baseline of the windows' task by name, the weakest first.

    Raises InputError where a split has windows of one class only.
    """
    for name, windows in (("train", train), ("validation", validation)):
        if len(set(labels(windows))) < 2:
            raise InputError(f"{windows.source}: the {name} split has windows of one label only")
    chosen = _fitted(train.task, config)
    return {
        name: baseline.fit(train, validation, config, seed)
        for name, baseline in counted(chosen.items(), "baselines fitted")
    }
