"""The baselines every network is compared with, on the same splits and with the same scores."""

from collections.abc import Callable
from dataclasses import dataclass

from contactlens.base.progress import counted
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.boosted_trees import BoostedTrees, BoostedTreesConfig
from contactlens.tracks.evaluation.baselines.constant import ConstantGaussian
from contactlens.tracks.evaluation.baselines.contact_filter import ContactFilter, ContactFilterConfig
from contactlens.tracks.evaluation.baselines.features import HIDDEN, FeatureConfig, SignalView
from contactlens.tracks.evaluation.baselines.frames import Baseline

__all__ = [
    "Baseline",
    "BaselineConfig",
    "BoostedTrees",
    "BoostedTreesConfig",
    "ConstantGaussian",
    "ContactFilter",
    "ContactFilterConfig",
    "FeatureConfig",
    "SignalView",
    "fit_baselines",
]


@dataclass(frozen=True)
class BaselineConfig:
    contact_filter: ContactFilterConfig
    boosted_trees: BoostedTreesConfig


def fit_baselines(
    train: TrackBatch, validation: TrackBatch, config: BaselineConfig, seed: int, view: SignalView = HIDDEN
) -> dict[str, Baseline]:
    """Every baseline by name, the weakest first.

    view: what the trees may read of MS2 (give the network's own contact radius or parts, so that both see the same).
    """
    fits: dict[str, Callable[[], Baseline]] = {
        "constant_gaussian": lambda: ConstantGaussian.fit(train),
        "contact_filter": lambda: ContactFilter.fit(train, validation, config.contact_filter),
        "boosted_trees": lambda: BoostedTrees.fit(train, validation, config.boosted_trees, seed, view),
    }
    return {name: fit() for name, fit in counted(fits.items(), "baselines fitted")}
