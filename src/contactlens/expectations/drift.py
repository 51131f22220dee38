"""How far new data are from what a model was trained on, by quantiles and distances.

A distance says little by itself: few examples differ from many by chance. So a training set's description holds how far
held-out examples of the same kind were from it, by their number, and new examples are compared with that. An example is
what was split: a track with a value per frame, or a window with one value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

Array = np.ndarray
ATOMS = 200  # equally likely values that stand for the training set
GRID = 1000  # steps of the distribution functions of held-out examples
SIZES = (1, 3, 10, 30, 100, 300)
DRAWS = 200
EXPECTED = 0.95
SHOWN = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Quantity:
    """One quantity of the training examples.

    values: (200,) its quantiles at the levels 1/400, 3/400, ..., in `unit`
    expected_wasserstein, expected_ks: (sizes,) the distance that 95 % of draws of as many held-out examples (`SIZES`)
        stay below; empty where none were held out
    """

    name: str
    unit: str
    values: list[float]
    expected_wasserstein: list[float]
    expected_ks: list[float]

    @classmethod
    def of(cls, name: str, unit: str, train: list[Array], held_out: list[Array], seed: int) -> "Quantity":
        """From the values of each training example and of each held-out one."""
        levels = (np.arange(ATOMS) + 0.5) / ATOMS
        values = np.quantile(np.concatenate(train), levels)
        wasserstein, ks = _expected(values, held_out, seed) if held_out else ([], [])
        return cls(name, unit, values.tolist(), wasserstein, ks)

    def compare(self, new: Array, examples: int) -> Iterator[tuple[str, float, float, float]]:
        """(measure, training, new, expected) for the values of some number of new examples."""
        from scipy.stats import ks_2samp, wasserstein_distance

        training = np.array(self.values)
        for level in SHOWN:
            yield f"q{100 * level:02.0f}", float(np.quantile(training, level)), float(np.quantile(new, level)), np.nan
        distance = float(wasserstein_distance(training, new))
        yield "wasserstein", np.nan, distance, self._expected_of(self.expected_wasserstein, examples)
        statistic = float(ks_2samp(training, new, method="asymp").statistic)
        yield "ks", np.nan, statistic, self._expected_of(self.expected_ks, examples)

    @staticmethod
    def _expected_of(expected: list[float], examples: int) -> float:
        return float(np.interp(np.log(examples), np.log(SIZES), expected)) if expected else np.nan


def _expected(training: Array, held_out: list[Array], seed: int) -> tuple[list[float], list[float]]:
    """Wasserstein and KS distance from the training set that 95 % of draws of held-out examples stay below, by size."""
    pooled = np.concatenate(held_out)
    grid = np.unique(np.concatenate([training, np.quantile(pooled, np.linspace(0, 1, GRID + 1))]))
    below = np.stack([np.searchsorted(np.sort(values), grid, side="right") for values in held_out])  # (N, grid)
    lengths = np.array([values.size for values in held_out])
    reference = np.searchsorted(training, grid, side="right") / training.size
    rng = np.random.default_rng(seed)
    wasserstein, ks = [], []
    for size in SIZES:
        counts = rng.multinomial(size, np.full(len(held_out), 1 / len(held_out)), DRAWS)  # (draws, N)
        gap = np.abs(counts @ below / (counts @ lengths)[:, None] - reference)
        wasserstein.append(float(np.quantile(gap[:, :-1] @ np.diff(grid), EXPECTED)))
        ks.append(float(np.quantile(gap.max(axis=1), EXPECTED)))
    return wasserstein, ks


def drift_table(quantities: Iterable[Quantity], new: Mapping[tuple[str, str], list[Array]]) -> pd.DataFrame:
    """New examples beside the training set: quantity, unit, measure, training, new, expected, drifted.

    Measures are quantiles (q01 to q99) and two distances: `wasserstein`, in the quantity's unit, and `ks`, the largest
    difference of the distribution functions. `expected` is what 95 % of draws of as many held-out examples stay below;
    `drifted` says whether a distance is above it.

    new: values of each new example, by the name and unit of the quantity; quantities that it lacks are left out
    """
    rows = [
        (quantity.name, quantity.unit, *row)
        for quantity in quantities
        if (values := new.get((quantity.name, quantity.unit)))
        for row in quantity.compare(np.concatenate(values), len(values))
    ]
    table = pd.DataFrame(rows, columns=["quantity", "unit", "measure", "training", "new", "expected"])
    return table.assign(drifted=table["new"] > table["expected"])
