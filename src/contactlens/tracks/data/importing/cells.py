"""A user's table in memory: its cells read as names, numbers and times, with the place of every fault."""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError

EMPTY_CELLS = frozenset(["", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>"])
SHOWN = 3
MOST_LABEL_ROWS = 3  # under a header: long names, short names, units, as TrackMate writes them
COMMA_NUMBER = r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)?,\d+(?:[eE][+-]?\d+)?"
POINT_NUMBER = r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?"
THOUSANDS = r"[+-]?[1-9]\d{0,2}(?:,\d{3})+"
CLOCK = re.compile(r"(?:(\d+) days?,? )?(\d+):([0-5]?\d):([0-5]?\d(?:[.,]\d+)?)")
HALF_CLOCK = r"\d+:\d{1,2}(?:[.,]\d+)?"
TIMESTAMP = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?"
HALF_DAY_S, DAY_S = 43_200.0, 86_400.0


@dataclass(frozen=True)
class Reading:
    """How cells are read where the file itself does not show it.

    decimal: "." or ","; None: as the cells show
    encoding: of a text file; None: as its bytes show
    missing: marks of missing numbers besides empty, NA and NaN: "MARK", or "COLUMN=MARK" for one column
    sheet: of a workbook, or the group or data set of an HDF5 file; None: the first
    """

    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    sheet: str | None = None

    def marks(self, column: str) -> list[str]:
        """The marks of missing numbers that count in `column`."""
        named = [mark.rpartition("=") for mark in self.missing]
        return [mark.strip() for name, _, mark in named if not name or same_name(name, column)]


READ_AS_SHOWN = Reading()


@dataclass(frozen=True)
class Table:
    """Some columns of a file.

    cells: one row per row of the file, in its order; the index, without repeats, is the row's 1-based number in the
        file, or says its place
    row_word: what that number counts: "line" of a text file (the header is line 1) or "row" of another
    separator: of a text file
    notes: what was assumed in reading, for the user to see
    units: unit as written under a column's name
    commas: columns whose numbers have decimal commas
    """

    path: Path
    cells: pd.DataFrame
    row_word: str
    reading: Reading = READ_AS_SHOWN
    separator: str | None = None
    notes: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    commas: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.cells.columns]

    def noting(self, note: str) -> "Table":
        return replace(self, notes=(*self.notes, note))

    def refuse(
        self, column: str, bad: np.ndarray, problem: str, values: pd.Series | None = None, way_out: str = ""
    ) -> None:
        """Raise InputError with the count and the first rows where `bad`, if there are any."""
        count = int(bad.sum())
        if count:
            where = self.where(bad, self.cells[column] if values is None else values)
            raise InputError(f"{self.path}, column {column!r}: {count:,} {problem}; first at {where}{way_out}")

    def where(self, rows: np.ndarray, values: pd.Series) -> str:
        """The first of `rows` and their values, as messages show them."""
        shown = values[rows].iloc[:SHOWN]
        return ", ".join(f"{self.row_word} {line} ({_quoted(value)})" for line, value in shown.items())

    def text(self, columns: Sequence[str]) -> pd.Series:
        """Join the columns' tidied cells with "_"; refuse empty cells, and names that joining makes equal."""
        for column in columns:
            self.refuse(column, self.is_blank(column), "cells are empty")
        parts = pd.DataFrame({column: self.tidied(column) for column in dict.fromkeys(columns)})
        if len(columns) == 1:
            return parts[columns[0]]
        distinct = parts.drop_duplicates()
        joined = pd.Series(["_".join(row) for row in distinct.itertuples(index=False)], dtype="str")
        if joined.duplicated().any():
            name = joined[joined.duplicated()].iloc[0]
            raise InputError(
                f"{self.path}, columns {list(columns)}: different values join with '_' to the same name {name!r}"
            )
        codes, _ = pd.factorize(pd.MultiIndex.from_frame(parts))
        return pd.Series(joined.to_numpy()[codes], index=parts.index)

    def is_blank(self, column: str) -> np.ndarray:
        return (self.cells[column].isna() | (self.tidied(column) == "")).to_numpy()

    def spelled(self, column: str) -> pd.Series:
        """The cells as text."""
        cells = self.cells[column]
        return cells if cells.dtype == "str" else cells.map(_spelled).astype("str")

    def tidied(self, column: str) -> pd.Series:
        """The cells as names: see `tidy`."""
        codes, values = pd.factorize(self.spelled(column))
        return pd.Series(np.array([tidy(value) for value in values], dtype=object)[codes], index=self.cells.index)

    def numbers(self, column: str) -> pd.Series:
        """The column as float64, NaN where a cell is empty; refuse cells that are no finite number."""
        known: dict[str, pd.Series] = self.__dict__.setdefault("_numbers", {})  # several checks read the same column
        if column not in known:
            known[column] = self._numbers_of(column)
        return known[column]

    def _numbers_of(self, column: str) -> pd.Series:
        cells, marks = self.cells[column], self.reading.marks(column)
        if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
            numbers = cells.astype("float64")
        else:
            text = self.spelled(column).str.strip()
            empty = cells.isna() | text.isin(EMPTY_CELLS) | text.isin(marks)
            numbers = parsed(text.where(~empty), column in self.commas)
            self._refuse_words(column, (numbers.isna() & ~empty).to_numpy(), text)
        values = [value for value in map(_as_number, marks) if value is not None]
        if values:
            numbers = numbers.mask(numbers.isin(values))
        self.refuse(column, np.isinf(numbers.to_numpy()), "values are infinite")
        return numbers

    def seconds(self, column: str) -> pd.Series | None:
        """A column of clock times (h:m:s) or time stamps, in seconds; None where it holds neither.

        A clock that passes midnight goes on. Time stamps count from the first of the file.
        """
        cells = self.cells[column]
        if pd.api.types.is_numeric_dtype(cells):
            return None
        if not re.match(r"\s*[\d-]+( days?|:|-)", str(cells.iloc[0])):
            return None
        text = self.spelled(column).str.strip()
        if text.str.fullmatch(TIMESTAMP).all():
            stamps = pd.to_datetime(text, format="ISO8601")
            return (stamps - stamps.min()).dt.total_seconds()
        if text.str.fullmatch(HALF_CLOCK).all():
            problem = "two parts may be hours and minutes or minutes and seconds; write h:m:s"
            raise InputError(f"{self.path}, column {column!r}: times such as {text.iloc[0]!r} are ambiguous: {problem}")
        found = [CLOCK.fullmatch(value) for value in text]
        if not all(found):
            return None
        parts = [match.groups() for match in found if match]
        seconds = [
            DAY_S * int(days or 0) + 3600.0 * int(h) + 60.0 * int(m) + float(s.replace(",", "."))
            for days, h, m, s in parts
        ]
        return pd.Series(seconds, index=cells.index)

    def _refuse_words(self, column: str, bad: np.ndarray, text: pd.Series) -> None:
        words = list(dict.fromkeys(text[bad]))
        flags = " ".join(f"--missing={_shell(word)}" for word in words)
        way_out = f". Where they mark missing values: {flags}" if len(words) <= SHOWN else ""
        self.refuse(column, bad, "cells are not numbers", way_out=way_out)


