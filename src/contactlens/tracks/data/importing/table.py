"""Tracks from a long table of any lab: one row per track and time."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data import track_set as ts
from contactlens.tracks.data.config import JITTER
from contactlens.tracks.data.importing import names
from contactlens.tracks.data.importing.cells import DAY_S, HALF_DAY_S, Reading, Table, select
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.table_file import read_table
from contactlens.tracks.data.importing.units import FRAME, SECONDS
from contactlens.tracks.data.time_grid import (
    MOST_FRAMES,
    OWN_INTERVAL,
    frame_numbers,
    infer_interval,
    offsets,
    read_clock,
)


class ImportReport(NamedTuple):
    """What an import kept and what it left out.

    rows: rows read
    without_driver, without_signal: rows dropped, as missing frames, for an empty driver, or else signal
    merged: rows where both loci were one spot (missing by default, else at distance zero)
    tracks, frames: kept
    lost_tracks: tracks of which no row was kept
    outside: rows dropped since their spot belongs to no track
    notes: what was assumed in reading
    """

    rows: int
    without_driver: int
    without_signal: int
    merged: int
    tracks: int
    frames: int
    lost_tracks: int
    outside: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = ", the closest moments (--merged says what they count as)" if self.merged else ""
        return (
            f"{self.frames:,} frames of {self.tracks:,} tracks from {self.rows:,} rows; missing frames: "
            f"{self.without_driver:,} rows without driver, {self.without_signal:,} without signal; "
            f"{self.merged:,} rows with merged loci{said}; {self.lost_tracks:,} tracks without any usable row"
        )


class Imported(NamedTuple):
    """An imported track set, and what was left out of it."""

    track_set: ts.TrackSet
    report: ImportReport


def import_table(
    source: Path | str | pd.DataFrame,
    mapping: ColumnMapping,
    frame_interval_s: float | None = None,
    reading: Reading | None = None,
) -> Imported:
    """Read the tracks of a file that holds a long table, or of a DataFrame.

    Frames are numbered from the first row in time of each track; without `frame_interval_s` the interval is
    the one that the time stamps show. Rows with an empty driver or signal are missing frames. Lengths come
    out in nm, times in s.

    Raises InputError, naming file, column, count and first offending rows, for what can't be read as tracks.
    """
    mapping.check()
    table = read_table(source, [*mapping.names, *mapping.numbers], reading)
    return tracks_of(select(table, mapping.names, mapping.numbers), mapping, frame_interval_s)


def tracks_of(table: Table, mapping: ColumnMapping, frame_interval_s: float | None = None) -> Imported:
    """As `import_table`, of a table whose columns were selected."""
    mapping.check()
    if frame_interval_s is not None and not 0 < frame_interval_s < np.inf:
        raise InputError(f"{table.path}: the frame interval must be a positive number of seconds")
    frames, table, outside = _identify(table, mapping)
    interval_s, said = _place_in_time(frames, table, mapping, frame_interval_s)
    merged = _add_driver(frames, table, mapping)
    if mapping.signal is not None:
        frames[ts.SIGNAL_COLUMN] = table.numbers(mapping.signal)
    kept, report = keep_complete(frames, mapping.driver, mapping.signal is not None, merged)
    if kept.empty:
        wanted = "a driver" if mapping.signal is None else "a driver and a signal"
        raise InputError(f"{table.path}: no row has {wanted} ({len(frames):,} rows read)")
    unit = None if mapping.signal is None else mapping.signal_unit
    notes = (*table.notes, *([said] if said else []))
    report = report._replace(rows=report.rows + outside, outside=outside, notes=notes)
    return Imported(ts.TrackSet(kept, interval_s, mapping.driver, unit, table.path.name), report)


def keep_complete(
    frames: pd.DataFrame, driver: ts.Driver, has_signal: bool, merged: int
) -> tuple[pd.DataFrame, ImportReport]:
    """Keep, sorted by track and frame, the rows that hold a driver and, where there is one, a signal."""
    with_driver = frames[driver.columns].notna().all(axis=1)
    with_signal = frames[ts.SIGNAL_COLUMN].notna() if has_signal else True
    complete = with_driver & with_signal
    columns = ["track_id", "group", "frame", "time_s", *driver.columns, *([ts.SIGNAL_COLUMN] * has_signal)]
    kept = frames.loc[complete, columns].sort_values(["track_id", "frame"], ignore_index=True)
    tracks = kept["track_id"].nunique()
    report = ImportReport(
        rows=len(frames),
        without_driver=int((~with_driver).sum()),
        without_signal=int((with_driver & ~complete).sum()),
        merged=merged,
        tracks=tracks,
        frames=len(kept),
        lost_tracks=frames["track_id"].nunique() - tracks,
    )
    return kept, report


def _identify(table: Table, mapping: ColumnMapping) -> tuple[pd.DataFrame, Table, int]:
    """Track and group of each row that belongs to a track, the table of these rows, and how many do not."""
    own_group = mapping.group or []
    outside, said = names.outside_of_tracks(table, mapping.track, own_group)
    table = replace(table, cells=table.cells[~outside])
    notes = [*([said] if said else []), *names.spellings(table, mapping.names)]
    track = table.text(mapping.track)
    notes += names.alike(track)
    group = track
    if mapping.group:
        group, joined = names.of_one_group(table.text(mapping.group))
        notes += joined
    second = (group != group.groupby(track, sort=False).transform("first")).to_numpy()
    table.refuse((mapping.group or mapping.track)[-1], second, "rows put a track into a second group", track)
    frames = pd.DataFrame({"track_id": track.astype("str"), "group": group.astype("str")})
    return frames, replace(table, notes=(*table.notes, *notes)), int(outside.sum())


def _place_in_time(
    frames: pd.DataFrame, table: Table, mapping: ColumnMapping, interval_s: float | None
) -> tuple[float, str]:
    """Add `time_s` and `frame`; return the frame interval in seconds, and what is to be said of movies' own clocks."""
    frames["time_s"] = _seconds(frames, table, mapping, interval_s)
    repeated = frames.duplicated(["track_id", "time_s"], keep=False).to_numpy()
    way_out = "; delete one of each, or name further --track columns if they are tracks of their own"
    table.refuse(mapping.time, repeated, "rows repeat a time of their track", frames["track_id"], way_out)
    interval_s = interval_s or infer_interval(frames["track_id"], frames["time_s"])
    if interval_s is None:
        problem = "no track has two times, so the frame interval must be given"
        raise InputError(f"{table.path}, column {mapping.time!r}: {problem}")
    clock = read_clock(frames["track_id"], frames["group"], frames["time_s"], interval_s)
    frame = frame_numbers(frames["track_id"], clock.position)
    grid = f"a grid of {interval_s:g} s from their track's start"
    stray = np.abs(offsets(frames["track_id"], clock.position)) > JITTER
    way_out = f". Movies whose interval differs by more than {100 * OWN_INTERVAL:g} % are imported each on its own"
    table.refuse(mapping.time, stray, f"times are not on {grid}", way_out=way_out)
    table.refuse(mapping.time, frame > MOST_FRAMES, f"times are more than {MOST_FRAMES:,} frames into {grid}")
    frames["frame"] = frame.astype("int64")
    shared = frames.duplicated(["track_id", "frame"], keep=False).to_numpy()
    table.refuse(mapping.time, shared, f"times share a frame of {grid}")
    return interval_s, str(clock)


