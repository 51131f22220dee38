"""New tracks in the form that a model takes, or refused: its driver and unit, its frame interval, its signal."""

from dataclasses import replace

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import DISTANCE_COLUMN, SIGNAL_COLUMN, VECTOR_COLUMNS, TrackSet
from contactlens.tracks.models.checkpoint import ModelSpec

SAME_INTERVAL = 0.01  # relative difference of two frame intervals that are the same


def conform(tracks: TrackSet, spec: ModelSpec, resample: bool = False) -> TrackSet:
    """The tracks as a model of `spec` takes them; without their truth, and without a signal that it does not see.

    A vector is taken by a model of the distance, as its norm. With `resample`, tracks of another frame interval are
    interpolated to the model's (see `resampled`).

    Raises InputError where driver, unit, frame interval or signal are not the model's.
    """
    tracks = replace(_with_driver(tracks, spec), truth=None)
    _require_signal(tracks, spec)
    if same_interval(tracks.frame_interval_s, spec.frame_interval_s):
        return tracks
    if not resample:
        raise InputError(
            f"{tracks.source}: a frame every {tracks.frame_interval_s:g} s, but the model was trained on one every"
            f" {spec.frame_interval_s:g} s; image at that interval, or interpolate (--resample, resample=True)"
        )
    return resampled(tracks, spec.frame_interval_s)


def same_interval(first_s: float, second_s: float) -> bool:
    return abs(first_s / second_s - 1) <= SAME_INTERVAL


def _with_driver(tracks: TrackSet, spec: ModelSpec) -> TrackSet:
    own, wanted = tracks.driver, spec.driver
    if not spec.resolved_task.driver_input or own == wanted:
        return tracks
    if (own.kind, wanted.kind) == ("vector", "distance") and own.unit == wanted.unit:
        return replace(tracks, driver=wanted, frames=tracks.frames.drop(columns=VECTOR_COLUMNS))
    hint = ""
    if own.kind == wanted.kind == "scalar" and own.unit == wanted.unit:
        hint = f"; if they are the same quantity, rename the column to {wanted.name!r}"
    raise InputError(
        f"{tracks.source}: the driver is {own.name!r} ({own.kind}, {own.unit}), but the model's is {wanted.name!r}"
        f" ({wanted.kind}, {wanted.unit}){hint}"
    )


def _require_signal(tracks: TrackSet, spec: ModelSpec) -> None:
    needed = spec.resolved_task.sees_signal
    if not tracks.has_signal and needed:
        raise InputError(f"{tracks.source}: no signal, which this model (task {spec.task}) takes as an input")
    if tracks.has_signal and tracks.signal_unit != spec.signal_unit:
        way = "convert it" if needed else "convert it, or leave it out: the model does not take it as an input"
        raise InputError(
            f"{tracks.source}: the signal is in {tracks.signal_unit!r}, but the model's is in {spec.signal_unit!r};"
            f" {way}"
        )


def resampled(tracks: TrackSet, frame_interval_s: float) -> TrackSet:
    """The same tracks on a grid of another frame interval, from each track's first frame on.

    Between two observed frames the driver and the signal are interpolated linearly, which averages their noise; there
    is no frame where the two lie further apart than both intervals.
    """
    columns = [*_components(tracks), *([SIGNAL_COLUMN] if tracks.has_signal else [])]
    widest = max(tracks.frame_interval_s, frame_interval_s) * (1 + SAME_INTERVAL)
    parts = [
        _on_grid(rows, columns, frame_interval_s, widest) for _, rows in tracks.frames.groupby("track_id", sort=False)
    ]
    frames = pd.concat(parts, ignore_index=True)
    if tracks.driver.kind == "vector":
        frames[DISTANCE_COLUMN] = np.linalg.norm(frames[VECTOR_COLUMNS].to_numpy(), axis=1)
    return replace(tracks, frames=frames[tracks.columns], frame_interval_s=frame_interval_s)


def _components(tracks: TrackSet) -> list[str]:
    return VECTOR_COLUMNS if tracks.driver.kind == "vector" else tracks.driver.columns


def _on_grid(rows: pd.DataFrame, columns: list[str], interval_s: float, widest_s: float) -> pd.DataFrame:
    time = rows["time_s"].to_numpy()
    steps = int(np.floor((time[-1] - time[0]) / interval_s + SAME_INTERVAL))
    grid = np.minimum(time[0] + interval_s * np.arange(steps + 1), time[-1])
    after = np.searchsorted(time, grid)  # the first observed frame at or after each point
    before = np.where(time[after] == grid, after, after - 1)
    kept = time[after] - time[before] <= widest_s
    table = {name: np.interp(grid[kept], time, rows[name].to_numpy()) for name in columns}
    head = {"track_id": rows["track_id"].iloc[0], "group": rows["group"].iloc[0]}
    return pd.DataFrame({**head, "frame": np.flatnonzero(kept), "time_s": grid[kept], **table})
