"""What the simulator knows of the promoter, on the grid of the frames: its state, and the polymerases it loaded."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.tracks.track_set import TrackSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def observed_span(track_set: TrackSet, track_ids: Sequence[str]) -> tuple[Floats, Floats]:
    """Times (s) of the first and of the last observed frame of each track, (N,) each.

    The first is where a `TrackBatch` of these tracks has its frame 0.
    """
    time = track_set.frames.groupby("track_id")["time_s"]
    names = list(track_ids)
    return time.min().loc[names].to_numpy(dtype=np.float64), time.max().loc[names].to_numpy(dtype=np.float64)


def promoter_state(
    intervals: pd.DataFrame, track_ids: Sequence[str], start_s: Floats, n_frames: int, frame_interval_s: float
) -> NDArray[np.float32]:
    """1 where the promoter is on at the frame's time, else 0: (N, n_frames).

    intervals: track_id, start_s, end_s of on-intervals; the start belongs to an interval, the end doesn't
    start_s: (N,) time of each track's frame 0
    """
    width = n_frames + 1  # one column more: where an interval ends that outlasts the frames
    row = _rows(intervals, track_ids)
    known = row >= 0
    change = np.zeros(len(track_ids) * width)
    for column, step in (("start_s", 1.0), ("end_s", -1.0)):
        time = intervals[column].to_numpy(dtype=np.float64)[known] - start_s[row[known]]
        frame = np.clip(np.ceil(time / frame_interval_s), 0, n_frames).astype(np.int64)
        change += step * np.bincount(row[known] * width + frame, minlength=change.size)
    on = np.cumsum(change.reshape(-1, width)[:, :n_frames], axis=1) > 0
    return on.astype(np.float32)


def loading_counts(
    loading: pd.DataFrame,
    track_ids: Sequence[str],
    start_s: Floats,
    n_frames: int,
    frame_interval_s: float,
    per_frame: int = 1,
) -> Ints:
    """Polymerases loaded in each bin, (N, n_frames * per_frame).

    A bin holds what was loaded after the end of the one before it and until its own; bin `per_frame * (t + 1) - 1`
    ends at frame t, so that the signal of a frame depends on its own bins and on earlier ones only.

    loading: track_id, time_s
    start_s: (N,) time of each track's frame 0
    """
    row = _rows(loading, track_ids)
    bins = n_frames * per_frame
    time = loading["time_s"].to_numpy(dtype=np.float64) - start_s[row]
    place = np.ceil(time * per_frame / frame_interval_s).astype(np.int64) + per_frame - 1
    kept = (row >= 0) & (place >= 0) & (place < bins)
    counts = np.bincount(row[kept] * bins + place[kept], minlength=len(track_ids) * bins)
    return counts.reshape(-1, bins)


def _rows(table: pd.DataFrame, track_ids: Sequence[str]) -> Ints:
    """Row of the grid for each row of the table, -1 for a track that is not asked for."""
    return pd.Index(track_ids).get_indexer(pd.Index(table["track_id"])).astype(np.int64)
