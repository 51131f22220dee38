"""Checks of a window set with Great Expectations: what must hold before anything is learned from it.

Great Expectations sees `schema` (the windows as they are), `windows` (with what follows from coordinates), `sequences`
(the bases of each window, counted), `classes` (one row: what sets the labels apart) and, where splits are given,
`splits` (a row per window of a split), `split_labels` (a row per split and label) and `split_elements`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.dataset import leaking_elements
from contactlens.dna.data.window_set import WINDOW_COLUMNS, WindowSet
from contactlens.expectations.result import CheckResult
from contactlens.expectations.run import DataAsset, Stage, check, validate
from contactlens.expectations.suite import Batch, Suite

__all__ = ["CheckLimits", "CheckResult", "check_windows", "validate_windows"]

ELEMENT_NAMES = {"enh": "enhancer", "prom": "promoter"}
Splits = Mapping[str, Sequence[str]]


def check_windows(
    window_set: WindowSet,
    limits: CheckLimits,
    file: str,
    splits: Splits | None = None,
    data_docs: Path | str | None = None,
    *,
    labelled: bool = True,
) -> CheckResult:
    """Check columns, then coordinates and labels, then bases, distances and splits, then leakage between splits.

    Where one of these fails, the later ones, which take it for granted, are left out. `splits` gives the window ids of
    each split. With `data_docs`, a folder, Great Expectations' own pages are written there, whatever the outcome.
    Windows to predict are not `labelled`: what is expected of labels is left out.
    """
    return check(_asset(window_set, file), _stages(window_set, limits, splits, labelled), data_docs)


def validate_windows(
    window_set: WindowSet,
    limits: CheckLimits,
    file: str,
    splits: Splits | None = None,
    data_docs: Path | str | None = None,
    *,
    labelled: bool = True,
) -> CheckResult:
    """As `check_windows`, but failed expectations raise one InputError, and then no Data Docs are written.

    The message names file, column, expectation, count and the first offending rows of each.
    """
    return validate(_asset(window_set, file), _stages(window_set, limits, splits, labelled), data_docs)


def _asset(window_set: WindowSet, file: str) -> DataAsset:
    return DataAsset("windows", file, {"windows": len(window_set.windows)}, ("window_id", "split", "label"))


def _stages(window_set: WindowSet, limits: CheckLimits, splits: Splits | None, labelled: bool) -> list[Stage]:
    def contents() -> list[Batch]:
        batches = _sequence_batches(window_set, limits, labelled)
        return batches if splits is None else batches + _split_batches(window_set, splits, limits)

    stages: list[Stage] = [lambda: _schema_batches(window_set), lambda: _place_batches(window_set, labelled), contents]
    if splits is not None:
        stages.append(lambda: _leakage_batches(window_set, splits, limits))
    return stages


def _schema_batches(window_set: WindowSet) -> list[Batch]:
    """Columns and types: what the other checks take for granted."""
    kinds, suite = WINDOW_COLUMNS[window_set.task], Suite()
    what = f"there are the columns {', '.join(kinds)}"
    suite.expect("ExpectTableColumnsToMatchSet", what, column_set=list(kinds), exact_match=False)
    for column in (name for name in kinds if name in window_set.windows):
        if kinds[column] is str:
            suite.expect("ExpectColumnValuesToBeOfType", f"{column} is text", column=column, type_="str")
        else:
            suite.expect("ExpectColumnValuesToBeOfType", f"{column} is int64", column=column, type_="int64")
    suite.expect("ExpectTableRowCountToBeBetween", "there is at least one window", min_value=1)
    return [Batch("schema", window_set.windows.reset_index(drop=True), suite.expectations)]


def _place_batches(window_set: WindowSet, labelled: bool) -> list[Batch]:
    """Names, labels and coordinates: what must hold for the bases to be read at all."""
    table, suite = _places(window_set), Suite()
    for column in ("window_id", "chrom", "record"):
        suite.named(column)
    suite.expect("ExpectColumnValuesToBeUnique", "no window_id is used twice", column="window_id")
    if labelled:
        suite.expect("ExpectColumnValuesToBeInSet", "labels are 0 or 1", column="label", value_set=[0, 1])
        both = "there are windows of either label"
        suite.expect("ExpectColumnDistinctValuesToContainSet", both, column="label", value_set=[0, 1])
    usual = int(table["window_bp"].mode()[0])
    suite.between("window_bp", f"all windows have one length ({usual} bp in most)", usual, usual)
    suite.between("window_bp", "windows end after their start", 0, None, strict_min=True)
    suite.expect("ExpectColumnValuesToNotBeNull", "the FASTA holds every record", column="record_bp")
    suite.between("win_start", "windows begin on the chromosome", 0, None)
    suite.between("start_in_record", "windows begin inside their record", 0, None)
    suite.between("bp_beyond_record", "windows end inside their record", None, 0)
    _expect_distinct(suite, window_set, table)
    return [Batch("windows", table, suite.expectations)]


def _expect_distinct(suite: Suite, window_set: WindowSet, table: pd.DataFrame) -> None:
    if window_set.task == "region":
        # A shuffled negative has the coordinates of its positive, but is a record of its own.
        what, key = "no two windows are the same", ["record", "win_start", "win_end"]
        suite.expect("ExpectCompoundColumnsToBeUnique", what, column_list=key)
        return
    for name, element in ELEMENT_NAMES.items():
        suite.between(f"{name}_bp", f"{element}s end after their start", 0, None, strict_min=True)
        suite.between(f"{name}_rel_start", f"{element}s begin inside their window", 0, None)
        suite.between(f"{name}_bp_beyond_window", f"{element}s end inside their window", None, 0)
    suite.between("bp_between_elements", "enhancer and promoter do not overlap", 0, None)
    key = ["chrom", *(f"{name}_{side}" for name in ELEMENT_NAMES for side in ("start", "end"))]
    what = "no pair of enhancer and promoter is there twice, whatever its window and label"
    suite.expect("ExpectCompoundColumnsToBeUnique", what, column_list=key)


def _sequence_batches(window_set: WindowSet, limits: CheckLimits, labelled: bool) -> list[Batch]:
    """Bases, and the one number that gives pairs away: their distance."""
    suite = Suite()
    most = limits.max_window_n_fraction
    suite.between("n_fraction", f"at most {100 * most:g} % of a window's bases are N", 0, most)
    if window_set.task == "region":
        return [Batch("sequences", _sequences(window_set), suite.expectations)]
    most = limits.max_element_n_fraction
    for name, element in ELEMENT_NAMES.items():
        suite.between(f"{name}_n_fraction", f"at most {100 * most:g} % of {element} bases are N", 0, most)
    sequences = Batch("sequences", _sequences(window_set), suite.expectations)
    if not labelled:
        return [sequences]
    classes, most = Suite(), limits.max_distance_ks
    what = f"distances of the two labels differ by a Kolmogorov-Smirnov statistic of at most {most:g}"
    classes.between("distance_ks", what, 0, most)
    distance = pd.DataFrame({"distance_ks": [_distance_ks(window_set)]})
    return [sequences, Batch("classes", distance, classes.expectations)]


def _split_batches(window_set: WindowSet, splits: Splits, limits: CheckLimits) -> list[Batch]:
    """Windows of each split, their chromosomes and labels."""
    members, suite = _members(window_set, splits), Suite()
    suite.expect("ExpectColumnValuesToNotBeNull", "splits name windows of this set only", column="chrom")
    suite.expect("ExpectColumnValuesToBeUnique", "a window is in one split, once", column="window_id")
    suite.between("splits_of_chrom", "a chromosome's windows are all in one split", None, 1)
    counts = members.groupby(["split", "label"]).size()
    every = pd.MultiIndex.from_product([list(splits), [0, 1]], names=["split", "label"])
    labels, fewest = Suite(), limits.min_windows_per_label
    labels.between("windows", f"every split has at least {fewest} windows of each label", fewest, None)
    table = counts.reindex(every, fill_value=0).rename("windows").reset_index()
    return [Batch("splits", members, suite.expectations), Batch("split_labels", table, labels.expectations)]


def _leakage_batches(window_set: WindowSet, splits: Splits, limits: CheckLimits) -> list[Batch]:
    """Elements that occur in two splits."""
    members, suite, most = _members(window_set, splits), Suite(), limits.max_shared_element_fraction
    leaks = leaking_elements(window_set, splits)["window_id"].value_counts()
    members["shared_elements"] = members["window_id"].map(leaks).fillna(0).astype(np.int64)
    what = f"at most {100 * most:g} % of windows hold an element that is also in another split"
    suite.between("shared_elements", what, 0, 0, mostly=1 - most)
    return [Batch("split_elements", members, suite.expectations)]


def _places(window_set: WindowSet) -> pd.DataFrame:
    table = window_set.windows.reset_index(drop=True)
    table["window_bp"] = table["win_end"] - table["win_start"]
    table["record_bp"] = table["record"].map(window_set.genome.lengths).astype("float64")
    table["start_in_record"] = table["win_start"] - table["record_start"]
    table["bp_beyond_record"] = table["win_end"] - table["record_start"] - table["record_bp"]
    if window_set.task == "pair":
        for name in ELEMENT_NAMES:
            start, end = table[f"{name}_rel_start"], table[f"{name}_rel_end"]
            table[f"{name}_bp"], table[f"{name}_bp_beyond_window"] = end - start, end - table["window_bp"]
            table[f"{name}_start"], table[f"{name}_end"] = table["win_start"] + start, table["win_start"] + end
        later = table[["enh_rel_start", "prom_rel_start"]].max(axis=1)
        table["bp_between_elements"] = later - table[["enh_rel_end", "prom_rel_end"]].min(axis=1)
    return table


def _sequences(window_set: WindowSet) -> pd.DataFrame:
    """A row per window; windows are read one by one, since thousands of long ones don't fit the memory."""
    rows, fetch = window_set.windows, window_set.genome.fetch
    names = ELEMENT_NAMES if window_set.task == "pair" else {}
    counted = []
    for row in rows.to_dict("records"):
        bases = fetch(row["record"], row["win_start"] - row["record_start"], row["win_end"] - row["record_start"])
        found = {"window_id": row["window_id"], "n_fraction": _n_fraction(bases)}
        for name in names:
            found[f"{name}_n_fraction"] = _n_fraction(bases[row[f"{name}_rel_start"] : row[f"{name}_rel_end"]])
        counted.append(found)
    return pd.DataFrame(counted)


def _n_fraction(bases: str) -> float:
    return (len(bases) - sum(map(bases.count, "ACGT"))) / len(bases)


def _distance_ks(window_set: WindowSet) -> float:
    from scipy.stats import ks_2samp

    positive, distance = window_set.windows["label"].to_numpy() == 1, window_set.distances()
    return float(ks_2samp(distance[positive], distance[~positive], method="asymp").statistic)


def _members(window_set: WindowSet, splits: Splits) -> pd.DataFrame:
    """A row per window of a split; chrom and label are missing for a window that the set does not have."""
    pairs = [(name, window_id) for name, ids in splits.items() for window_id in ids]
    table = pd.DataFrame(pairs, columns=["split", "window_id"], dtype="str")
    table = table.merge(window_set.windows[["window_id", "chrom", "label"]], how="left", on="window_id")
    table["splits_of_chrom"] = table.groupby("chrom")["split"].transform("nunique")
    return table
