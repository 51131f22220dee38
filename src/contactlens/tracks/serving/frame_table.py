"""Tracks from a table or an array in a model's own columns and units, without a file."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.tracks.data.config import JITTER
from contactlens.tracks.data.track_set import DISTANCE_COLUMN, SIGNAL_COLUMN, VECTOR_COLUMNS, TrackSet
from contactlens.tracks.models.checkpoint import ModelSpec


def needed_columns(spec: ModelSpec) -> list[str]:
    """Columns of the table that a model takes, besides track_id and frame: the driver's, and ms2 where it sees that."""
    task = spec.resolved_task
    return [*spec.driver.columns, *([SIGNAL_COLUMN] if task.sees_signal else [])]


def tracks_of(tracks: pd.DataFrame | np.ndarray | Tensor, spec: ModelSpec) -> TrackSet:
    """The track set of a long table or of an array.

    tracks: a table with a row per frame: track_id, frame (or time_s, on the grid of the model's interval), the driver's
        columns and, where the model sees it, ms2 (ep_distance_nm may be left out beside the components); or an array
        (N, C, T) of these columns, in the order of `needed_columns`. Units are the model's. A frame without a row, or
        with NaN in it, is missing.

    Raises InputError, naming the column and rows, for what can't be tracks.
    """
    table = tracks if isinstance(tracks, pd.DataFrame) else _long(torch.as_tensor(tracks), needed_columns(spec))
    frames = _frames(table, spec)
    frames = frames.dropna(subset=needed_columns(spec)).sort_values(["track_id", "frame"], ignore_index=True)
    if frames.empty:
        raise InputError(f"table: no row has {', '.join(needed_columns(spec))}")
    unit = spec.signal_unit if SIGNAL_COLUMN in needed_columns(spec) else None
    return TrackSet(frames, spec.frame_interval_s, spec.driver, unit, "table")


def _long(array: Tensor, columns: list[str]) -> pd.DataFrame:
    if array.dim() != 3 or array.size(1) != len(columns):
        shape = " x ".join(map(str, array.shape))
        raise InputError(
            f"array: must be tracks x {len(columns)} channels ({', '.join(columns)}) x frames, got {shape}"
        )
    N, _, T = array.shape
    values = array.double().cpu().numpy()
    names = [f"track_{i:0{len(str(N - 1))}d}" for i in range(N)]
    table = pd.DataFrame({"track_id": np.repeat(names, T), "frame": np.tile(np.arange(T), N)})
    return table.assign(**{name: values[:, i].ravel() for i, name in enumerate(columns)})


def _frames(table: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    needed = needed_columns(spec)
    norm = DISTANCE_COLUMN in needed and DISTANCE_COLUMN not in table and set(VECTOR_COLUMNS) <= set(table)
    time = "frame" if "frame" in table else "time_s"
    _require(table, ["track_id", time, *(name for name in needed if not (norm and name == DISTANCE_COLUMN))])
    table = table.reset_index(drop=True)
    frames = pd.DataFrame({"track_id": table["track_id"].astype("str")})
    frames["group"] = table["group"].astype("str") if "group" in table else frames["track_id"]
    frames["frame"] = _frame_numbers(_numbers(table, time), time, frames["track_id"], spec.frame_interval_s)
    frames["time_s"] = _numbers(table, "time_s") if "time_s" in table else frames["frame"] * spec.frame_interval_s
    for name in needed:
        if not (norm and name == DISTANCE_COLUMN):
            frames[name] = _numbers(table, name)
            _refuse(name, np.isinf(frames[name]), "is infinite")
    if norm:
        frames[DISTANCE_COLUMN] = np.linalg.norm(frames[VECTOR_COLUMNS].to_numpy(), axis=1)
    if DISTANCE_COLUMN in frames:
        _refuse(DISTANCE_COLUMN, frames[DISTANCE_COLUMN] < 0, "is negative")
    _refuse("frame", frames.duplicated(["track_id", "frame"], keep=False), "repeats a frame of its track")
    return frames


def _frame_numbers(value: pd.Series, column: str, track: pd.Series, interval_s: float) -> pd.Series:
    """Frame numbers as they are given, or from times, from each track's first on."""
    _refuse(column, ~np.isfinite(value), "is missing or not finite")
    if column == "frame":
        _refuse(column, value % 1 != 0, "is not whole")
        return value.astype("int64")
    place = (value - value.groupby(track).transform("min")) / interval_s
    _refuse(column, (place - place.round()).abs() > JITTER, f"is not on a grid of {interval_s:g} s")
    return place.round().astype("int64")


def _require(table: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(
            f"table: no column {', '.join(map(repr, missing))}; it has {', '.join(map(str, table.columns))}"
        )


def _numbers(table: pd.DataFrame, column: str) -> pd.Series:
    try:
        return table[column].astype("float64")
    except (ValueError, TypeError) as error:
        raise InputError(f"table, column {column!r}: not all numbers ({error})") from error


def _refuse(column: str, wrong: pd.Series | np.ndarray, why: str) -> None:
    rows = np.flatnonzero(np.asarray(wrong))
    if rows.size:
        shown = ", ".join(str(row) for row in rows[:5])
        raise InputError(f"table, column {column!r}: {why} in {rows.size:,} rows, such as {shown}")
