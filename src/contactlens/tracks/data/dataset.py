"""From a track set to tensors, and the split by group that cannot leak."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import torch

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.config import SPLITS, SplitConfig
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


def split_tracks(track_set: TrackSet, config: SplitConfig, seed: int) -> dict[str, list[str]]:
    """Track ids of the train, validation, calibration and test splits.

    Whole groups (embryos, experiments) go to one split, each split filled in turn to its share of the tracks; where
    there are fewer than four groups every track is a group of its own.

    Raises InputError where a split would stay empty.
    """
    return _filled(_members(track_set), {name: getattr(config, name) for name in SPLITS}, seed)


def is_split_by_group(track_set: TrackSet) -> bool:
    """Whether whole groups go to one split, or every track is a group of its own."""
    return bool(track_set.frames["group"].nunique() >= len(SPLITS))


def cross_validation_splits(
    track_set: TrackSet, folds: Literal["group"] | int, config: SplitConfig, seed: int
) -> list[dict[str, list[str]]]:
    """Splits of every fold: each group is in the test split of exactly one, the others share out the rest by `config`.

    folds: `group`, one fold a group; or how many, each of whole groups (of tracks, where there are fewer than four
        groups)

    Raises InputError where there are too few groups.
    """
    members = _members(track_set)
    if folds == "group" and not is_split_by_group(track_set):
        raise InputError(
            f"tracks.cross_validation: group: the tracks are of {track_set.frames['group'].nunique()} groups, and it "
            f"needs at least {len(SPLITS)}; a number of folds takes every track as a group"
        )
    count = len(members) if folds == "group" else folds
    if count > len(members):
        raise InputError(f"tracks.cross_validation: {count} folds of {len(members)} groups are too many")
    names = [str(number) for number in range(count)]
    held_out = (
        {name: list(ids) for name, ids in zip(names, members, strict=True)}
        if folds == "group"
        else _filled(members, dict.fromkeys(names, 1 / count), seed)
    )
    shares = {name: getattr(config, name) for name in SPLITS if name != "test"}
    parts = []
    for number, test in enumerate(held_out.values()):
        rest = members[[not set(ids) & set(test) for ids in members]]
        parts.append({**_filled(rest, shares, seed + number), "test": sorted(test)})
    return parts


def _members(track_set: TrackSet) -> pd.Series:
    """The tracks of each group, or of each track where there are fewer than four groups."""
    tracks = track_set.frames.drop_duplicates("track_id")[["track_id", "group"]]
    unit = tracks["group"] if is_split_by_group(track_set) else tracks["track_id"]
    return tracks["track_id"].groupby(unit.to_numpy(), sort=True).agg(list)


def _filled(members: pd.Series, shares: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Groups in random order, each to the split that lacks the largest part of its share of the tracks."""
    shuffled = members.iloc[np.random.default_rng(seed).permutation(len(members))]
    targets = {name: share * sum(map(len, members)) for name, share in shares.items()}
    splits: dict[str, list[str]] = {name: [] for name in shares}
    for ids in shuffled:
        emptiest = max(shares, key=lambda name: (targets[name] - len(splits[name])) / targets[name])
        splits[emptiest].extend(ids)
    empty = [name for name in shares if not splits[name]]
    if empty:
        raise InputError(f"split: no track is left for {', '.join(empty)}; {len(members)} groups are too few")
    return {name: sorted(ids) for name, ids in splits.items()}
