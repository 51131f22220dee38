"""Intervals of a genome that a model is asked about, from BED (one element) or BEDPE (a pair, the enhancer first)."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.interval_table import IntervalTable, read_table
from contactlens.dna.data.importing.placement import RecordMap, naming_hint

BED = ("chrom", "start", "end", "name")
BEDPE = ("chrom1", "start1", "end1", "chrom2", "start2", "end2", "name")


@dataclass(frozen=True)
class GenomicInterval:
    """Bases [start, end) of a chromosome that the model is shown, and the elements inside, in the same coordinates.

    record: of the FASTA, which holds them; record_start: the chromosome coordinate of its first base
    """

    chrom: str
    name: str
    start: int
    end: int
    elements: tuple[tuple[int, int], ...]
    record: str
    record_start: int

    @property
    def id(self) -> str:
        return "|".join(f"{self.chrom}:{start}-{end}" for start, end in self.elements)

    def sequence(self, genome: Genome) -> str:
        """Its bases, upper case."""
        return genome.fetch(self.record, self.start - self.record_start, self.end - self.record_start)

    def in_window(self, window_bp: int, whole: bool, genome: Genome) -> "GenomicInterval":
        """The window of `window_bp` bases around it, as far as the record goes; `whole` of it is the element, or its
        elements stay. InputError where they don't fit."""
        if not whole and self.end - self.start > window_bp:
            raise InputError(
                f"{self.name} spans {self.end - self.start:,} bases, more than the window of {window_bp:,}"
            )
        first = (self.start + self.end - window_bp) // 2
        record_end = self.record_start + genome.lengths[self.record]
        first = max(self.record_start, min(first, record_end - window_bp))
        found = replace(self, start=first, end=min(record_end, first + window_bp))
        return replace(found, elements=((found.start, found.end),)) if whole else found

    def widened(self, first: int, last: int, genome: Genome) -> "GenomicInterval":
        """The same elements in bases [first, last), as far as the record goes."""
        record_end = self.record_start + genome.lengths[self.record]
        return replace(self, start=max(self.record_start, first), end=min(record_end, last))


def read_intervals(path: Path | str, n_elements: int, genome: Genome, context_bp: int) -> list[GenomicInterval]:
    """Rows of a BED file (`n_elements` 1) or BEDPE file (2) as intervals of `genome`.

    A chromosome is a record of that name, or records that are named `chrom:start-end`.
    context_bp: bases on either side of a row's elements that belong to its interval, as far as the record goes

    Raises InputError, with file, column and lines, for what can't be read and for what the genome does not hold.
    """
    names = BED if n_elements == 1 else BEDPE
    table = read_table(path, names)
    if n_elements == 2 and len(table.cells.columns) < len(BEDPE) - 1:
        raise InputError(
            f"{path}: a classifier of pairs takes BEDPE, six columns with the enhancer first; found"
            f" {len(table.cells.columns)} columns"
        )
    table.require(names[:-1])
    chrom, bounds = _elements(table, n_elements)
    records = _records(table, n_elements, chrom, bounds, genome)
    given = table.cells.get("name", pd.Series(".", index=table.cells.index))
    intervals = []
    places = zip(records["record"].tolist(), records["record_start"].astype("int64").tolist(), strict=True)
    for one, name, row, place in zip(chrom, given, bounds, places, strict=True):
        elements = tuple((int(start), int(end)) for start, end in row)
        first, last = min(start for start, _ in elements), max(end for _, end in elements)
        found = GenomicInterval(one, name, first, last, elements, *place)
        found = found.widened(first - context_bp, last + context_bp, genome)
        intervals.append(found if name not in (".", "") else replace(found, name=found.id))
    return intervals


def _suffixes(n_elements: int) -> tuple[str, ...]:
    return ("",) if n_elements == 1 else ("1", "2")


def _elements(table: IntervalTable, n_elements: int) -> tuple[pd.Series, np.ndarray]:
    """Chromosome of each row, and bounds (rows, elements, 2)."""
    suffixes = _suffixes(n_elements)
    bounds = [np.column_stack(table.interval(f"start{suffix}", f"end{suffix}")) for suffix in suffixes]
    chroms = [table.names(f"chrom{suffix}") for suffix in suffixes]
    if n_elements == 2:
        table.refuse("chrom2", (chroms[0] != chroms[1]).to_numpy(), "pairs lie on two records")
    return chroms[0], np.stack(bounds, axis=1)


def _records(
    table: IntervalTable, n_elements: int, chrom: pd.Series, bounds: np.ndarray, genome: Genome
) -> pd.DataFrame:
    """Columns record, record_start, record_end of the record that holds all elements of each row."""
    column = f"chrom{_suffixes(n_elements)[0]}"
    named = chrom.isin(genome.lengths)
    own = pd.DataFrame({"record": chrom, "record_start": 0, "record_end": chrom.map(genome.lengths)})
    if not named.all():
        pieces = RecordMap(genome)
        unknown = ~(named | chrom.isin(pieces.chroms)).to_numpy()
        hint = naming_hint(chrom, {*genome.lengths, *pieces.chroms})
        table.refuse(column, unknown, f"records are not in {genome.name}{hint}")
        first, last = pd.Series(bounds[..., 0].min(1), chrom.index), pd.Series(bounds[..., 1].max(1), chrom.index)
        own = own.where(named, pieces.locate(chrom, first, last))
    for i, suffix in enumerate(_suffixes(n_elements)):
        beyond = bounds[:, i, 1] > own["record_end"].to_numpy(dtype=np.int64)
        table.refuse(f"end{suffix}", beyond, f"ends lie beyond their records in {genome.name}")
    return own
