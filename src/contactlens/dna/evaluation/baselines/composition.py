"""Composition alone: GC content and CpG enrichment, which tell many peaks from background without any motif."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from contactlens.dna.data.batch import ELEMENT_BOUNDS
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.logistic import Array, fit_scaled, positive
from contactlens.dna.evaluation.config import CompositionConfig

KEPT_SETS = 4  # the splits


@dataclass(frozen=True)
class GcContent:
    """Logistic regression on GC content, its square, and CpG enrichment of the elements."""

    classifier: Any

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: CompositionConfig, seed: int) -> "GcContent":
        x, x_validation = composition_features(train), composition_features(validation)
        return cls(fit_scaled(x, labels(train), x_validation, labels(validation), config.inverse_penalties))

    def predict(self, windows: WindowSet) -> Array:
        return positive(self.classifier, composition_features(windows))


def labels(windows: WindowSet) -> Array:
    """(N,) float64, 0 or 1."""
    return windows.windows["label"].to_numpy(dtype=np.float64)


@lru_cache(maxsize=KEPT_SETS)
def element_sequences(windows: WindowSet) -> dict[str, list[str]]:
    """The bases of each window's enhancer and promoter (pair), or of the window itself (region), by element; of a pair
    no other bases are read. Kept, as every baseline asks for them."""
    if windows.task == "region":
        return {"region": windows.sequences()}
    table, fetch = windows.windows, windows.genome.fetch
    records, first = table["record"].tolist(), (table["win_start"] - table["record_start"]).to_numpy()
    found = {}
    for element, bounds in ELEMENT_BOUNDS.items():
        places = (table[list(bounds)].to_numpy() + first[:, None]).tolist()
        found[element] = [fetch(record, *place) for record, place in zip(records, places, strict=True)]
    return found


def composition_features(windows: WindowSet) -> Array:
    """GC content, its square and CpG enrichment of each element, (N, 3 * elements)."""
    columns = [np.array([composition(bases) for bases in element]) for element in element_sequences(windows).values()]
    return np.column_stack([values for gc, cpg in (c.T for c in columns) for values in (gc, gc**2, cpg)])


def composition(bases: str) -> tuple[float, float]:
    """GC content, and CpG observed over expected (Gardiner-Garden & Frommer 1987); N counts in neither."""
    c, g = bases.count("C"), bases.count("G")
    known = c + g + bases.count("A") + bases.count("T")
    return (c + g) / max(known, 1), bases.count("CG") * known / max(c * g, 1)
