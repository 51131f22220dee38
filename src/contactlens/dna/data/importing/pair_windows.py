"""From enhancer-promoter pairs on a chromosome to windows of one length."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.exclusions import BLACKLISTED, SHARED, Blacklist, on_several_chromosomes
from contactlens.dna.data.importing.interval_table import IntervalTable
from contactlens.dna.data.importing.placement import LARGEST, RecordMap, naming_hint
from contactlens.dna.data.importing.report import ImportedWindows, Sieve
from contactlens.dna.data.negatives import DistanceMatching, distance_matched
from contactlens.dna.data.window_set import WINDOW_COLUMNS, WindowSet

UNKNOWN_END = "with an end that is not known"  # BEDPE's "." and -1
TWO_CHROMOSOMES = "on two chromosomes"
OVERLAP = "with overlapping elements"
NO_CHROMOSOME = "on a chromosome that the FASTA lacks"
OUTSIDE = "outside of the FASTA's sequence"
SHORT = "on a sequence shorter than the window"
TOO_FAR = "that don't fit in the window"
BOTH_LABELS = "given with both labels"
DUPLICATE = "given before"
UNKNOWN_BASES = "with too many unknown bases"
UNKNOWN_WINDOW = "in a window of too many unknown bases"
UNPAIRED_POSITIVE = "positives without negatives at their distance"
SPARE_NEGATIVE = "negatives beyond those matched on distance"
PAIR = ["enh_start", "enh_end", "prom_start", "prom_end"]


def pairs_of(table: IntervalTable, columns: dict[str, str]) -> pd.DataFrame:
    """Pairs with the columns where, enh_chrom, enh_start, enh_end, prom_chrom, prom_start, prom_end, label.

    columns: the table's name of each of these but `where`; without `label` every label is 0

    Raises InputError, naming column and rows, for what is no coordinate or label.
    """
    table.require(list(dict.fromkeys(columns.values())))
    pairs = pd.DataFrame(index=table.cells.index)
    for element in ("enh", "prom"):
        pairs[f"{element}_chrom"] = table.names(columns[f"{element}_chrom"])
        interval = table.interval(columns[f"{element}_start"], columns[f"{element}_end"])
        pairs[f"{element}_start"], pairs[f"{element}_end"] = interval
    pairs["label"] = table.labels(columns["label"]) if "label" in columns else 0
    return pairs.assign(where=place_names(table, pairs))


def place_names(table: IntervalTable, pairs: pd.DataFrame) -> list[str]:
    """Line and coordinates of each pair, as a message shows them."""
    columns = ["enh_chrom", "enh_start", "enh_end", "prom_chrom", "prom_start", "prom_end"]
    rows = pairs[columns].itertuples(name=None)
    return [f"{table.row_word} {row}, {a}:{b}-{c} with {d}:{e}-{f}" for row, a, b, c, d, e, f in rows]


def windows_of_pairs(
    pairs: pd.DataFrame,
    source: Path | str,
    fasta: Path | str,
    *,
    window_bp: int,
    max_n_fraction: float,
    matching: DistanceMatching | None,
    max_window_n_fraction: float = 1.0,
    blacklist: Path | str | None = None,
    keep_shared: bool = True,
) -> ImportedWindows:
    """Put each pair of `pairs_of` into a window of `window_bp` bases, centred on the pair's middle.

    pairs: rows that could not become pairs are in its `attrs`, by reason `UNKNOWN_END`

    The window is shifted to stay on its chromosome. Pairs that bring `win_start` and `window_id` keep them. Dropped,
    with counts in the report: pairs on two chromosomes, with overlapping elements, outside of the FASTA, too far
    apart, repeated, given with both labels, with more than `max_n_fraction` of the elements' bases unknown or
    `max_window_n_fraction` of the window's, with an element that touches `blacklist` (BED), or one whose very bases
    another chromosome has too (unless `keep_shared`), or not chosen by `matching`.

    Raises InputError where no pair is left, or a given window_id is repeated.
    """
    require_rules(window_bp, max_n_fraction)
    if not 0 <= max_window_n_fraction <= 1:
        raise InputError(f"max_window_n_fraction must lie between 0 and 1, got {max_window_n_fraction}")
    genome = Genome.open(fasta)
    sieve = Sieve(pairs)
    sieve.leave_out(UNKNOWN_END, pairs.attrs.get(UNKNOWN_END, []))
    sieve.require_some(str(source))
    records = RecordMap(genome)
    _place(sieve, records, window_bp)
    _drop_repeats(sieve)
    sieve.drop(UNKNOWN_BASES, _unknown_fraction(sieve.rows, genome) > max_n_fraction)
    if max_window_n_fraction < 1:
        first = sieve.rows["win_start"] - sieve.rows["record_start"]
        places = zip(sieve.rows["record"], first.tolist(), (first + window_bp).tolist(), strict=True)
        unknown = np.array([unknown_bases(genome.fetch(*place)) for place in places])
        sieve.drop(UNKNOWN_WINDOW, unknown > max_window_n_fraction * window_bp)
    if blacklist is not None:
        unwanted = Blacklist.read(blacklist)
        sieve.drop(BLACKLISTED, np.logical_or.reduce([unwanted.touched(*one) for one in _elements(sieve.rows)]))
    if not keep_shared:
        sieve.drop(SHARED, _shared(sieve.rows, genome))
    hint = naming_hint(pairs["enh_chrom"], records.chroms)
    sieve.require_some(str(source), f"; {fasta} holds {_some_records(genome)}{hint}")
    notes = _match(sieve, matching)
    sieve.require_some(str(source))
    report = sieve.report(notes)
    settings = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "dropped": report.dropped}
    settings |= {"max_window_n_fraction": max_window_n_fraction, "blacklist": blacklist and Path(blacklist).name}
    settings["matching"] = None if matching is None else asdict(matching)
    windows = _windows(source, sieve.rows, window_bp)
    name = f"{Path(source).name} on {Path(fasta).name}"
    return ImportedWindows(WindowSet("pair", windows, genome, name, settings, None), report)


def require_rules(window_bp: int, max_n_fraction: float) -> None:
    """Raises InputError for a window without bases, or a fraction outside of 0 to 1."""
    if not 1 <= window_bp <= LARGEST:
        raise InputError(f"window_bp must be at least 1 and at most {LARGEST:,}, got {window_bp}")
    if not 0 <= max_n_fraction <= 1:
        raise InputError(f"max_n_fraction must lie between 0 and 1, got {max_n_fraction}")


def require_seed(seed: int) -> None:
    """Raises InputError for a negative seed, which random generators refuse."""
    if seed < 0:
        raise InputError(f"seed must be at least 0, got {seed}")


def unknown_bases(sequence: str) -> int:
    """Letters other than A, C, G, T."""
    return len(sequence) - sum(map(sequence.count, "ACGT"))


def _place(sieve: Sieve, records: RecordMap, window_bp: int) -> None:
    """Add chrom, record, record_start, win_start; drop pairs without a window on one record."""
    sieve.drop(TWO_CHROMOSOMES, sieve.rows["enh_chrom"] != sieve.rows["prom_chrom"])
    rows = sieve.rows.rename(columns={"enh_chrom": "chrom"})
    left, right = rows[["enh_start", "prom_start"]].min(axis=1), rows[["enh_end", "prom_end"]].max(axis=1)
    found = records.locate(rows["chrom"], left, right)
    if "win_start" not in rows:
        highest = found["record_end"] - window_bp
        rows["win_start"] = ((left + right - window_bp) // 2).clip(lower=found["record_start"]).clip(upper=highest)
    win_end = rows["win_start"] + window_bp
    sieve.rows = rows.assign(record=found["record"], record_start=found["record_start"])
    overlap = (rows["enh_start"] < rows["prom_end"]) & (rows["prom_start"] < rows["enh_end"])
    absent = ~rows["chrom"].isin(list(records.by_chrom))
    outside = (found["record"] == "") | (rows["win_start"] < found["record_start"]) | (win_end > found["record_end"])
    short = (found["record"] != "") & (found["record_end"] - found["record_start"] < window_bp)
    too_far = (left < rows["win_start"]) | (right > win_end)
    reasons = {NO_CHROMOSOME: absent, SHORT: short, OUTSIDE: outside, OVERLAP: overlap, TOO_FAR: too_far}
    for reason, bad in reasons.items():
        sieve.drop(reason, bad[sieve.rows.index])


def _drop_repeats(sieve: Sieve) -> None:
    key = ["chrom", *PAIR, "win_start"]
    labels = sieve.rows.groupby(key, sort=False)["label"].transform("nunique")
    sieve.drop(BOTH_LABELS, labels > 1)
    sieve.drop(DUPLICATE, sieve.rows.duplicated(key))


def _unknown_fraction(rows: pd.DataFrame, genome: Genome) -> np.ndarray:
    """Unknown share (N,) of the bases of both elements."""
    unknown, total = np.zeros(len(rows)), np.zeros(len(rows))
    for element in ("enh", "prom"):
        start, end = (rows[f"{element}_{edge}"] - rows["record_start"] for edge in ("start", "end"))
        places = pd.MultiIndex.from_arrays([rows["record"], start, end])
        codes, distinct = pd.factorize(places)
        counts = np.array([unknown_bases(genome.fetch(*place)) for place in distinct], dtype="float64")
        unknown += counts[codes] if len(rows) else 0.0
        total += (end - start).to_numpy()
    return unknown / np.maximum(total, 1.0)


def _elements(rows: pd.DataFrame) -> list[tuple[pd.Series, pd.Series, pd.Series]]:
    """Chromosomes, starts and ends, of the enhancers and of the promoters."""
    return [(rows["chrom"], rows[f"{element}_start"], rows[f"{element}_end"]) for element in ("enh", "prom")]


def _shared(rows: pd.DataFrame, genome: Genome) -> np.ndarray:
    """Pairs (N,) with an element whose bases lie on another chromosome too."""
    first = rows["record_start"]
    sequences = [
        genome.fetch(*place)
        for _, start, end in _elements(rows)
        for place in zip(rows["record"], (start - first).tolist(), (end - first).tolist(), strict=True)
    ]
    enhancer, promoter = on_several_chromosomes([*rows["chrom"]] * 2, sequences).reshape(2, -1)
    return np.logical_or(enhancer, promoter)


def _match(sieve: Sieve, matching: DistanceMatching | None) -> tuple[str, ...]:
    if matching is None:
        return ()
    rows = sieve.rows
    centre = {element: (rows[f"{element}_start"] + rows[f"{element}_end"]) / 2 for element in ("enh", "prom")}
    matched = distance_matched(rows.assign(distance=(centre["enh"] - centre["prom"]).abs()), matching)
    left = pd.Series(True, index=rows.index)
    left.iloc[matched.rows] = False
    sieve.drop(UNPAIRED_POSITIVE, left & (rows["label"] == 1))
    sieve.drop(SPARE_NEGATIVE, left[sieve.rows.index])
    return (str(matched),)


def _windows(source: Path | str, rows: pd.DataFrame, window_bp: int) -> pd.DataFrame:
    windows = rows.assign(win_end=rows["win_start"] + window_bp)
    for name in PAIR:
        element, edge = name.split("_")
        windows[f"{element}_rel_{edge}"] = rows[name] - rows["win_start"]
    if "window_id" not in windows:
        places = rows[["chrom", *PAIR]].itertuples(index=False, name=None)
        windows["window_id"] = [f"{chrom}:{a}-{b}_{c}-{d}" for chrom, a, b, c, d in places]
    repeated = windows["window_id"].duplicated()
    if repeated.any():
        first = windows[repeated].iloc[0]
        raise InputError(
            f"{source}, column 'window_id': {repeated.sum():,} ids are repeated; first at {first['where']} "
            f"({first['window_id']!r})"
        )
    texts = [name for name, kind in WINDOW_COLUMNS["pair"].items() if kind is str]
    table = windows[list(WINDOW_COLUMNS["pair"])].reset_index(drop=True)
    return table.astype({name: "str" if name in texts else "int64" for name in table})


def _some_records(genome: Genome) -> str:
    names = list(genome.lengths)
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more records" if len(names) > 5 else "")
