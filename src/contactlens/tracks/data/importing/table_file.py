"""Reading a table of any kind of file, or a DataFrame, by the columns that are wanted."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Reading, Table, select
from contactlens.tracks.data.importing.formats import read_file


def read_table(source: Path | str | pd.DataFrame, columns: Sequence[str], reading: Reading | None = None) -> Table:
    """The table whose header holds `columns`, with at least these.

    Raises InputError where the file is missing, empty, damaged, of another kind, holds arrays, or lacks a column.
    """
    if isinstance(source, pd.DataFrame):
        return table_of_frame(source, reading)
    content = read_file(source, columns, reading)
    if not isinstance(content, Table):
        raise InputError(f"{source}: holds arrays, not a table with columns: {content.listing()}")
    return content


def read_columns(source: Path | str | pd.DataFrame, columns: list[str], as_text: list[str]) -> Table:
    """These columns of a file or DataFrame, under these names; those in `as_text` are names, the others numbers."""
    numbers = [column for column in columns if column not in as_text]
    return select(read_table(source, columns), as_text, numbers)


def table_of_frame(frame: pd.DataFrame, reading: Reading | None = None) -> Table:
    """A DataFrame as a table; a named index counts as columns."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if frame.empty:
        raise InputError("DataFrame: the table has no rows")
    cells = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    return Table(Path("DataFrame"), cells.set_axis(pd.RangeIndex(1, len(cells) + 1)), "row", reading or Reading())
