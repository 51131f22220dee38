"""HDF5 files: a table (compound data set, or a group of columns of one length), or named arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.cells import Reading, Table, name_key

MOST_MEMBERS = 10_000


def read(path: Path, columns: Sequence[str], reading: Reading) -> Table | Arrays:
    """The first group or data set that holds `columns` as a table; else all arrays, by their paths.

    `Reading.sheet` names a group or data set. Links to other files and references are not followed.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = _members(file, path)
            where = reading.sheet.strip("/") if reading.sheet else None
            if where is not None and where not in found and not any(name.startswith(f"{where}/") for name in found):
                raise InputError(
                    f"{path}: no group or data set {where!r}; the file has: {', '.join(found) or 'nothing'}"
                )
            chosen = {n: d for n, d in found.items() if where is None or n == where or n.startswith(f"{where}/")}
            table = _table(path, chosen, columns, reading)
            if table is not None:
                return table
            values = {name: _values(path, name, data) for name, data in chosen.items() if data.dtype.names is None}
    except InputError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable HDF5 file, or cut short ({error})") from error
    if not values:
        raise InputError(f"{path}: the file holds no table with {', '.join(columns) or 'columns'}, and no array")
    short = {name.rpartition("/")[2]: value for name, value in values.items()}
    return Arrays(path, short if len(short) == len(values) else values, reading)


def _members(file: Any, path: Path) -> dict[str, Any]:
    import h5py

    found: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item
        if len(found) > MOST_MEMBERS:
            raise InputError(f"{path}: more than {MOST_MEMBERS:,} data sets; name a group with --sheet")

    file.visititems(keep)
    return found


def _table(path: Path, found: dict[str, Any], columns: Sequence[str], reading: Reading) -> Table | None:
    wanted = {name_key(column) for column in columns}
    for name, data in found.items():
        if data.dtype.names and wanted <= {name_key(field) for field in data.dtype.names}:
            return _framed(
                path, {field: _values(path, name, data[field], data) for field in data.dtype.names}, reading, name
            )
    groups: dict[str, dict[str, Any]] = {}
    for name, data in found.items():
        if data.ndim == 1 and data.dtype.names is None:
            group, _, column = name.rpartition("/")
            groups.setdefault(group, {})[column] = data
    for group, members in groups.items():
        one_length = len({len(data) for data in members.values()}) == 1
        if one_length and len(members) > 1 and wanted <= {name_key(column) for column in members}:
            values = {column: _values(path, column, data) for column, data in members.items()}
            return _framed(path, values, reading, group or "/")
    return None


def _framed(path: Path, values: dict[str, np.ndarray], reading: Reading, where: str) -> Table:
    flat = {name: value for name, value in values.items() if value.ndim == 1}
    cells = pd.DataFrame(flat)
    if cells.empty:
        raise InputError(f"{path}: the table {where!r} has no rows")
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    return Table(path, cells, "row", reading, notes=(f"table {where!r}",))


def _values(path: Path, name: str, data: Any, holder: Any = None) -> np.ndarray:
    import h5py

    dtype = data.dtype
    if dtype.kind == "O":
        if h5py.check_string_dtype(dtype) is None:
            raise InputError(f"{path}, data set {name!r}: holds references or objects, not numbers or text")
        raw = data.asstr("utf-8", "backslashreplace")[()] if holder is None else np.asarray(data[()])
        return np.array([_text(value) for value in np.ravel(raw)], dtype=object)
    value = np.asarray(data[()])
    if value.dtype.kind == "S":
        return np.array([_text(item) for item in value.ravel()], dtype=object).reshape(value.shape)
    return value


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
