"""Windows of enhancer-promoter pairs from a table: BEDPE, TSV, CSV or Parquet."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.importing.interval_table import IntervalTable, kind_of, read_table
from contactlens.dna.data.importing.pair_windows import UNKNOWN_END, pairs_of, place_names, windows_of_pairs
from contactlens.dna.data.importing.report import ImportedWindows
from contactlens.dna.data.negatives import DistanceMatching

BEDPE_COLUMNS = ("chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2")
TABLE_SUFFIXES = (".tsv", ".csv", ".txt")
COORDINATES = ("enh_start", "enh_end", "prom_start", "prom_end")
RELATIVE = ("enh_rel_start", "enh_rel_end", "prom_rel_start", "prom_rel_end")


def import_windows(
    table: Path | str,
    fasta: Path | str,
    *,
    window_bp: int,
    max_n_fraction: float,
    label_column: str | None = None,
    labelled: bool = True,
    matching: DistanceMatching | None = None,
    **excluded: Any,
) -> ImportedWindows:
    """Windows of `window_bp` bases from a table of pairs and the FASTA of their chromosomes.

    table: .bedpe (first interval the enhancer, label in column 8), or .tsv, .csv, .txt (each, and .bedpe, also .gz)
        or .parquet with a header: either chrom, enh_start, enh_end, prom_start, prom_end, label (or enh_chrom and
        prom_chrom), whose window is centred on the pair, or window_id, chrom, win_start, win_end, enh_rel_start,
        enh_rel_end, prom_rel_start, prom_rel_end, label, whose window is taken as it is
    max_n_fraction: largest share of unknown bases in the two elements
    label_column: name of the labels' column (of BEDPE a name of its format, or a number from 11); values 0 and 1
    labelled: False for pairs to predict, whose labels are not read; they count as 0
    matching: how negatives are matched to positives on distance; None keeps all
    excluded: `max_window_n_fraction`, `blacklist` and `keep_shared` of `windows_of_pairs`

    Raises InputError, naming file, column and rows, for what can't be read, and with the counts where nothing is left.
    """
    pairs = _read_pairs(Path(table), window_bp, label_column, labelled)
    rules: dict[str, Any] = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "matching": matching}
    return windows_of_pairs(pairs, table, fasta, **rules, **excluded)


def _read_pairs(path: Path, window_bp: int, label_column: str | None, labelled: bool) -> pd.DataFrame:
    suffix = kind_of(path)
    if suffix == ".bedpe":
        return _bedpe_pairs(read_table(path, BEDPE_COLUMNS), label_column or "score" if labelled else None)
    if suffix not in TABLE_SUFFIXES and suffix != ".parquet":
        known = ", ".join([".bedpe", *TABLE_SUFFIXES])
        raise InputError(f"{path}: not a known kind of table; known are {known} (each also .gz), .parquet")
    table = read_table(path, None)
    label = label_column or "label" if labelled else None
    if {"win_start", "win_end"} <= set(table.cells.columns):
        return _pairs_in_windows(table, window_bp, label)
    chroms = {"enh_chrom": "enh_chrom", "prom_chrom": "prom_chrom"}
    if not set(chroms) <= set(table.cells.columns):
        chroms = dict.fromkeys(chroms, "chrom")
    return pairs_of(table, {**chroms, **{name: name for name in COORDINATES}, **_named(label)})


def _named(label: str | None) -> dict[str, str]:
    return {} if label is None else {"label": label}


def _bedpe_pairs(table: IntervalTable, label: str | None) -> pd.DataFrame:
    columns = {"enh_chrom": "chrom1", "enh_start": "start1", "enh_end": "end1", **_named(label)}
    columns |= {"prom_chrom": "chrom2", "prom_start": "start2", "prom_end": "end2"}
    table.require(BEDPE_COLUMNS[:6])
    cells = table.cells
    known = [cells[f"chrom{end}"] != "." for end in (1, 2)] + [cells[f"start{end}"] != "-1" for end in (1, 2)]
    unknown = ~np.logical_and.reduce(known)
    pairs = pairs_of(table.without(unknown), columns)
    pairs.attrs[UNKNOWN_END] = [f"{table.row_word} {row}" for row in cells.index[unknown]]
    return pairs


def _pairs_in_windows(table: IntervalTable, window_bp: int, label: str | None) -> pd.DataFrame:
    table.require(["window_id", "chrom", "win_start", "win_end", *RELATIVE, *_named(label).values()])
    start, end = table.interval("win_start", "win_end")
    table.refuse("win_end", (end - start != window_bp).to_numpy(), f"windows are not of {window_bp:,} bases")
    chrom = table.names("chrom")
    pairs = pd.DataFrame({"window_id": table.names("window_id"), "win_start": start})
    for element in ("enh", "prom"):
        first, last = table.interval(f"{element}_rel_start", f"{element}_rel_end")
        place = {f"{element}_chrom": chrom, f"{element}_start": start + first, f"{element}_end": start + last}
        pairs = pairs.assign(**place)
    pairs["label"] = 0 if label is None else table.labels(label)
    return pairs.assign(where=place_names(table, pairs))
