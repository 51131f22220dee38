"""What a measurement takes of a track set, and its tables of data that have no onset at all."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from contactlens.base.errors import InputError
from contactlens.tracks.data.track_set import Driver, TrackSet
from contactlens.tracks.radius.statistics import ONSET_FRAMES
from contactlens.tracks.radius.tables import observations_of, onset_table


def measured(simulated: np.ndarray) -> SimpleNamespace:
    observations = SimpleNamespace(frame_interval_s=20.0)
    interval = SimpleNamespace(prepared=SimpleNamespace(observations=observations))
    onset = np.full(simulated.shape[1], np.nan)
    return SimpleNamespace(interval=interval, predictive=SimpleNamespace(onset=onset, onset_simulated=simulated))


def test_without_any_onset_the_band_is_not_known() -> None:
    table = onset_table(measured(np.full((9, len(ONSET_FRAMES)), np.nan)))
    assert table["lag_s"].tolist() == [20.0 * frame for frame in ONSET_FRAMES]
    assert table[["data", "model", "low", "high"]].isna().all(axis=None)


def test_the_band_is_that_of_the_simulations_with_onsets() -> None:
    simulated = np.tile(np.arange(9.0)[:, None], len(ONSET_FRAMES))
    simulated[:7, 0] = np.nan
    table = onset_table(measured(simulated))
    assert table.loc[0, ["model", "low", "high"]].isna().all()
    assert table.loc[1:, "model"].eq(4.0).all() and table.loc[1, "low"] == pytest.approx(np.quantile(range(9), 0.025))


def test_tracks_lie_on_one_grid_from_their_first_frames_on() -> None:
    frames = pd.DataFrame(
        {
            "track_id": ["a", "a", "a", "b", "b"],
            "group": ["late", "late", "late", "early", "early"],
            "frame": [5, 6, 8, 0, 1],
            "time_s": [100.0, 120.0, 160.0, 0.0, 20.0],
            "ep_distance_nm": [10.0, 20.0, 40.0, 50.0, 60.0],
            "ms2": [1.0, 2.0, 4.0, 5.0, 6.0],
        }
    )
    tracks = TrackSet(frames, 20.0, Driver("distance", "E-P", "nm"), "a.u.", "made here")
    found = observations_of(tracks)
    np.testing.assert_array_equal(found.signal, [[1, 2, np.nan, 4], [5, 6, np.nan, np.nan]])
    np.testing.assert_array_equal(found.driver[..., 0], 10 * found.signal)
    assert found.frame_interval_s == 20.0 and found.group.tolist() == [1, 0]  # by name
    with pytest.raises(InputError, match="made here: the tracks have no ms2 column"):
        observations_of(TrackSet(frames.drop(columns="ms2"), 20.0, tracks.driver, None, "made here"))
