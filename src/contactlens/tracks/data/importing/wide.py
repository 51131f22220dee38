"""Other shapes of tables, made long: a column a track, a row a track, and a second table that holds the signal."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Table, name_key, require_columns, same_name, tidy
from contactlens.tracks.data.importing.units import FRAME

Role = Literal["distance", "scalar", "signal"]
ROLES: tuple[Role, ...] = ("distance", "scalar", "signal")
TRACK, SIGNAL = "track", "signal"


def long_of_wide(
    table: Table, role: Role, mapping: dict[str, Any], second: Table | None
) -> tuple[Table, dict[str, Any]]:
    """The long table of a column per track, and the mapping with the names of its columns.

    role: what the columns hold; `second` holds the signals in columns of the same names, in rows of the same times
    mapping: `time` names the column of times (frames are counted from 0 where there is none); `track` the columns of
        the tracks, all others where it is left out

    Raises InputError where a column is missing, or the second table has other tracks, rows or times.
    """
    if role not in ROLES:
        raise InputError(f"--wide {role}: unknown; known are {', '.join(ROLES)}")
    time, own = mapping.get("time"), dict(mapping)
    named = [*([time] if time else []), *(mapping.get("track") or [])]
    require_columns(table.path, named, table.names)
    tracks = _track_columns(table, time, mapping.get("track"))
    long = _melted(table, time, tracks, role)
    if second is not None:
        if role == "signal":
            raise InputError(
                f"{table.path}: --wide signal has no driver; give --wide distance, and signals as --second"
            )
        long[SIGNAL] = _signals(table, second, time, tracks)
        own["signal"] = SIGNAL
    own |= {role: role, "track": [TRACK], "time": time or FRAME}
    if time is None:
        own["time_unit"] = FRAME
    if role == "signal":
        own["elapsed"] = True
    notes = (*table.notes, *(second.notes if second else ()), f"a column a track: {len(tracks)} tracks")
    return replace(table, cells=long, notes=notes), own


def _track_columns(table: Table, time: str | None, given: Sequence[str] | None) -> list[str]:
    if given:
        return [next(name for name in table.names if same_name(name, column)) for column in given]
    chosen = [
        name
        for name in table.names
        if "\0" not in name and not (time and same_name(name, time)) and _holds_numbers(table, name)
    ]
    if not chosen:
        raise InputError(f"{table.path}: no column holds numbers, beside {time!r}")
    return chosen


def _holds_numbers(table: Table, name: str) -> bool:
    return bool(pd.to_numeric(table.spelled(name).str.replace(",", ".", regex=False), errors="coerce").notna().any())


def _melted(table: Table, time: str | None, tracks: list[str], role: str) -> pd.DataFrame:
    rows, n = len(table.cells), len(tracks)
    values = pd.concat([table.cells[name] for name in tracks], ignore_index=True)
    times = pd.Series(np.arange(rows)) if time is None else _column(table, time).reset_index(drop=True)
    names = np.repeat([tidy(name) for name in tracks], rows)
    long = pd.DataFrame({TRACK: names, time or FRAME: pd.concat([times] * n, ignore_index=True), role: values})
    return long.set_axis([f"{line} of {name}" for name in tracks for line in table.cells.index])


def _column(table: Table, name: str) -> pd.Series:
    return table.cells[next(own for own in table.names if same_name(own, name))]


def _signals(table: Table, second: Table, time: str | None, tracks: list[str]) -> np.ndarray:
    require_columns(second.path, tracks, second.names)
    if len(second.cells) != len(table.cells):
        counts = f"{len(second.cells):,} rows, but {table.path.name} has {len(table.cells):,}"
        raise InputError(f"{second.path}: the signals have {counts}")
    if time and any(same_name(name, time) for name in second.names):
        ours, theirs = (t.spelled(next(n for n in t.names if same_name(n, time))).str.strip() for t in (table, second))
        other = ours.to_numpy() != theirs.to_numpy()
        second.refuse(next(n for n in second.names if same_name(n, time)), other, "times differ from the first table's")
    joined: np.ndarray = pd.concat([_column(second, name) for name in tracks], ignore_index=True).to_numpy()
    return joined


def transposed(table: Table, frames: Sequence[str], track: str | None) -> Table:
    """The long table (track, frame, signal) of a row per track and a column per frame, named by its number."""
    rows = len(table.cells)
    names = np.arange(rows).astype(str) if track is None else table.tidied(track).to_numpy()
    long = pd.DataFrame(
        {
            TRACK: np.tile(names, len(frames)),
            FRAME: np.repeat([int(float(name)) for name in frames], rows),
            SIGNAL: pd.concat([table.cells[name] for name in frames], ignore_index=True),
        }
    )
    index = [f"{line}, frame {name}" for name in frames for line in table.cells.index]
    return replace(table, cells=long.set_axis(index), notes=(*table.notes, f"a row a track: {rows} tracks"))


def joined(table: Table, second: Table, keys: Sequence[str], numeric: str) -> Table:
    """The columns of a second long table beside those of the first, where tracks and times agree.

    A column that both have gets the ending `_2`. A row without its like has empty cells there.

    Raises InputError where the second table lacks a key, or has a track twice at a time.
    """
    require_columns(second.path, keys, second.names)
    ours, theirs = _keyed(table, keys, numeric), _keyed(second, keys, numeric)
    twice = theirs.duplicated(keep=False).to_numpy()
    second.refuse(next(n for n in second.names if same_name(n, numeric)), twice, "rows repeat a time of their track")
    taken = {name_key(name) for name in table.names}
    own = [name for name in second.names if "\0" not in name and not any(same_name(name, key) for key in keys)]
    place = pd.Index(pd.MultiIndex.from_frame(theirs)).get_indexer(pd.MultiIndex.from_frame(ours))
    if (place < 0).all():
        raise InputError(f"{second.path}: no row has a track and time of {table.path.name}")
    found = second.cells[own].reset_index(drop=True)
    beside = found.reindex(place).set_axis(table.cells.index)
    beside.columns = pd.Index([f"{name}_2" if name_key(name) in taken else name for name in own])
    note = f"{second.path.name}: joined by {', '.join(keys)}, {int((place < 0).sum()):,} rows without their like"
    return replace(table, cells=pd.concat([table.cells, beside], axis=1), notes=(*table.notes, *second.notes, note))


def _keyed(table: Table, keys: Sequence[str], numeric: str) -> pd.DataFrame:
    named = replace(table, cells=pd.DataFrame({key: _column(table, key) for key in keys}))
    columns = {key: named.numbers(key) if same_name(key, numeric) else named.tidied(key) for key in keys}
    return pd.DataFrame(columns).reset_index(drop=True)
