"""The split by chromosome that cannot leak, and the check that nothing leaked."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.config import SPLITS, SplitConfig
from contactlens.dna.data.tokens import LEAST_COPY_BP, one_strand
from contactlens.dna.data.window_set import WindowSet

ATTEMPTS = 32
SPREAD = 0.3
ELEMENTS = {"pair": {"enhancer": "enh_rel", "promoter": "prom_rel"}, "region": {"region": "win"}}


def split_by_chromosome(windows: WindowSet, config: SplitConfig, seed: int) -> dict[str, list[str]]:
    """Window ids of the train, validation, calibration and test splits, in the order of the windows.

    Whole chromosomes go to one split. Chromosomes that no split names are dealt out, largest first, each to the split
    that is furthest from its fraction; of several slightly varied orders the one that ends nearest to the fractions,
    with both labels in every split, is taken.

    Raises InputError, with each chromosome's counts, where a named chromosome has no windows, or a split would lack
    a label.
    """
    table = windows.windows
    counts = pd.crosstab(table["chrom"], table["label"]).reindex(columns=[0, 1], fill_value=0)
    of_chrom = {chrom: split for split, chroms in config.named.items() for chrom in chroms}
    unknown = [chrom for chrom in of_chrom if chrom not in counts.index]
    if unknown:
        raise InputError(f"split: no windows on {', '.join(unknown)}; there are {_listed(counts)}")
    of_chrom |= _best_deal(counts.drop(index=list(of_chrom)), config, seed)
    split = table["chrom"].map(of_chrom)
    _require_both_labels(counts, of_chrom)
    return {name: table.loc[split == name, "window_id"].tolist() for name in SPLITS}


def _best_deal(counts: pd.DataFrame, config: SplitConfig, seed: int) -> dict[str, str]:
    """The split of each chromosome of `counts` (windows by label)."""
    rng = np.random.default_rng(seed)
    size = counts.sum(axis=1).to_numpy(dtype="float64")
    open_splits = [name for name in SPLITS if name not in config.named]
    shares = np.array([getattr(config, name) for name in open_splits])
    target = shares / shares.sum() * size.sum()
    best: tuple[float, np.ndarray] = (np.inf, np.empty(0, dtype="int64"))
    for _ in range(ATTEMPTS):
        order = np.argsort(-size * np.exp(SPREAD * rng.standard_normal(len(size))), kind="stable")
        choice = _deal(size, order, target)
        held = np.stack([np.bincount(choice, counts[label], len(target)) for label in (0, 1)])
        miss = float((held == 0).sum() + np.abs(held.sum(axis=0) - target).max() / max(size.sum(), 1.0))
        best = min(best, (miss, choice), key=lambda attempt: attempt[0])
    return {chrom: open_splits[i] for chrom, i in zip(counts.index, best[1], strict=True)}


def _deal(size: np.ndarray, order: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Give each chromosome, in the order, to the split that lacks the largest part of its target."""
    filled = np.zeros(len(target))
    choice = np.zeros(len(size), dtype="int64")
    for chrom in order:
        choice[chrom] = np.argmin(filled / target)
        filled[choice[chrom]] += size[chrom]
    return choice


def _require_both_labels(counts: pd.DataFrame, of_chrom: Mapping[str, str]) -> None:
    held = counts.groupby(counts.index.map(of_chrom)).sum().reindex(SPLITS, fill_value=0)
    lacking = [
        f"{name} has {negative:,} negative and {positive:,} positive windows"
        for name, negative, positive in zip(SPLITS, held[0], held[1], strict=True)
        if 0 in (negative, positive)
    ]
    if lacking:
        raise InputError(f"split: every split needs both labels, but {'; '.join(lacking)}; there are {_listed(counts)}")


def _listed(counts: pd.DataFrame) -> str:
    rows = zip(map(str, counts.index), counts[0], counts[1], strict=True)
    shown = [f"{chrom} ({negative:,} negative, {positive:,} positive)" for chrom, negative, positive in rows][:30]
    more = [f"{len(counts) - 30:,} more chromosomes"] * (len(counts) > 30)
    return ", ".join(shown + more) or "none"


def leaking_elements(windows: WindowSet, splits: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Elements whose bases, on either strand, occur in windows of two or more splits.

    Columns: group (int, windows with the same number share the element), split, window_id, element (enhancer,
    promoter or region), chrom, start, end; sorted by group, then in the order of splits and windows. Elements of
    fewer than LEAST_COPY_BP known bases are left out: they are alike by chance. No rows where nothing leaks.
    """
    found = pd.concat([_elements(windows.select(ids)).assign(split=name) for name, ids in splits.items() if len(ids)])
    found = found[found["known"] >= LEAST_COPY_BP]
    shared = found.groupby("bases")["split"].transform("nunique") > 1
    leaks = found[shared].reset_index(drop=True)
    leaks["group"] = pd.factorize(leaks["bases"])[0].astype("int64")
    columns = ["group", "split", "window_id", "element", "chrom", "start", "end"]
    return leaks.sort_values("group", kind="stable", ignore_index=True)[columns]


def _elements(windows: WindowSet) -> pd.DataFrame:
    """Columns window_id, element, chrom, start, end, known (bases), bases (a digest of the strand that sorts first)."""
    table, fetch, parts = windows.windows, windows.genome.fetch, []
    for element, name in ELEMENTS[windows.task].items():
        origin = table["win_start"] if name.endswith("rel") else 0
        start, end = origin + table[f"{name}_start"], origin + table[f"{name}_end"]
        first = table["record_start"]
        places = zip(table["record"].tolist(), (start - first).tolist(), (end - first).tolist(), strict=True)
        read = [_known_and_digest(fetch(*place)) for place in places]
        bases = pd.DataFrame(read, columns=["known", "bases"], index=table.index)
        parts.append(table[["window_id", "chrom"]].assign(start=start, end=end, element=element).join(bases))
    return pd.concat(parts, ignore_index=True)


def _known_and_digest(bases: str) -> tuple[int, str]:
    """Of an element, which may be a whole window: many of them don't fit the memory."""
    return sum(map(bases.count, "ACGT")), blake2b(one_strand(bases).encode(), digest_size=16).hexdigest()
