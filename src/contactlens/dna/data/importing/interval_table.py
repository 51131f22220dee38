"""Reading tables of genomic intervals, so that whatever is wrong in one is named by file, column and line."""

import csv
import gzip
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import require_file
from contactlens.base.parquet_file import read_parquet
from contactlens.dna.data.importing.placement import LARGEST

SHOWN = 3
COMMENTS = ("#", "track ", "browser ")


@dataclass(frozen=True)
class IntervalTable:
    """The cells of a table as text.

    cells: one row per row of the file; the index is its 1-based number in the file
    row_word: what that number counts, "line" of a text file or "row" of a Parquet file
    """

    path: Path
    cells: pd.DataFrame
    row_word: str

    def refuse(self, column: str, bad: np.ndarray, problem: str) -> None:
        """Raise InputError with the count and the first rows where `bad`, if there are any."""
        count = int(bad.sum())
        if count:
            shown = self.cells.loc[bad, column].iloc[:SHOWN]
            rows = ", ".join(f"{self.row_word} {row} ({cell!r})" for row, cell in shown.items())
            raise InputError(f"{self.path}, column {column!r}: {count:,} {problem}; first at {rows}")

    def require(self, columns: Sequence[str]) -> None:
        missing = [column for column in columns if column not in self.cells]
        if missing:
            names, have = ", ".join(map(repr, missing)), ", ".join(self.cells.columns)
            one = len(self.cells.columns) == 1 and self.row_word == "line"
            hint = "; are its columns separated by tabs?" if one else ""
            raise InputError(f"{self.path}: no column {names}; the table has {have}{hint}")

    def without(self, rows: np.ndarray) -> "IntervalTable":
        """The table without the rows that are flagged."""
        return IntervalTable(self.path, self.cells[~rows], self.row_word)

    def names(self, column: str) -> pd.Series:
        """Text without white space; refuse empty cells."""
        cells = self.cells[column]
        self.refuse(column, ~cells.str.fullmatch(r"\S+").to_numpy(dtype=bool), "cells are empty or hold a space")
        return cells

    def coordinates(self, column: str) -> pd.Series:
        """Whole numbers from 0 as int64; refuse all else."""
        numbers = pd.to_numeric(self.cells[column], errors="coerce").to_numpy(dtype="float64")
        self.refuse(column, ~(np.isfinite(numbers) & (np.trunc(numbers) == numbers)), "cells are not whole numbers")
        self.refuse(column, numbers < 0, "coordinates are negative")
        self.refuse(column, numbers > LARGEST, "coordinates are too large")
        return pd.Series(numbers.astype("int64"), index=self.cells.index, name=column)

    def interval(self, start: str, end: str) -> tuple[pd.Series, pd.Series]:
        """Start and end columns; refuse rows whose end is not above the start."""
        first, last = self.coordinates(start), self.coordinates(end)
        self.refuse(end, (last <= first).to_numpy(), f"ends are not above {start!r}")
        return first, last

    def labels(self, column: str) -> pd.Series:
        """0 and 1 as int64, also where they are spelled true and false; refuse all else."""
        words = self.cells[column].str.lower().replace({"true": "1", "false": "0"})
        numbers = pd.to_numeric(words, errors="coerce")
        self.refuse(column, ~numbers.isin([0, 1]).to_numpy(), "labels are not 0 or 1")
        return numbers.astype("int64")


def kind_of(path: Path) -> str:
    """Ending of a file's name that tells its kind, in small letters, whether or not it is gzipped: .bed, .fa, ..."""
    return Path(path.stem if is_gzip(path) else path.name).suffix.lower()


def is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def read_table(path: Path | str, header: Sequence[str] | None) -> IntervalTable:
    """Read a .parquet table, or a text table (gzip where the name ends in .gz).

    header: names of the columns of a text file without header, tab-separated, where lines starting with "#", "track"
        or "browser" are comments, columns beyond the names get their number (from 1) as name, and a quotation mark
        without its fellow is a letter; None for a text file whose first line names the columns, separated by tab, comma
        or semicolon.

    Raises InputError where the file is missing, empty or damaged, has no rows, or rows of unequal length.
    """
    path = Path(path)
    require_file(path)
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path, header)
    if table.cells.empty:
        raise InputError(f"{path}: the table has no rows")
    return table


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, without line breaks; gzip where the name ends in .gz.

    Raises InputError where the file is no text, or no whole gzip file.
    """
    try:
        with _open(path) as file:
            return file.read().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file, or cut short ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror})") from error


def _open(path: Path) -> IO[str]:
    if is_gzip(path):
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _read_text(path: Path, header: Sequence[str] | None) -> IntervalTable:
    lines = [(number, line) for number, line in enumerate(read_lines(path), start=1) if line.strip()]
    if header is not None:
        lines = [(number, line) for number, line in lines if not line.startswith(COMMENTS)]
    if not lines:
        raise InputError(f"{path}: the file is empty")
    separator = max("\t,;", key=lines[0][1].count) if header is None else "\t"
    texts = [line for _, line in lines]
    try:
        rows = [_cells(line) for line in texts] if header else list(csv.reader(texts, delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
    if len(rows) != len(lines):
        raise InputError(f"{path}: a quoted cell spans several lines")
    return _table(path, [number for number, _ in lines], rows, header)


def _cells(line: str) -> list[str]:
    """Cells of a line of BED, which knows no quotes; some programs write them, others mean a prime or an inch."""
    with suppress(csv.Error):
        return next(csv.reader([line], delimiter="\t", strict=True)) if '"' in line else line.split("\t")
    return line.split("\t")


def _table(path: Path, numbers: list[int], rows: list[list[str]], header: Sequence[str] | None) -> IntervalTable:
    width = len(rows[0])
    odd = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if odd is not None:
        problem = f"line {numbers[odd]} has {len(rows[odd])} cells, line {numbers[0]} has {width}"
        raise InputError(f"{path}: {problem}")
    if header is None:
        names, numbers, rows = [name.strip() for name in rows[0]], numbers[1:], rows[1:]
    else:
        names = [header[i] if i < len(header) else str(i + 1) for i in range(width)]
    require_distinct(path, names)
    cells = pd.DataFrame(rows, columns=names, index=pd.Index(numbers, dtype="int64"), dtype="str")
    return IntervalTable(path, cells.apply(lambda column: column.str.strip()), "line")


def require_distinct(path: Path, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(f"{path}: column {repeated[0]!r} appears {names.count(repeated[0])} times in the header")


def _read_parquet(path: Path) -> IntervalTable:
    table = read_parquet(path, check=partial(require_distinct, path)).to_pandas(ignore_metadata=True)
    flags = table.select_dtypes("bool").columns
    table = table.astype(dict.fromkeys(flags, "int64"))
    cells = pd.DataFrame({name: _as_text(table[name]) for name in table})
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    return IntervalTable(path, cells, "row")


def _as_text(column: pd.Series) -> pd.Series:
    return pd.Series(
        ["" if empty else _spelled(cell) for cell, empty in zip(column, column.isna(), strict=True)], dtype="str"
    )


def _spelled(cell: object) -> str:
    # Python's own str() keeps every digit of an integer or a float. Some writers don't mark their text as such.
    return cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes) else str(cell)