def parsed(text: pd.Series, comma: bool) -> pd.Series:
    """Numbers of cells, float64; NaN where a cell is missing or no number."""
    if comma:
        whole = text.str.fullmatch(r"[+-]?\d+(?:[eE][+-]?\d+)?", na=False)
        text = text.where(whole | text.str.fullmatch(COMMA_NUMBER, na=False))
        text = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return pd.to_numeric(text, errors="coerce").astype("float64")


def select(table: Table, names: Sequence[str], numbers: Sequence[str]) -> Table:
    """The columns `names` and `numbers`, under these names, of a table that may spell them a little differently.

    Label and unit rows under the header are left out, and decimal commas found, where the cells are text.

    Raises InputError where a column is missing or there twice, or where commas may be decimals or thousands.
    """
    wanted = list(dict.fromkeys([*names, *numbers]))
    require_columns(table.path, wanted, table.names)
    places = [next(i for i, name in enumerate(table.names) if same_name(name, column)) for column in wanted]
    units = {column: table.units[table.names[i]] for column, i in zip(wanted, places, strict=True)
             if table.names[i] in table.units}  # fmt: skip
    cells = table.cells.iloc[:, places].set_axis(wanted, axis="columns")
    chosen = replace(table, cells=cells, units=units)
    textual = [column for column in numbers if cells[column].dtype == "str"]
    if textual:
        chosen = _with_commas(without_label_rows(chosen, textual), textual)
    if chosen.cells.empty:
        raise InputError(f"{table.path}: the table has a header but no rows")
    return chosen


