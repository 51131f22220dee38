"""What no window should hold: places of a blacklist, and bases that lie on several chromosomes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.importing.interval_table import read_table
from contactlens.dna.data.importing.placement import naming_hint
from contactlens.dna.data.tokens import LEAST_COPY_BP, one_strand

BLACKLISTED = "that touch the blacklist"
SHARED = "with bases that another chromosome has too"
BED = ("chrom", "start", "end")


@dataclass(frozen=True)
class Blacklist:
    """Intervals by chromosome, merged: sorted starts and ends (0-based, half-open)."""

    source: str
    intervals: dict[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def read(cls, path: Path | str) -> "Blacklist":
        """From a BED file (also .gz), such as ENCODE's; InputError, with column and lines, where it is none."""
        table = read_table(path, BED)
        table.require(BED)
        start, end = table.interval("start", "end")
        frame = pd.DataFrame({"chrom": table.names("chrom"), "start": start, "end": end})
        return cls(Path(path).name, {str(chrom): _merged(rows) for chrom, rows in frame.groupby("chrom", sort=True)})

    def touched(self, chrom: pd.Series, start: pd.Series, end: pd.Series) -> np.ndarray:
        """(N,) bool of intervals. InputError where the blacklist names chromosomes otherwise than they do."""
        hint = naming_hint(self.intervals, set(chrom))
        if hint and not set(chrom) & set(self.intervals):
            raise InputError(f"{self.source}: none of its chromosomes is one of the windows{hint}")
        found = np.zeros(len(chrom), dtype=bool)
        for name, rows in chrom.groupby(chrom, sort=False).indices.items():
            if name in self.intervals:
                starts, ends = self.intervals[str(name)]
                passed = np.searchsorted(ends, start.to_numpy()[rows], side="right")
                found[rows] = passed < np.searchsorted(starts, end.to_numpy()[rows], side="left")
        return found


def _merged(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    rows = rows.sort_values("start", kind="stable")
    start, furthest = rows["start"].to_numpy(), rows["end"].cummax().to_numpy()
    first = np.concatenate([[True], start[1:] > furthest[:-1]])
    return start[first], furthest[np.concatenate([first[1:], [True]])]


def on_several_chromosomes(chrom: Iterable[str], sequences: Iterable[str]) -> np.ndarray:
    """(N,) bool: sequences that, on either strand, are there with another chromosome too.

    Splits by chromosome would have them in training and test. Sequences of fewer than LEAST_COPY_BP known bases don't
    count, such as a list's transcription start sites of 1 bp.
    """
    frame = pd.DataFrame({"chrom": list(chrom), "bases": [one_strand(bases) for bases in sequences]})
    several = (frame.groupby("bases")["chrom"].transform("nunique") > 1).to_numpy(dtype=bool)
    return several & np.array([sum(map(bases.count, "ACGT")) >= LEAST_COPY_BP for bases in frame["bases"]], dtype=bool)
