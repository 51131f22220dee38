"""MATLAB files: version 5 by scipy.io, version 7.3 (HDF5) by h5py. Structs become mappings, cells lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.cells import Reading

HDF5_MARK = b"\x89HDF\r\n\x1a\n"
DEEPEST = 8


def read(path: Path, columns: Sequence[str], reading: Reading) -> Arrays:
    """Variables by name: arrays of numbers or text, structs as mappings of their fields, arrays of structs as lists.

    MATLAB's own objects (tables, datetimes, classes, function handles) are refused where nothing else is in the file,
    and left out with a note otherwise.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    newer = HDF5_MARK in head
    values, left_out = _read_hdf5(path) if newer else _read_v5(path)
    if not values:
        objects = (
            f"; {', '.join(left_out)} are MATLAB objects, which only MATLAB reads: save plain arrays"
            if left_out
            else ""
        )
        raise InputError(f"{path}: the file holds no array{objects}")
    notes = (f"left out, as objects that only MATLAB reads: {', '.join(left_out)}",) if left_out else ()
    return Arrays(path, values, reading, notes)


def _read_v5(path: Path) -> tuple[dict[str, Any], list[str]]:
    from scipy import io

    try:
        found = io.loadmat(str(path), struct_as_record=True, squeeze_me=False, chars_as_strings=True)
    except NotImplementedError as error:
        raise InputError(f"{path}: not a MATLAB file that can be read ({error})") from error
    except Exception as error:  # scipy raises many kinds on damaged files
        raise InputError(f"{path}: not a readable MATLAB file, or cut short ({_first_line(error)})") from error
    return _sorted_out({name: value for name, value in found.items() if not name.startswith("__")}, _plain_v5)


def _sorted_out(found: dict[str, Any], plain: Any) -> tuple[dict[str, Any], list[str]]:
    values, left_out = {}, []
    for name, value in found.items():
        try:
            values[name] = plain(value)
        except _MatlabObject:
            left_out.append(name)
    return values, left_out


class _MatlabObject(Exception):  # noqa: N818
    """An object of a MATLAB class, which is no data that another program reads."""


def _plain_v5(value: Any, depth: int = 0) -> Any:
    from scipy.io import matlab

    if depth > DEEPEST or isinstance(value, (matlab.MatlabObject, matlab.MatlabFunction, matlab.MatlabOpaque)):
        raise _MatlabObject
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        structs = [{name: _plain_v5(item[name], depth + 1) for name in value.dtype.names} for item in value.ravel()]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype.kind == "O":
        return [_plain_v5(item, depth + 1) for item in value.ravel(order="F")]
    return value


def _read_hdf5(path: Path) -> tuple[dict[str, Any], list[str]]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names = [name for name in file if not name.startswith("#")]
            return _sorted_out({name: file[name] for name in names}, lambda item: _plain_hdf5(file, item))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable MATLAB 7.3 file, or cut short ({_first_line(error)})") from error


def _plain_hdf5(file: Any, item: Any, depth: int = 0) -> Any:
    """As `_plain_v5`. MATLAB's arrays lie in HDF5 with their axes reversed; cells are references."""
    import h5py

    if depth > DEEPEST or b"MATLAB_object_decode" in map(str.encode, item.attrs):
        raise _MatlabObject
    if isinstance(item, h5py.Group):
        fields = {name: _plain_hdf5(file, item[name], depth + 1) for name in item}
        lengths = {len(value) if isinstance(value, list) else -1 for value in fields.values()}
        if lengths and len(lengths) == 1 and -1 not in lengths:  # an array of structs: a list per field
            return [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]
        return fields
    if item.dtype.kind == "O" and h5py.check_ref_dtype(item.dtype) is not None:
        return [_plain_hdf5(file, file[reference], depth + 1) for reference in item[()].ravel()]
    if item.attrs.get("MATLAB_empty", 0):
        return np.empty((0, 0))
    value = np.asarray(item[()])
    if item.attrs.get("MATLAB_class", b"") == b"char":
        return np.array(["".join(chr(code) for code in value.ravel())])
    return value.T


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
