"""From a track set to tensors."""

import numpy as np
import pandas as pd
import torch

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.promoter_truth import observed_span, promoter_state
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet


def batch_of(track_set: TrackSet, track_ids: list[str] | None = None) -> TrackBatch:
    """Tensors of the named tracks (all where None), padded to the longest; frame 0 is each track's first frame.

    The promoter's state is there where the track set holds its truth.
    """
    frames = track_set.frames
    if track_ids is not None:
        frames = frames[frames["track_id"].isin(track_ids)]
    names = frames["track_id"].drop_duplicates().to_list() if track_ids is None else list(track_ids)
    row = pd.Index(names).get_indexer(pd.Index(frames["track_id"]))
    column = (frames["frame"] - frames.groupby("track_id")["frame"].transform("min")).to_numpy()
    shape = (len(names), int(column.max()) + 1)

    def grid(name: str) -> torch.Tensor:
        values = np.zeros(shape, dtype=np.float32)
        values[row, column] = frames[name].to_numpy(dtype=np.float32)
        return torch.from_numpy(values)

    observed = np.zeros(shape, dtype=bool)
    observed[row, column] = True
    group_of = frames.drop_duplicates("track_id").set_index("track_id")["group"]
    return TrackBatch(
        driver=torch.stack([grid(name) for name in track_set.driver.columns], dim=1),
        signal=grid(SIGNAL_COLUMN) if track_set.has_signal else torch.zeros(shape),
        observed=torch.from_numpy(observed),
        track_ids=names,
        groups=[str(group_of[name]) for name in names],
        frame_interval_s=track_set.frame_interval_s,
        state=_state_of(track_set, names, shape[1]),
    )


def _state_of(track_set: TrackSet, names: list[str], n_frames: int) -> torch.Tensor | None:
    if track_set.truth is None:
        return None
    start_s, _ = observed_span(track_set, names)
    intervals = track_set.truth.promoter_state
    return torch.from_numpy(promoter_state(intervals, names, start_s, n_frames, track_set.frame_interval_s))
