"""What came of the expectations on a data set, as a message, as JSON or as an error."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contactlens.base.errors import InputError
from contactlens.base.files import write_json

SHOWN = 3


@dataclass(frozen=True)
class ExpectationResult:
    """One expectation, checked.

    table: which table of the data set
    expectation: Great Expectations' name; what: the same in words; column: the column or columns it is about
    count, fraction: offending rows, and their share of the rows with a value; examples: the first of them
    """

    table: str
    expectation: str
    what: str
    column: str
    success: bool
    count: int
    fraction: float
    examples: list[dict[str, Any]]

    def __str__(self) -> str:
        where = f"{self.table}, column {self.column!r}" if self.column else self.table
        rows = [", ".join(f"{key} {value}" for key, value in row.items()) for row in self.examples[:SHOWN]]
        share = f"{self.count:,} offending ({100 * self.fraction:.3g} %), first: {'; '.join(rows)}"
        return f"{where}: expected that {self.what} ({self.expectation}); {share}"


@dataclass(frozen=True)
class CheckResult:
    """All expectations on one data set.

    file: the name it goes by in messages; counts: what it holds (tracks, frames, windows, ...)
    """

    file: str
    counts: dict[str, int]
    results: list[ExpectationResult]

    @property
    def success(self) -> bool:
        return all(result.success for result in self.results)

    def write(self, path: Path | str) -> None:
        """Write a small JSON that depends on the data and the limits alone."""
        content = {"file": self.file, **self.counts, "success": self.success}
        write_json(path, content | {"results": [asdict(result) for result in self.results]})

    def require_success(self) -> None:
        """Raise InputError with one line for each failed expectation."""
        failed = [str(result) for result in self.results if not result.success]
        if failed:
            count = f"{len(failed)} of {len(self.results)} expectations failed"
            raise InputError("\n  ".join([f"{self.file}: {count}", *failed]))
