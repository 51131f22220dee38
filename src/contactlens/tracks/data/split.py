"""The split of the tracks by group that cannot leak, and those of a cross-validation."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.tracks.data.config import SPLITS, SplitConfig
from contactlens.tracks.data.track_set import TrackSet


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
