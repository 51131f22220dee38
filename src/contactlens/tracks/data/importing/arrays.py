"""Named arrays of a file (NPZ, MATLAB, HDF5), and the long table that tracks x frames arrays stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import READ_AS_SHOWN, Reading, Table
from contactlens.tracks.data.importing.column_mapping import FRAME

AXES = "xyz"


@dataclass(frozen=True)
class Arrays:
    """values: arrays of numbers or text, or nested mappings, by name; notes: what was assumed in reading."""

    path: Path
    values: dict[str, Any]
    reading: Reading = READ_AS_SHOWN
    notes: tuple[str, ...] = ()

    def array(self, name: str) -> np.ndarray:
        """The array of that name; InputError lists what there is otherwise."""
        found = self.values.get(name)
        if not isinstance(found, np.ndarray):
            what = "no array" if found is None else "not an array of numbers:"
            raise InputError(f"{self.path}: {what} {name!r}; the file has: {self.listing()}")
        return found

    def listing(self) -> str:
        """Names and shapes, as messages show them."""
        shown = [
            f"{name} {' x '.join(map(str, value.shape)) or 'scalar'}" if isinstance(value, np.ndarray) else name
            for name, value in self.values.items()
        ]
        return ", ".join(shown) or "nothing"


def long_of_arrays(arrays: Arrays, mapping: dict[str, Any]) -> tuple[Table, dict[str, Any]]:
    """The long table of tracks x frames arrays, and the mapping with the names of its columns.

    A signal, distance or scalar is (N, T). A vector or locus is one array (N, T, 2 or 3), or an array (N, T) per
    axis. Times are (T,) or (N, T), frame numbers from 0 where there are none; names of tracks and groups are (N,).
    Arrays that are frames x tracks are turned where the times say so, by their length. NaN is a missing frame.

    Raises InputError, naming the arrays and their shapes, for anything else.
    """
    parts, own = _parts(arrays, dict(mapping))
    if not parts:
        raise InputError(
            f"{arrays.path}: name the arrays that hold driver and signal; the file has: {arrays.listing()}"
        )
    time = own.get("time") or FRAME
    times = arrays.array(time).astype(float) if own.get("time") else None
    times = times.ravel() if times is not None and times.ndim == 2 and 1 in times.shape else times
    shape = _common_shape(arrays, parts)
    turned = times is not None and times.ndim == 1 and times.size == shape[0] != shape[1]
    turned = turned or (times is not None and times.shape == shape[::-1] != shape)
    parts = {name: part.T if turned else part for name, part in parts.items()}
    n, frames = shape[::-1] if turned else shape
    columns: dict[str, Any] = {
        "track": np.repeat(_names(arrays, own.get("track"), n), frames),
        time: np.tile(np.arange(frames), n) if times is None else _times(arrays, time, times, n, frames),
    }
    if own.get("group"):
        columns["group"] = np.repeat(_names(arrays, own["group"], n), frames)
        own["group"] = ["group"]
    table = pd.DataFrame({**columns, **{name: part.ravel() for name, part in parts.items()}})
    if times is None:
        own["time_unit"] = FRAME
    empty = table[list(parts)].isna().all(axis=1).to_numpy()  # padding of shorter tracks
    notes = (f"{n} tracks x {frames} frames" + (", turned from frames x tracks" if turned else ""),)
    own |= {"track": ["track"], "time": time}
    table.index = pd.Index([f"{track}, frame {i % frames}" for i, track in enumerate(table["track"])])
    return Table(arrays.path, table[~empty], "track", arrays.reading, notes=(*arrays.notes, *notes)), own


def _parts(arrays: Arrays, own: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    parts: dict[str, np.ndarray] = {}
    for role in ("vector", "locus1", "locus2"):
        if own.get(role):
            names, split = _axes(arrays, role, list(own[role]))
            parts |= split
            own[role] = names
    for role in ("distance", "scalar", "signal"):
        if own.get(role):
            parts[own[role]] = _numeric(arrays, own[role])
    return parts, own


def _axes(arrays: Arrays, role: str, names: list[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    if len(names) > 1:
        return names, {name: _numeric(arrays, name) for name in names}
    array = _numeric(arrays, names[0])
    if array.ndim != 3 or array.shape[2] not in (2, 3):
        shape = " x ".join(map(str, array.shape))
        raise InputError(f"{arrays.path}, array {names[0]!r}: {role} is tracks x frames x 2 or 3, found {shape}")
    parts = {f"{names[0]}[{AXES[axis]}]": array[:, :, axis] for axis in range(array.shape[2])}
    return list(parts), parts


def _numeric(arrays: Arrays, name: str) -> np.ndarray:
    array = arrays.array(name)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{arrays.path}, array {name!r}: holds no numbers ({array.dtype})")
    return array.astype(np.float64)


def _common_shape(arrays: Arrays, parts: dict[str, np.ndarray]) -> tuple[int, int]:
    shapes = {name: part.shape for name, part in parts.items()}
    first = next(iter(shapes.values()))
    if len(first) != 2 or set(shapes.values()) != {first}:
        shown = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        raise InputError(f"{arrays.path}: arrays must be tracks x frames, all of the same shape; found {shown}")
    return int(first[0]), int(first[1])


def _names(arrays: Arrays, name: Sequence[str] | None, n: int) -> np.ndarray:
    if not name:
        width = len(str(n - 1))
        return np.array([f"{index:0{width}d}" for index in range(n)], dtype=object)
    if len(name) > 1:
        raise InputError(f"{arrays.path}: name one array for the tracks and one for the groups, not {list(name)}")
    found = arrays.array(name[0]).ravel()
    if found.size != n:
        raise InputError(f"{arrays.path}, array {name[0]!r}: {found.size} names for {n} tracks")
    return np.array([str(value) for value in found.tolist()], dtype=object)


def _times(arrays: Arrays, name: str, times: np.ndarray, n: int, frames: int) -> np.ndarray:
    if times.shape == (frames, n) != (n, frames):
        times = times.T
    if times.shape not in ((frames,), (n, frames)):
        shape = " x ".join(map(str, times.shape))
        raise InputError(f"{arrays.path}, array {name!r}: {shape} times for {n} tracks x {frames} frames")
    return np.broadcast_to(times, (n, frames)).ravel()
