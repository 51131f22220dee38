"""From any file or DataFrame of tracks to a track set: a reader by its kind, a layout by preset or flags, checks."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.arrays import Arrays, long_of_arrays
from contactlens.tracks.data.importing.cells import Reading, Table, select
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.doubts import Ask, Case, settle
from contactlens.tracks.data.importing.formats import read_file
from contactlens.tracks.data.importing.legacy import import_legacy
from contactlens.tracks.data.importing.presets import Content, preset_named
from contactlens.tracks.data.importing.table import Imported, tracks_of
from contactlens.tracks.data.importing.table_file import table_of_frame
from contactlens.tracks.data.importing.understood import understand
from contactlens.tracks.data.importing.units import FRAME, length_unit_in, time_unit_in
from contactlens.tracks.data.importing.wide import Role, joined, long_of_wide
from contactlens.tracks.data.track_set import TrackSet

Names = str | Sequence[str] | None
Source = Path | str | pd.DataFrame
LISTS = ("track", "group", "vector", "locus1", "locus2")
PICKLES = (".pkl", ".pickle")


def read_tracks(
    source: Source,
    *,
    preset: str | None = None,
    track: Names = None,
    time: str | None = None,
    time_unit: str | None = None,
    frame_interval: float | None = None,
    group: Names = None,
    vector: Names = None,
    locus1: Names = None,
    locus2: Names = None,
    merged: Literal["missing", "zero"] = "missing",
    distance: str | None = None,
    scalar: str | None = None,
    elapsed: bool = False,
    length_unit: str | None = None,
    driver_unit: str | None = None,
    signal: str | None = None,
    signal_unit: str | None = None,
    wide: Role | None = None,
    second: Source | None = None,
    second_sheet: str | None = None,
    sheet: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    missing: Sequence[str] = (),
    accept: Sequence[str] = (),
) -> TrackSet:
    """Tracks of a file or a DataFrame, in nm and s; the arguments are the flags of `contactlens import tracks`.

    source: a file (its kind is known by its ending), or a DataFrame
    preset: a known layout, which fills the arguments that are left out
    track, time, group, vector, locus1, locus2, merged, distance, scalar, elapsed, signal and the units: names of
        columns or arrays, as in `ColumnMapping`; several names are a list, or text with commas between them
    frame_interval: in seconds; read off the time stamps if left out
    wide: a column a track; what the columns hold
    second, second_sheet: another file or sheet, with the signals of a wide table, or columns joined by track and time
    sheet, decimal, encoding, missing: as in `Reading`
    accept: kinds of doubts that are right, such as "time-unit"; the message of a doubt names its kind

    Raises InputError, naming file, column, count and first offending rows, for what can't be read as tracks, and for
    what can be read but looks wrong.

    >>> import contactlens as cl
    >>> import pandas as pd
    >>> table = pd.DataFrame({"cell": ["a"] * 3, "t": [0, 30, 60], "d": [0.21, 0.19, 0.24], "ms2": [0.0, 3.1, 5.2]})
    >>> tracks = cl.read_tracks(table, track="cell", time="t", distance="d", length_unit="um", signal="ms2")
    >>> tracks.frame_interval_s, tracks.frames["ep_distance_nm"].round(6).tolist()
    (30.0, [210.0, 190.0, 240.0])
    """
    arguments = dict(locals())
    return import_tracks(arguments.pop("source"), **arguments).track_set


def import_tracks(source: Source, *, ask: Ask | None = None, **given: Any) -> Imported:
    """As `read_tracks`, with a report. `ask` is asked about each doubt, and says whether it is right after all."""
    arguments = {name: value for name, value in given.items() if _is_given(value)}
    for name in LISTS:
        if isinstance(arguments.get(name), str):
            arguments[name] = names_in(arguments[name])
    reading = _reading(arguments)
    accept = _listed(arguments.pop("accept", ()))
    if not isinstance(source, pd.DataFrame) and Path(source).suffix.lower() in PICKLES:
        return import_legacy(source, length_unit=arguments.get("length_unit", "nm"))
    table, arguments = _laid_out(source, arguments, reading)
    frame_interval = arguments.pop("frame_interval", None)
    mapping, table = _mapping(table, arguments)
    imported = tracks_of(table, mapping, frame_interval)
    understood = understand(imported.track_set)
    settle(Case(table, mapping, frame_interval is not None, imported.track_set, understood), accept, ask)
    return imported


def _reading(arguments: dict[str, Any]) -> Reading:
    decimal = arguments.pop("decimal", None)
    if decimal not in (None, ".", ","):
        raise InputError(f"--decimal {decimal}: the decimal mark is . or ,")
    missing = _listed(arguments.pop("missing", ()))
    return Reading(decimal, arguments.pop("encoding", None), missing, arguments.pop("sheet", None))


def _laid_out(source: Source, arguments: dict[str, Any], reading: Reading) -> tuple[Table, dict[str, Any]]:
    """The long table of the source, and the arguments with the names of its columns."""
    name = arguments.pop("preset", None)
    if name is None and not isinstance(source, pd.DataFrame) and Path(source).suffix.lower() == ".xml":
        name = "trackmate"
    preset = preset_named(name) if name else None
    arguments = preset.filled(arguments) if preset else arguments
    wide, second = arguments.pop("wide", None), _second(source, arguments, reading)
    ready = preset is not None and preset.prepare is not None
    content = _content(source, [] if wide or ready or second else _columns(arguments), reading)
    if preset is not None and preset.prepare is not None:
        content, arguments = preset.prepare(content, arguments)
    if isinstance(content, Arrays):
        return long_of_arrays(content, arguments)
    _require_named(content, arguments, wide)
    if wide:
        return long_of_wide(content, wide, arguments, second)
    if second is not None:
        content = joined(content, second, [*arguments["track"], arguments["time"]], arguments["time"])
    return content, arguments


def _content(source: Source, columns: list[str], reading: Reading) -> Content:
    if isinstance(source, pd.DataFrame):
        return table_of_frame(source, reading)
    return read_file(source, columns, reading)


def _second(source: Source, arguments: dict[str, Any], reading: Reading) -> Table | None:
    second, sheet = arguments.pop("second", None), arguments.pop("second_sheet", None)
    if second is None and sheet is None:
        return None
    content = _content(source if second is None else second, [], replace(reading, sheet=sheet))
    if not isinstance(content, Table):
        raise InputError(f"{content.path}: the second file holds arrays, not a table")
    return content


def _require_named(content: Table, arguments: Mapping[str, Any], wide: str | None) -> None:
    if not wide and not (arguments.get("track") and arguments.get("time")):
        way_out = "or a known layout with --preset, or --wide where each column is a track"
        named = "name the columns that hold the track and the time with --track and --time"
        raise InputError(f"{content.path}: {named}, {way_out}; the file has: {', '.join(content.names)}")


def _columns(arguments: Mapping[str, Any]) -> list[str]:
    named = [arguments.get(name) for name in (*LISTS, "time", "distance", "scalar", "signal")]
    return [column for value in named if value for column in ([value] if isinstance(value, str) else value)]


def _mapping(table: Table, arguments: dict[str, Any]) -> tuple[ColumnMapping, Table]:
    """The mapping, with units that are left out taken from the columns' names or the row below, and its columns."""
    mapping = ColumnMapping(**arguments)
    table = select(table, mapping.names, mapping.numbers)
    if mapping.length_unit is None and mapping.kind != "scalar":
        positions = [*(mapping.vector or []), *(mapping.locus1 or []), *(mapping.locus2 or []), mapping.distance]
        said = {length_unit_in(table.units.get(name, name)) for name in positions if name}
        if len(said) == 1 and (unit := said.pop()) not in (None, "pixel"):
            mapping, table = replace(mapping, length_unit=unit), table.noting(f"lengths in {unit}, by their columns")
    if mapping.time_unit is None and mapping.time in table.units:
        unit = time_unit_in(table.units[mapping.time])
        if unit not in (None, FRAME):
            mapping, table = replace(mapping, time_unit=unit), table.noting(f"times in {unit}, by their column")
    return mapping, table


def names_in(text: str) -> list[str]:
    """Names separated by commas; a name that holds a comma stands in double quotes.

    >>> names_in('a, b'), names_in('"dx, um","dy, um"')
    (['a', 'b'], ['dx, um', 'dy, um'])
    """
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def _is_given(value: Any) -> bool:
    return isinstance(value, pd.DataFrame) or bool(value)


def _listed(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
