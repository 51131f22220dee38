"""Text tables: separator, encoding, comments and titles as the file itself shows them."""

import codecs
import csv
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Reading, Table, require_columns
from contactlens.tracks.data.importing.formats.header import MOST_ROWS_ABOVE, Header, above, distinct, find_header

SEPARATORS = "\t,;|"
BLANKS = r"\s+"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ANSI = "cp1252"


def read(path: Path, columns: Sequence[str], reading: Reading) -> Table:
    """All cells as text. The header is the first line that names `columns`, under any of the separators."""
    try:
        return _read(path, columns, reading)
    except UnicodeDecodeError as error:
        encoding = reading.encoding or error.encoding.upper()
        raise InputError(
            f"{path}: not {encoding} text ({error.reason} at byte {error.start}); give its --encoding"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file, or cut short ({error})") from error
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path}: rows hold more cells than the header names{_cause(',')}") from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise InputError(f"{path}: not a readable table ({_first_line(error)})") from error


@dataclass(frozen=True)
class _Layout:
    """separator; header; first: line of the header, from 0; body: line under it, from 0."""

    separator: str
    header: Header
    first: int
    body: int


def _read(path: Path, columns: Sequence[str], reading: Reading) -> Table:
    data = path.read_bytes()
    text, notes = _decode(gzip.decompress(data) if path.suffix.lower() == ".gz" else data, reading)
    lines = list(io.StringIO(text, newline=""))
    given = re.match(r'"?sep=(.)"?\s*$', lines[0], re.IGNORECASE) if lines else None
    if given:
        lines[0] = "\n"
    layout = _layout(lines, columns, given.group(1) if given else None)
    if layout is None:
        raise InputError(f"{path}: the table has no header")
    names = layout.header.names
    _explain_titles(path, columns, layout)
    require_columns(path, columns, names)
    if layout.first > bool(given) and any(line.strip() for line in lines[: layout.first]):
        notes.append(above("line", 1, layout.first))
    if layout.separator != "," or given:
        shown = {"\t": "tabs", BLANKS: "blanks"}.get(layout.separator, repr(layout.separator))
        notes.append(f"cells are separated by {shown}")
    cells = _body(lines, layout, path)
    return Table(path, cells, "line", reading, layout.separator, tuple(notes))


def _decode(data: bytes, reading: Reading) -> tuple[str, list[str]]:
    if reading.encoding is not None:
        try:
            return data.decode(reading.encoding), []
        except LookupError:
            raise InputError(
                f"--encoding {reading.encoding}: no such encoding; known are utf-8, utf-16, cp1252, ..."
            ) from None
    for mark, name in MARKS:
        if data.startswith(mark):
            return data.decode(name), [] if name == "utf-8-sig" else ["text is UTF-16"]
    zeros = [data[side:4000:2].count(0) for side in (0, 1)]
    if max(zeros) > 0.3 * len(data[:4000:2]) and max(zeros) > 3 * min(zeros):
        name = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        return data.decode(name), ["text is UTF-16 without a mark"]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        try:
            return data.decode(ANSI), [f"text is not UTF-8: read as {ANSI}; --encoding names another"]
        except UnicodeDecodeError:
            raise error from None


def _layout(lines: list[str], columns: Sequence[str], given: str | None) -> _Layout | None:
    """The separator under which the header is found; the earliest and widest header where several do."""
    found = [layout for sign in given or SEPARATORS if (layout := _under(lines, sign, columns))]
    if not given and max((len(layout.header.names) for layout in found), default=0) < 2:
        found += [layout] if (layout := _under(lines, BLANKS, columns)) else []
    return max(found, key=lambda layout: (layout.header.found, len(layout.header.names), -layout.first), default=None)


def _under(lines: list[str], separator: str, columns: Sequence[str]) -> _Layout | None:
    rows, starts, ends = [], [], []
    if separator == BLANKS:
        rows = [re.sub(r"^#\s+", "#", line.lstrip()).split() for line in lines[:MOST_ROWS_ABOVE]]
        starts = list(range(len(rows)))
        ends = [start + 1 for start in starts]
    else:
        reader = csv.reader(iter(lines), delimiter=separator)
        while len(rows) < MOST_ROWS_ABOVE:
            starts.append(reader.line_num)
            try:
                rows.append(next(reader))
            except (StopIteration, csv.Error):
                break
            ends.append(reader.line_num)
    header = find_header(rows, columns)
    return None if header is None else _Layout(separator, header, starts[header.row], ends[header.row])


def _explain_titles(path: Path, columns: Sequence[str], layout: _Layout) -> None:
    if columns and layout.header.found == 0 and len(layout.header.names) == 1 and layout.separator != BLANKS:
        shown = layout.header.names[0][:40]
        require = f"no line of the first {MOST_ROWS_ABOVE} names {', '.join(map(repr, columns))}"
        raise InputError(f"{path}: no header was found: {require}; line {layout.first + 1} is {shown!r}")


def _body(lines: list[str], layout: _Layout, path: Path) -> pd.DataFrame:
    """The lines under the header; the index counts the lines of the file. Blank lines and comments are left out."""
    names, offset = distinct(layout.header.names), layout.body
    body = lines[offset:]
    if any(line.startswith("#") for line in body):
        signs = layout.header.names
        body = ["\n" if line.startswith("#") and _cells_of(line, layout) != len(signs) else line for line in body]
    if not any(line.strip() for line in body):
        raise InputError(f"{path}: the table has a header but no rows")
    try:
        cells = _parse("".join(body), layout.separator, names)
    except pd.errors.ParserError as error:
        moved = re.sub(r"(?<=line )\d+", lambda number: str(int(number.group()) + offset), _first_line(error))
        raise pd.errors.ParserError(moved + _cause(layout.separator)) from error
    except pd.errors.ParserWarning:
        cells = _parse("".join(body), layout.separator, [*names, "\0extra"])
        if cells["\0extra"].notna().any() and (cells["\0extra"].fillna("") != "").any():
            raise
        cells = cells.drop(columns="\0extra")  # each line ends with a separator that the header lacks
    cells.index = pd.RangeIndex(offset + 1, offset + 1 + len(cells))
    return cells[~(cells.isna() | (cells == "")).all(axis=1)]


def _parse(body: str, separator: str, names: list[str]) -> pd.DataFrame:
    # `index_col=False` stops pandas from taking the first column as an index where all rows are too long.
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            io.StringIO(body, newline=""),
            sep=separator,
            header=None,
            names=names,
            index_col=False,
            dtype="str",
            na_filter=False,
            skip_blank_lines=False,
        )


def _cells_of(line: str, layout: _Layout) -> int:
    return len(line.split() if layout.separator == BLANKS else line.split(layout.separator))


def _cause(separator: str) -> str:
    return ". Decimal commas in a comma-separated file do this: export it with ';' or tabs" if separator == "," else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
