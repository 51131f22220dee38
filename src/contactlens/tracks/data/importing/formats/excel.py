"""Excel workbooks: one sheet, its values as they were last computed. Formulas and macros are not run."""

import datetime as dt
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Reading, Table, require_columns
from contactlens.tracks.data.importing.formats.header import MOST_ROWS_ABOVE, above, distinct, find_header
from contactlens.tracks.data.importing.formats.zipped import require_sound


def read(path: Path, columns: Sequence[str], reading: Reading) -> Table:
    """The cells of a sheet as text; the first sheet that names `columns`, unless one is asked for."""
    require_sound(path, "Excel")
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and extensions that carry no data
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheets = {sheet.title: _rows(sheet) for sheet in _chosen(path, book, reading)}
            book.close()
    except InputError:
        raise
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        OSError,
        zipfile.BadZipFile,
        ParseError,
    ) as error:
        raise InputError(
            f"{path}: not a readable Excel file, or cut short ({type(error).__name__}: {error})"
        ) from error
    headers = {name: find_header(rows[:MOST_ROWS_ABOVE], columns) for name, rows in sheets.items()}
    known = {name: header for name, header in headers.items() if header is not None}
    if not known:
        raise InputError(f"{path}: the sheet is empty")
    name = max(known, key=lambda sheet: known[sheet].found) if columns else next(iter(known))
    header, rows = known[name], sheets[name]
    require_columns(path, columns, header.names)
    width = len(header.names)
    body = [[*row[:width], *[""] * (width - len(row))] for row in rows[header.row + 1 :]]
    cells = pd.DataFrame(body, columns=distinct(header.names), dtype="str")
    cells.index = pd.RangeIndex(header.row + 2, header.row + 2 + len(cells))
    cells = cells[(cells != "").any(axis=1)]
    if cells.empty:
        raise InputError(f"{path}, sheet {name!r}: the table has a header but no rows")
    notes = [f"sheet {name!r}"] if len(book.sheetnames) > 1 else []
    notes += [above("row", 1, header.row)] if header.row else []
    return Table(path, cells, "row", reading, notes=tuple(notes))


def _chosen(path: Path, book: Any, reading: Reading) -> list[Any]:
    if reading.sheet is None:
        return list(book.worksheets)
    if reading.sheet not in book.sheetnames:
        raise InputError(f"{path}: no sheet {reading.sheet!r}; the file has: {', '.join(book.sheetnames)}")
    return [book[reading.sheet]]


def _rows(sheet: Any) -> list[list[str]]:
    return [[_spelled(value) for value in row] for row in sheet.iter_rows(values_only=True)]


def _spelled(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.timedelta):
        seconds = value.total_seconds()
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{seconds % 60:06.3f}"
    return str(value)
