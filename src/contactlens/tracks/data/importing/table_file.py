"""Reading columns of a user's table, so that whatever is wrong in it is named by file, column and line."""

import csv
import difflib
import gzip
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import require_file
from contactlens.base.parquet_file import read_parquet

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
EMPTY_CELLS = ["", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>"]
SHOWN = 3


@dataclass(frozen=True)
class Table:
    """Some columns of a file.

    cells: one row per row of the file, in its order; the index is the row's 1-based number in the file
    row_word: what that number counts, "line" of a text file (the header is line 1) or "row" of a Parquet file
    """

    path: Path
    cells: pd.DataFrame
    row_word: str

    def refuse(self, column: str, bad: np.ndarray, problem: str, values: pd.Series | None = None) -> None:
        """Raise InputError with the count and the first rows where `bad`, if there are any."""
        count = int(bad.sum())
        if count == 0:
            return
        shown = (self.cells[column] if values is None else values)[bad].iloc[:SHOWN]
        rows = ", ".join(f"{self.row_word} {line} ({_quoted(value)})" for line, value in shown.items())
        raise InputError(f"{self.path}, column {column!r}: {count:,} {problem}; first at {rows}")

    def text(self, columns: list[str]) -> pd.Series:
        """Join the columns' cells with "_"; refuse empty cells, and names that joining makes equal."""
        for column in columns:
            self.refuse(column, self.cells[column].isna().to_numpy(), "cells are empty")
        parts = self.cells[columns].map(_spelled)
        if len(columns) == 1:
            return parts[columns[0]]
        distinct = parts.drop_duplicates()
        joined = pd.Series(["_".join(row) for row in distinct.itertuples(index=False)], dtype="str")
        if joined.duplicated().any():
            name = joined[joined.duplicated()].iloc[0]
            raise InputError(
                f"{self.path}, columns {columns}: different values join with '_' to the same name {name!r}"
            )
        codes, _ = pd.factorize(pd.MultiIndex.from_frame(parts))
        return pd.Series(joined.to_numpy()[codes], index=parts.index)

    def numbers(self, column: str) -> pd.Series:
        """The column as float64, NaN where a cell is empty; refuse cells that are no finite number."""
        cells = self.cells[column]
        if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
            numbers = cells.astype("float64")
        else:
            numbers = pd.to_numeric(cells.astype(str).where(cells.notna()), errors="coerce").astype("float64")
            self.refuse(column, (numbers.isna() & cells.notna()).to_numpy(), "cells are not numbers")
        self.refuse(column, np.isinf(numbers.to_numpy()), "values are infinite")
        return numbers


def read_columns(path: Path | str | pd.DataFrame, columns: list[str], as_text: list[str]) -> Table:
    """Read `columns` of a .csv, .tsv, .txt (each also .gz) or .parquet file, or of a DataFrame.

    Columns in `as_text` keep their spelling, such as leading zeros. The separator of a text file is that of
    tab, comma and semicolon which its header holds most of.

    Raises InputError where the file is missing, empty, damaged, of another kind, or lacks a column.
    """
    if isinstance(path, pd.DataFrame):
        return _of_frame(path, columns)
    path = Path(path)
    require_file(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in (*TEXT_SUFFIXES, ".parquet") or path.name.endswith(".parquet.gz"):
        raise InputError(f"{path}: not a known kind of table; known are .csv, .tsv, .txt (or .gz), .parquet")
    table = _read_parquet(path, columns) if suffix == ".parquet" else _read_text(path, columns, as_text)
    if table.cells.empty:
        raise InputError(f"{path}: the table has a header but no rows")
    return table


def _of_frame(frame: pd.DataFrame, columns: list[str]) -> Table:
    path, names = Path("DataFrame"), [str(name) for name in frame.columns]
    _require_columns(path, columns, names)
    _require_single_use(path, columns, names)
    cells = frame.set_axis(names, axis="columns")[list(dict.fromkeys(columns))]
    if cells.empty:
        raise InputError(f"{path}: the table has no rows")
    return Table(path, cells.set_axis(pd.RangeIndex(1, len(cells) + 1)), "row")


def _read_parquet(path: Path, columns: list[str]) -> Table:
    def check(names: list[str]) -> None:
        _require_columns(path, columns, names)
        _require_single_use(path, columns, names)

    cells = read_parquet(path, list(dict.fromkeys(columns)), check).to_pandas(ignore_metadata=True)
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    return Table(path, cells, "row")


def _read_text(path: Path, columns: list[str], as_text: list[str]) -> Table:
    try:
        with _open(path) as file:
            header = file.readline()
            separator = max("\t,;", key=header.count)
            names = next(csv.reader([header.rstrip("\r\n")], delimiter=separator), [])
            _require_columns(path, columns, names)
            _require_single_use(path, columns, names)
            file.seek(0)
            cells = _read_body(file, names, separator, as_text)[columns]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file, or cut short ({error})") from error
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path}: rows hold more cells than the header names") from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise InputError(f"{path}: not a readable table ({_first_line(error)})") from error
    return Table(path, cells, "line")


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_body(file: IO[str], names: list[str], separator: str, as_text: list[str]) -> pd.DataFrame:
    # Blank lines are read as empty rows and dropped afterwards, so that the index still counts lines.
    # `index_col=False` stops pandas from taking the first column as an index where all rows are too long.
    distinct = _made_distinct(names)
    # A track or group may well be named "NA": only a blank cell is empty there.
    empty = {name: [""] if name in as_text else EMPTY_CELLS for name in distinct}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        warnings.simplefilter("error", pd.errors.ParserWarning)
        cells = pd.read_csv(
            file,
            sep=separator,
            header=0,
            names=distinct,
            index_col=False,
            dtype=dict.fromkeys(as_text, "str"),
            na_values=empty,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    cells.index = pd.RangeIndex(2, len(cells) + 2)
    return cells.dropna(how="all")


def _made_distinct(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name}\0{i}" for i, name in enumerate(names)]


def _require_columns(path: Path, columns: list[str], names: list[str]) -> None:
    for column in columns:
        if column not in names:
            lower = {name.lower(): name for name in names}
            close = difflib.get_close_matches(column.lower(), list(lower), n=1, cutoff=0.5)
            hint = f"; did you mean {lower[close[0]]!r}? The" if close else "; the"
            raise InputError(f"{path}: no column {column!r}{hint} file has: {', '.join(names)}")


def _require_single_use(path: Path, columns: list[str], names: list[str]) -> None:
    for column in columns:
        if names.count(column) > 1:
            raise InputError(f"{path}: column {column!r} appears {names.count(column)} times in the header")


def _spelled(cell: object) -> str:
    # Some writers of Parquet don't mark their text as such.
    return cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes) else str(cell)


def _quoted(value: object) -> str:
    return "empty" if value is None or value is pd.NA or value != value else repr(value)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
