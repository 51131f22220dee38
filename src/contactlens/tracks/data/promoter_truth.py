"""What the simulator knows of the promoter, on the grid of the frames: its state, and the polymerases it loaded."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.tracks.data.track_set import TrackSet

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


def _rows(table: pd.DataFrame, track_ids: Sequence[str]) -> Ints:
    """Row of the grid for each row of the table, -1 for a track that is not asked for."""
    return pd.Index(track_ids).get_indexer(pd.Index(table["track_id"])).astype(np.int64)
