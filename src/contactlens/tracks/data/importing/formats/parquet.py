"""Parquet tables, read by their columns."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.parquet_file import read_parquet
from contactlens.tracks.data.importing.cells import Reading, Table, require_columns, same_name


def read(path: Path, columns: Sequence[str], reading: Reading) -> Table:
    """The columns that are asked for, all where none are."""
    chosen: list[str] = []

    def check(names: list[str]) -> None:
        require_columns(path, columns, names)
        chosen.extend(name for name in names if not columns or any(same_name(name, column) for column in columns))

    read_parquet(path, [], check)
    cells = read_parquet(path, list(dict.fromkeys(chosen))).to_pandas(ignore_metadata=True)
    if cells.empty:
        raise InputError(f"{path}: the table has a header but no rows")
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    return Table(path, cells, "row", reading)
