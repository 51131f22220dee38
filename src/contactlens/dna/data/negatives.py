"""Negatives at the distances of the positives, so that distance alone can't tell them apart."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.settings import NonNegativeInt, PositiveInt, settings


@settings
class DistanceMatching:
    """How negatives are chosen.

    ratio: negatives for each positive, at least 1
    bins: bins of equal width in the logarithm of the distance, over the positives' range
    same_chromosome: whether a negative must lie on its positive's chromosome
    keep_unmatched: whether positives without all their negatives are kept; where they are dropped, each bin (of each
        chromosome, where so chosen) holds exactly `ratio` negatives for each positive
    seed: of the choice
    """

    ratio: PositiveInt
    bins: PositiveInt
    same_chromosome: bool
    keep_unmatched: bool
    seed: NonNegativeInt


class Matched(NamedTuple):
    """The chosen rows, and how alike the distances of the classes are.

    rows: (M,) int64 positions of the chosen rows, ascending
    unmatched: positives that found no negative, where every positive of a bin gets one before any gets a second
    short: positives, the unmatched included, that lack some of their `ratio` negatives
    ks_before, ks_after: Kolmogorov-Smirnov statistic (largest difference of the two cumulative distributions, 0 to 1)
        of the distances of positives and negatives, among all rows and among the chosen; NaN where a class is empty
    """

    rows: np.ndarray
    unmatched: int
    short: int
    ks_before: float
    ks_after: float

    def __str__(self) -> str:
        return (
            f"{self.unmatched:,} positives found no negative at their distance, {self.short:,} not all they need; "
            f"Kolmogorov-Smirnov statistic of the distances {self.ks_before:.3f} before, {self.ks_after:.3f} after"
        )


def distance_matched(windows: pd.DataFrame, config: DistanceMatching) -> Matched:
    """Choose negatives for each positive from those in the same bin of log distance, without replacement.

    windows: columns `distance` (bp), `label` (0 or 1) and, for `same_chromosome`, `chrom`
    """
    distance = windows["distance"].to_numpy(dtype="float64")
    positive = windows["label"].to_numpy() == 1
    strata = pd.DataFrame({"bin": _bins(distance, positive, config.bins)})
    if config.same_chromosome:
        strata["chrom"] = windows["chrom"].to_numpy()
    rng = np.random.default_rng(config.seed)
    chosen: list[np.ndarray] = []
    unmatched = short = 0
    for _, members in sorted(strata.groupby(list(strata.columns)).indices.items()):
        pool, wanted = rng.permutation(members[~positive[members]]), rng.permutation(members[positive[members]])
        full = min(len(wanted), len(pool) // config.ratio)
        unmatched += max(0, len(wanted) - len(pool))
        short += len(wanted) - full
        kept = len(wanted) if config.keep_unmatched else full
        chosen += [wanted[:kept], pool[: kept * config.ratio]]
    rows = np.sort(np.concatenate(chosen)).astype("int64") if chosen else np.empty(0, dtype="int64")
    return Matched(rows, unmatched, short, _ks(distance, positive), _ks(distance[rows], positive[rows]))


def _bins(distance: np.ndarray, positive: np.ndarray, bins: int) -> np.ndarray:
    """Bin of each row, from 0; -1 below and `bins` above the positives' range."""
    log_distance = np.log(np.maximum(distance, 1.0))
    if not positive.any():
        return np.full(len(distance), -1)
    low, high = log_distance[positive].min(), log_distance[positive].max()
    place = np.floor((log_distance - low) / max(high - low, 1e-9) * bins).clip(-1, bins)
    return np.where(log_distance == high, bins - 1, place).astype("int64")


def _ks(distance: np.ndarray, positive: np.ndarray) -> float:
    from scipy.stats import ks_2samp

    if positive.all() or not positive.any():
        return float("nan")
    return float(ks_2samp(distance[positive], distance[~positive]).statistic)