def without_label_rows(table: Table, numbers: Sequence[str]) -> Table:
    """Without the rows under the header that say what the columns are; the last of them may name units."""
    labels = 0
    for _, row in table.cells.iloc[: MOST_LABEL_ROWS + 1].iterrows():
        cells = [str(row[column]).strip() for column in numbers if not pd.isna(row[column])]
        words = [cell for cell in cells if cell not in EMPTY_CELLS]
        if not words or not all(_is_label(cell) for cell in words):
            break
        labels += 1
    if not 0 < labels <= MOST_LABEL_ROWS or labels == len(table.cells):
        return table
    last = dict(zip(table.names, map(str, table.cells.iloc[labels - 1]), strict=True))
    units = {name: label.strip(" ()[]") for name, label in last.items() if label.strip()}
    first, end = table.cells.index[0], table.cells.index[labels - 1]
    shown = f"{table.row_word} {first}" if labels == 1 else f"{table.row_word}s {first} to {end}"
    left = replace(table, cells=table.cells.iloc[labels:], units={**units, **table.units})
    return left.noting(f"left out as labels under the header: {shown}")


def _is_label(cell: str) -> bool:
    return bool(re.match(r"[^\W\d_]|\(|\[", cell)) and not re.fullmatch(TIMESTAMP, cell) and _as_number(cell) is None


def _with_commas(table: Table, numbers: list[str]) -> Table:
    if table.reading.decimal == ".":
        return table
    if table.reading.decimal == ",":
        return replace(table, commas=frozenset(numbers))
    commas = [column for column in numbers if _has_decimal_commas(table, column)]
    if not commas:
        return table
    return replace(table, commas=frozenset(commas)).noting(f"decimal commas in {', '.join(commas)}")


def _has_decimal_commas(table: Table, column: str) -> bool:
    text = table.spelled(column).str.strip()
    commas = text[text.str.fullmatch(COMMA_NUMBER, na=False)]
    if commas.empty or text.str.fullmatch(POINT_NUMBER, na=False).any():
        return False  # a mixture is refused by the cell, as no number
    if commas.str.fullmatch(THOUSANDS).all():
        problem = f"{commas.iloc[0]!r} may have a decimal comma or a thousands separator; give --decimal"
        raise InputError(f"{table.path}, column {column!r}: {problem}")
    return True


def tidy(name: str) -> str:
    """A name without what can't be seen: composed accents, single plain blanks, no `.0` of a whole number.

    >>> tidy(" Zoe\\u0308\\u00a0 2"), tidy("1.0"), tidy("007")
    ('Zoë 2', '1', '007')
    """
    visible = "".join(char for char in unicodedata.normalize("NFC", name) if unicodedata.category(char) != "Cf")
    return re.sub(r"^(-?\d+)\.0+$", r"\1", " ".join(visible.split()))


def name_key(name: str) -> str:
    """Column names that differ in blanks, line breaks or the kind of a Greek mu alone have the same key."""
    return " ".join(unicodedata.normalize("NFKC", name).replace("\ufeff", "").split())


def same_name(a: str, b: str) -> bool:
    return name_key(a) == name_key(b)


def require_columns(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    """Raise InputError where a column is not among `names`, or is there twice."""
    keys = [name_key(name) for name in names]
    for column in columns:
        count = keys.count(name_key(column))
        if count == 0:
            raise InputError(f"{path}: no column {column!r}{_hint(column, [name for name in names if name])}")
        if count > 1:
            raise InputError(f"{path}: column {column!r} appears {count} times in the header")


def _hint(column: str, names: list[str]) -> str:
    listed = f"the file has: {', '.join(map(repr, names)) if any(',' in n for n in names) else ', '.join(names)}"
    if looks_wide(names):
        return f"; {listed}. If each of these is a track, give --wide distance"
    if any("," in name for name in names):
        return f'; {listed}. A name with a comma goes in double quotes: --vector \'"dx, um","dy, um","dz, um"\''
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(column.lower(), list(lower), n=1, cutoff=0.5)
    return f"; did you mean {lower[close[0]]!r}? T{listed[1:]}" if close else f"; {listed}"


def looks_wide(names: Sequence[str]) -> bool:
    """Whether most columns are one name with numbers, such as cell_0, cell_1, ...: a column a track."""
    stems = [re.sub(r"\d+$", "", name) for name in names if re.search(r"\d+$", name)]
    return len(stems) >= 3 and len(set(stems)) == 1 and len(stems) >= len(names) - 2


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _spelled(cell: object) -> str:
    if isinstance(cell, bytes):  # some writers of Parquet don't mark their text as such
        return cell.decode("utf-8", "backslashreplace")
    return "" if cell is None or cell is pd.NA or cell is pd.NaT else str(cell)


def _quoted(value: object) -> str:
    if value is None or value is pd.NA or value != value or value == "":
        return "empty"
    return str(value) if isinstance(value, str) and _as_number(value) is not None else repr(value)


def _shell(word: str) -> str:
    return word if re.fullmatch(r"[\w.,:/+-]+", word) else "'" + word + "'"
