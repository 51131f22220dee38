import numpy as np
import pandas as pd
import pytest
import torch

from contactlens.base.errors import InputError
from contactlens.tracks.data.config import SplitConfig
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.split import cross_validation_splits, split_tracks
from contactlens.tracks.data.track_set import Driver, TrackSet

QUARTERS = SplitConfig(train=0.4, validation=0.2, calibration=0.2, test=0.2)


def scalar_set(n_tracks: int, n_groups: int) -> TrackSet:
    rows = [
        {
            "track_id": f"t{i:03d}",
            "group": f"g{i % n_groups}",
            "frame": f,
            "time_s": 20.0 * f,
            "driver": i + f / 10,
        }
        for i in range(n_tracks)
        for f in range(2, 5 + i % 3)
        if f != 3
    ]
    frames = pd.DataFrame(rows).assign(ms2=lambda d: 2 * d["driver"])
    return TrackSet(frames, 20.0, Driver("scalar", "knirps", "a.u."), "a.u.", "test")


def test_batch_holds_each_value_at_its_frame_and_masks_gaps_and_padding() -> None:
    track_set = scalar_set(5, 5)
    batch = batch_of(track_set)
    assert batch.driver.shape == (5, 1, 5)
    assert batch.observed[0].tolist() == [True, False, True, False, False]
    assert batch.observed.sum().item() == len(track_set.frames)
    for row in track_set.frames.itertuples():
        i = batch.track_ids.index(row.track_id)
        assert batch.driver[i, 0, row.frame - 2].item() == pytest.approx(row.driver)
        assert batch.signal[i, row.frame - 2].item() == pytest.approx(row.ms2)
    assert batch.signal[~batch.observed].abs().sum().item() == 0


def test_batch_of_named_tracks_keeps_their_order() -> None:
    batch = batch_of(scalar_set(5, 5), ["t003", "t001"])
    assert batch.track_ids == ["t003", "t001"]
    assert batch.groups == ["g3", "g1"]
    torch.testing.assert_close(batch.driver[:, 0, 0], torch.tensor([3.2, 1.2]))


@pytest.mark.parametrize("n_groups", [1, 4, 9, 40])
def test_split_covers_every_track_once_and_keeps_groups_whole(n_groups: int) -> None:
    track_set = scalar_set(40, n_groups)
    splits = split_tracks(track_set, QUARTERS, seed=3)
    ids = [track for part in splits.values() for track in part]
    assert sorted(ids) == sorted(track_set.frames["track_id"].unique())
    if n_groups >= 4:
        group = track_set.frames.drop_duplicates("track_id").set_index("track_id")["group"]
        of = {name: set(group[part]) for name, part in splits.items()}
        assert all(of[a].isdisjoint(of[b]) for a in of for b in of if a != b)
    if n_groups != 4:
        assert len(splits["train"]) == pytest.approx(16, abs=40 / n_groups if n_groups > 1 else 1)


def test_split_depends_on_the_seed_alone() -> None:
    track_set = scalar_set(40, 40)
    assert split_tracks(track_set, QUARTERS, 1) == split_tracks(track_set, QUARTERS, 1)
    assert split_tracks(track_set, QUARTERS, 1) != split_tracks(track_set, QUARTERS, 2)


def test_too_few_tracks_and_bad_fractions_are_refused() -> None:
    with pytest.raises(InputError, match="no track is left for"):
        split_tracks(scalar_set(3, 1), QUARTERS, 0)
    with pytest.raises(InputError, match="sum to 1"):
        SplitConfig(train=0.9, validation=0.2, calibration=0.2, test=0.2)


def test_track_set_round_trip_is_exact_and_byte_stable(tmp_path) -> None:
    track_set = scalar_set(6, 2)
    for name in ("a", "b"):
        track_set.write(tmp_path / name)
    again = TrackSet.read(tmp_path / "a")
    pd.testing.assert_frame_equal(again.frames, track_set.frames[track_set.columns], check_dtype=False)
    assert (again.driver, again.frame_interval_s, again.signal_unit) == (track_set.driver, 20.0, "a.u.")
    assert (tmp_path / "a/frames.parquet").read_bytes() == (tmp_path / "b/frames.parquet").read_bytes()
    assert np.isfinite(again.frames["ms2"]).all()


@pytest.mark.parametrize(("folds", "n_groups", "expected"), [("group", 9, 9), (3, 9, 3), (5, 1, 5), (9, 9, 9)])
def test_every_track_is_tested_once_and_its_group_is_in_no_other_split_of_that_fold(
    folds: str | int, n_groups: int, expected: int
) -> None:
    track_set = scalar_set(40, n_groups)
    splits = cross_validation_splits(track_set, folds, QUARTERS, seed=1)
    assert len(splits) == expected
    assert sorted(track for fold in splits for track in fold["test"]) == sorted(track_set.frames["track_id"].unique())
    group = track_set.frames.drop_duplicates("track_id").set_index("track_id")["group"]
    for fold in splits:
        assert set(fold) == {"train", "validation", "calibration", "test"}
        assert sorted(track for part in fold.values() for track in part) == sorted(group.index)
        if n_groups > 1:
            tested = set(group[fold["test"]])
            assert all(tested.isdisjoint(group[part]) for name, part in fold.items() if name != "test")
        if folds == "group":
            assert len(set(group[fold["test"]])) == 1
        shares = {name: len(fold[name]) for name in ("train", "validation", "calibration")}
        assert max(shares, key=shares.__getitem__) == "train"


@pytest.mark.parametrize(
    ("folds", "n_groups", "message"),
    [
        ("group", 3, "tracks.cross_validation: group: the tracks are of 3 groups, and it needs at least 4"),
        (41, 1, "41 folds of 40 groups are too many"),
        (10, 9, "10 folds of 9 groups are too many"),
    ],
)
def test_folds_that_the_groups_do_not_allow_are_refused(folds: str | int, n_groups: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cross_validation_splits(scalar_set(40, n_groups), folds, QUARTERS, seed=1)
