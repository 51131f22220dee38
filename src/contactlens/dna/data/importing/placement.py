"""Where the records of a FASTA lie on their chromosomes."""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome

LARGEST = 2**40
PLACED = re.compile(r"(?:.*::)?(?P<chrom>[^:]+):(?P<start>\d+)-(?P<end>\d+)(?:\([+\-.]\))?")


class Placement(NamedTuple):
    """Where a record lies: its chromosome, and the 0-based chromosome coordinate of its first base."""

    chrom: str
    start: int


def placement(record: str, length: int) -> Placement | None:
    """Read `chrom:start-end` in a record's name, as bedtools (0-based) or samtools (1-based) writes it.

    A bedtools name before `::` and a strand after it are allowed. None where the name has no coordinates.

    Raises InputError where the coordinates don't span `length` bases, or lie beyond any chromosome.
    """
    found = PLACED.fullmatch(record)
    if found is None:
        return None
    start, span = int(found["start"]), int(found["end"]) - int(found["start"])
    if start > LARGEST:
        raise InputError(f"record {record!r}: the coordinates in its name are too large")
    if length == span + 1 and start > 0:
        return Placement(found["chrom"], start - 1)
    if length != span:
        raise InputError(f"record {record!r}: its name spans {span:,} bases, its sequence has {length:,}")
    return Placement(found["chrom"], start)


def is_other_strand(record: str) -> bool:
    """Whether a record is named `chrom:start-end(-)`, as `bedtools getfasta -s` names a reverse complement."""
    return record.endswith("(-)") and PLACED.fullmatch(record) is not None


def naming_hint(wanted: Iterable[str], known: Collection[str]) -> str:
    """`; the FASTA calls '1' 'chr1'` where a name that it lacks differs from one of its own by a prefix alone."""
    for name in dict.fromkeys(wanted):
        other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
        other = {"M": "MT", "chrMT": "chrM"}.get(other, other)  # the mitochondrion, of UCSC and of Ensembl
        if name not in known and other in known:
            return f"; the FASTA calls {name!r} {other!r}"
    return ""


class RecordMap:
    """The records of a genome by chromosome; a record whose name has no coordinates is a whole chromosome."""

    def __init__(self, genome: Genome) -> None:
        turned = [record for record in genome.lengths if is_other_strand(record)]
        if turned:
            raise InputError(
                f"{genome.name}: {len(turned):,} records, such as {turned[0]!r}, hold the reverse complement of their"
                " place, where intervals can't be read off; write them without -s of `bedtools getfasta`"
            )
        rows = []
        for record, length in genome.lengths.items():
            try:
                chrom, start = placement(record, length) or Placement(record, 0)
            except InputError as error:
                raise InputError(f"{genome.name}: {error}") from error
            rows.append((chrom, record, start, start + length))
        columns = ["chrom", "record", "record_start", "record_end"]
        self.records = pd.DataFrame(rows, columns=columns).sort_values(["chrom", "record_start"], kind="stable")
        self.by_chrom = self.records.groupby("chrom", sort=False).indices

    @property
    def chroms(self) -> list[str]:
        return [str(name) for name in self.by_chrom]

    def __contains__(self, chrom: object) -> bool:
        return chrom in self.by_chrom

    def holding(self, chrom: str, start: int, end: int) -> tuple[str, int] | None:
        """Name and start of the record that holds one interval; None where none does."""
        if chrom not in self:
            return None
        found = self.locate(pd.Series([chrom]), pd.Series([start]), pd.Series([end])).iloc[0]
        return (str(found["record"]), int(found["record_start"])) if found["record"] else None

    def locate(self, chrom: pd.Series, start: pd.Series, end: pd.Series) -> pd.DataFrame:
        """Columns record, record_start, record_end of the record holding each interval, indexed like `chrom`.

        Where no record holds an interval its record is empty and both coordinates are 0. Of records that overlap,
        only the one that starts last before the interval is tried.
        """
        row = np.full(len(chrom), -1)
        for name, positions in chrom.groupby(chrom, sort=False).indices.items():
            if name in self.by_chrom:
                rows = self.by_chrom[name]
                starts = self.records["record_start"].to_numpy()[rows]
                before = np.searchsorted(starts, start.to_numpy()[positions], side="right") - 1
                row[positions] = np.where(before < 0, -1, rows[before])
        found = self.records.iloc[np.maximum(row, 0)].set_index(chrom.index).drop(columns="chrom")
        held = (row >= 0) & (found["record_end"] >= end).to_numpy()
        return found.assign(
            record=found["record"].where(held, ""),
            record_start=found["record_start"].where(held, 0),
            record_end=found["record_end"].where(held, 0),
        )