def _seconds(frames: pd.DataFrame, table: Table, mapping: ColumnMapping, interval_s: float | None) -> pd.Series:
    clock = table.seconds(mapping.time)
    if clock is not None:
        if mapping.time_unit == FRAME:
            raise InputError(f"{table.path}, column {mapping.time!r}: holds times of day, not frame numbers")
        back = clock.groupby(frames["track_id"], sort=False).diff() < -HALF_DAY_S
        return clock + DAY_S * back.groupby(frames["track_id"], sort=False).cumsum()
    time = table.numbers(mapping.time)
    table.refuse(mapping.time, time.isna().to_numpy(), "times are missing")
    if mapping.time_unit != FRAME:
        return _finite(table, mapping.time, time * SECONDS[mapping.time_unit or "s"])
    if interval_s is None:
        problem = "times are frame numbers, so the frame interval must be given: --frame-interval SECONDS"
        raise InputError(f"{table.path}, column {mapping.time!r}: {problem}")
    table.refuse(mapping.time, (time % 1 != 0).to_numpy(), "frame numbers are not whole")
    return _finite(table, mapping.time, time * interval_s)


def _finite(table: Table, column: str, converted: pd.Series) -> pd.Series:
    """The column in its new unit; refuse what no float64 holds."""
    table.refuse(column, np.isinf(converted.to_numpy()), "values are too large")
    return converted


def _add_driver(frames: pd.DataFrame, table: Table, mapping: ColumnMapping) -> int:
    """Add the driver's columns, NaN where it is missing; return how many rows have both loci in one spot."""
    if mapping.elapsed:
        start = frames.groupby("group", sort=False)["time_s"].transform("min")
        frames[ts.SCALAR_COLUMN] = frames["time_s"] - start
        return 0
    if mapping.scalar is not None:
        frames[ts.SCALAR_COLUMN] = table.numbers(mapping.scalar)
        return 0
    if mapping.distance is not None:
        distance = table.numbers(mapping.distance)
        below = (distance < 0).to_numpy()
        marks = distance[below].drop_duplicates().tolist()
        way_out = (
            f". Where it marks missing values: --missing={mapping.distance}={marks[0]:g}" if len(marks) == 1 else ""
        )
        table.refuse(mapping.distance, below, "distances are negative", way_out=way_out)
        frames[ts.DISTANCE_COLUMN] = _finite(table, mapping.distance, distance * mapping.nanometres)
        return 0
    vector, merged = _separation(table, mapping)
    with np.errstate(over="ignore"):  # infinities are refused below
        vector *= mapping.nanometres
        length = pd.Series(np.linalg.norm(vector, axis=1), index=frames.index)
    if not mapping.planar:
        frames[ts.VECTOR_COLUMNS] = vector
    frames[ts.DISTANCE_COLUMN] = _finite(table, (mapping.vector or mapping.locus1 or [])[0], length)
    return merged


def _separation(table: Table, mapping: ColumnMapping) -> tuple[np.ndarray, int]:
    """Separation vector (rows, 2 or 3) in the file's unit, NaN where missing, and the number of merged rows."""
    if mapping.vector is not None:
        return _coordinates(table, mapping.vector), 0
    first = _coordinates(table, mapping.locus1 or [])
    second = _coordinates(table, mapping.locus2 or [])
    merged = np.isnan(second).all(axis=1) & ~np.isnan(first).any(axis=1)
    separation = second - first
    if mapping.merged == "zero":
        separation[merged] = 0.0
    return separation, int(merged.sum())


def _coordinates(table: Table, columns: list[str]) -> np.ndarray:
    return np.column_stack([table.numbers(column).to_numpy() for column in columns])
