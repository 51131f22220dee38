"""What an import kept, and what it left out and why."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.window_set import WindowSet


class ImportReport(NamedTuple):
    """Counts of an import; `rows` is `windows` and everything dropped together.

    rows: rows (or sequences) read, and negatives made
    windows, positives: kept, and those of them with label 1
    dropped: rows left out, by reason; a row counts for the first reason that applies
    examples: the first row that was left out, by reason
    notes: what else there is to know
    """

    rows: int
    windows: int
    positives: int
    dropped: dict[str, int]
    examples: dict[str, str]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        kept = f"{self.windows:,} windows ({self.positives:,} positive) from {self.rows:,} rows"
        return "; ".join([kept, f"dropped: {left_out(self.dropped, self.examples)}", *self.notes])


class ImportedWindows(NamedTuple):
    """An imported window set, and what was left out of it."""

    window_set: WindowSet
    report: ImportReport


def left_out(dropped: Mapping[str, int], examples: Mapping[str, str]) -> str:
    """The counts in words, each with its example."""
    reasons = [f"{count:,} {reason} (first: {examples[reason]})" for reason, count in dropped.items() if count]
    return ", ".join(reasons) or "none"


class Sieve:
    """Drops rows for one reason after the other and keeps count.

    rows: what is left; the column `where` says in words where a row came from
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.read = len(rows)
        self.dropped: dict[str, int] = {}
        self.examples: dict[str, str] = {}

    def drop(self, reason: str, bad: np.ndarray | pd.Series) -> None:
        """Leave out the rows where `bad` (one flag for each row that is left)."""
        bad = np.asarray(bad, dtype=bool)
        self.dropped[reason] = self.dropped.get(reason, 0) + int(bad.sum())
        if bad.any():
            self.examples.setdefault(reason, str(self.rows["where"].to_numpy()[bad.argmax()]))
            self.rows = self.rows[~bad]

    def leave_out(self, reason: str, where: Sequence[str]) -> None:
        """Count rows that never were among `rows`, by the words for where they came from."""
        if where:
            self.read += len(where)
            self.dropped[reason] = len(where)
            self.examples[reason] = where[0]

    def require_some(self, source: str, hint: str = "") -> None:
        """Raise InputError with the counts where nothing is left."""
        if self.rows.empty:
            raise InputError(
                f"{source}: no window is left of {self.read:,} rows; {left_out(self.dropped, self.examples)}{hint}"
            )

    def report(self, notes: tuple[str, ...] = ()) -> ImportReport:
        """Counts of what is left; the column `label` is 0 or 1."""
        positives = int(self.rows["label"].sum())
        return ImportReport(self.read, len(self.rows), positives, self.dropped, self.examples, notes)


def joined(first: Sieve, second: Sieve) -> Sieve:
    """Both sieves' rows and counts together; examples are the first's where both have one."""
    both = Sieve(pd.concat([first.rows, second.rows], ignore_index=True))
    both.read = first.read + second.read
    reasons = [*first.dropped, *(reason for reason in second.dropped if reason not in first.dropped)]
    both.dropped = {reason: first.dropped.get(reason, 0) + second.dropped.get(reason, 0) for reason in reasons}
    both.examples = second.examples | first.examples
    return both
