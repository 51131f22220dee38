"""What a model was trained on, by quantiles, and how far new tracks are from it.

A distance says little by itself: few tracks differ from many by chance. So the training set's description holds how far
held-out tracks of the same kind were from it, by the number of tracks, and new tracks are compared with that.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, wasserstein_distance

from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet

Array = np.ndarray
ATOMS = 200  # equally likely values that stand for the training set
GRID = 1000  # steps of the distribution functions of held-out tracks
SIZES = (1, 3, 10, 30, 100, 300)
DRAWS = 200
EXPECTED = 0.95
SHOWN = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LENGTH = "frames per track"


@dataclass(frozen=True)
class Quantity:
    """One quantity of the training tracks.

    values: (200,) its quantiles at the levels 1/400, 3/400, ..., in `unit`
    expected_wasserstein, expected_ks: (sizes,) the distance that 95 % of draws of as many held-out tracks (`SIZES`)
        stay below; empty where no tracks were held out
    """

    name: str
    unit: str
    values: list[float]
    expected_wasserstein: list[float]
    expected_ks: list[float]

    @classmethod
    def of(cls, name: str, unit: str, train: list[Array], held_out: list[Array], seed: int) -> "Quantity":
        """From the values of each training track and of each held-out track."""
        levels = (np.arange(ATOMS) + 0.5) / ATOMS
        values = np.quantile(np.concatenate(train), levels)
        wasserstein, ks = _expected(values, held_out, seed) if held_out else ([], [])
        return cls(name, unit, values.tolist(), wasserstein, ks)

    def compare(self, new: Array, tracks: int) -> Iterator[tuple[str, float, float, float]]:
        """(measure, training, new, expected) for the values of some number of new tracks."""
        training = np.array(self.values)
        for level in SHOWN:
            yield f"q{100 * level:02.0f}", float(np.quantile(training, level)), float(np.quantile(new, level)), np.nan
        distance = float(wasserstein_distance(training, new))
        yield "wasserstein", np.nan, distance, self._expected_of(self.expected_wasserstein, tracks)
        statistic = float(ks_2samp(training, new, method="asymp").statistic)
        yield "ks", np.nan, statistic, self._expected_of(self.expected_ks, tracks)

    @staticmethod
    def _expected_of(expected: list[float], tracks: int) -> float:
        return float(np.interp(np.log(tracks), np.log(SIZES), expected)) if expected else np.nan


def _expected(training: Array, held_out: list[Array], seed: int) -> tuple[list[float], list[float]]:
    """Wasserstein and KS distance from the training set that 95 % of draws of held-out tracks stay below, by size."""
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


@dataclass(frozen=True)
class TrainingSet:
    """source: of the track set; tracks, groups, frames: in the training split; held_out: tracks in the others"""

    source: str
    tracks: int
    groups: int
    frames: int
    held_out: int
    quantities: list[Quantity]

    @classmethod
    def of(cls, track_set: TrackSet, train: list[str], seed: int) -> "TrainingSet":
        """The named tracks of a set, with the rest of it held out."""
        frames = track_set.frames
        inside = frames["track_id"].isin(train)
        quantities = [
            Quantity.of(name, unit, own, _per_track(frames[~inside], track_set)[name, unit], seed)
            for (name, unit), own in _per_track(frames[inside], track_set).items()
        ]
        return cls(
            source=track_set.source,
            tracks=len(train),
            groups=int(frames.loc[inside, "group"].nunique()),
            frames=int(inside.sum()),
            held_out=int(frames.loc[~inside, "track_id"].nunique()),
            quantities=quantities,
        )

    def drift(self, track_set: TrackSet) -> pd.DataFrame:
        """New tracks beside the training set: quantity, unit, measure, training, new, expected, drifted.

        Measures are quantiles (q01 to q99) and two distances: `wasserstein`, in the quantity's unit, and `ks`, the
        largest difference of the distribution functions. `expected` is what 95 % of draws of as many tracks held out
        from the training set stay below; `drifted` says whether a distance is above it. Quantities that the new tracks
        lack are left out.
        """
        new = _per_track(track_set.frames, track_set)
        rows = [
            (quantity.name, quantity.unit, *row)
            for quantity in self.quantities
            if (values := new.get((quantity.name, quantity.unit)))
            for row in quantity.compare(np.concatenate(values), len(values))
        ]
        table = pd.DataFrame(rows, columns=["quantity", "unit", "measure", "training", "new", "expected"])
        return table.assign(drifted=table["new"] > table["expected"])


def _per_track(frames: pd.DataFrame, track_set: TrackSet) -> dict[tuple[str, str], list[Array]]:
    """Values of each track by the name and unit of the quantity: the driver, the signal, how long tracks are."""
    driver = track_set.driver
    columns = {(driver.name, driver.unit): driver.gate_column}
    if track_set.signal_unit is not None:
        columns[SIGNAL_COLUMN, track_set.signal_unit] = SIGNAL_COLUMN
    tracks = [rows for _, rows in frames.groupby("track_id", sort=False)]
    values = {key: [rows[column].to_numpy(dtype=np.float64) for rows in tracks] for key, column in columns.items()}
    lengths = [np.array([1.0 + np.ptp(rows["frame"].to_numpy())]) for rows in tracks]
    return {**values, (LENGTH, "frames"): lengths}
