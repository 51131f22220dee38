"""From any file or DataFrame of tracks to a track set: a reader by its kind, a mapping of its columns, checks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.table import Imported, import_table
from contactlens.tracks.data.track_set import TrackSet

Names = str | Sequence[str] | None


def read_tracks(
    source: Path | str | pd.DataFrame,
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
    length_unit: str | None = None,
    driver_unit: str | None = None,
    signal: str | None = None,
    signal_unit: str | None = None,
) -> TrackSet:
    """Tracks of a file or a DataFrame, in nm and s; the arguments are the flags of `contactlens import tracks`.

    source: a file (its kind is known by its ending), or a DataFrame with one row per track and time
    preset: a known layout, which fills the arguments that are left out
    track, time, group, vector, locus1, locus2, distance, scalar, signal: names of columns, as in `ColumnMapping`
    frame_interval: in seconds; read off the time stamps if left out

    Raises InputError, naming file, column, count and first offending rows, for what can't be read as tracks.
    """
    arguments = dict(locals())
    return import_tracks(arguments.pop("source"), **arguments).track_set


def import_tracks(
    source: Path | str | pd.DataFrame, *, preset: str | None = None, frame_interval: float | None = None, **mapping: Any
) -> Imported:
    """As `read_tracks`, with a report of what was kept and what was left out."""
    given = {name: value for name, value in mapping.items() if value is not None}
    for name in ("track", "group", "vector", "locus1", "locus2"):
        if isinstance(given.get(name), str):
            given[name] = [given[name]]
    if preset is not None:
        raise InputError(f"preset: unknown preset {preset!r}")
    if not given.get("track") or not given.get("time"):
        raise InputError(f"{_name(source)}: name the columns that hold the track and the time with --track and --time")
    return import_table(source, ColumnMapping(**{"time_unit": "s", **given}), frame_interval)


def _name(source: Path | str | pd.DataFrame) -> str:
    return "DataFrame" if isinstance(source, pd.DataFrame) else str(source)
