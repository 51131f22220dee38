"""State and loading on the frames, against a look at every frame and bin."""

import numpy as np
import pandas as pd
import pytest

from contactlens.tracks.data.promoter_truth import observed_span, promoter_state
from contactlens.tracks.data.track_set import Driver, TrackSet

DT = 30.0


def test_an_interval_holds_its_start_and_not_its_end():
    intervals = pd.DataFrame({"track_id": ["b", "b", "a"], "start_s": [30, 100, -80], "end_s": [60, 119, 15]})
    state = promoter_state(intervals, ["a", "b", "c"], np.zeros(3), 5, DT)
    assert state.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert state.dtype == np.float32


def test_intervals_may_outlast_the_frames_and_frames_may_start_late():
    intervals = pd.DataFrame({"track_id": ["a", "a", "other"], "start_s": [-50.0, 95, 0], "end_s": [20.0, 1e4, 500]})
    assert promoter_state(intervals, ["a"], np.array([10.0]), 4, DT).tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize("seed", [0, 1])
def test_state_is_that_of_the_interval_around_each_frame(seed: int):
    rng = np.random.default_rng(seed)
    ids, start_s, frames = [f"t{i}" for i in range(6)], rng.uniform(0, 50, 6), 40
    edges = np.sort(rng.uniform(-100, 1400, size=(6, 20)), axis=1)
    intervals = pd.DataFrame(
        {"track_id": np.repeat(ids, 10), "start_s": edges[:, ::2].ravel(), "end_s": edges[:, 1::2].ravel()}
    )
    time = start_s[:, None] + DT * np.arange(frames)
    inside = (edges[:, None, ::2] <= time[..., None]) & (time[..., None] < edges[:, None, 1::2])
    shuffled = intervals.sample(frac=1, random_state=seed)
    np.testing.assert_array_equal(promoter_state(shuffled, ids, start_s, frames, DT), inside.any(axis=-1))


def test_span_is_that_of_observed_frames():
    time = [60.0, 90, 30, 120]
    frames = pd.DataFrame({"track_id": ["a", "a", "b", "b"], "group": "g", "frame": [2, 3, 1, 4], "time_s": time})
    track_set = TrackSet(frames.assign(driver=0.0), DT, Driver("scalar", "driver", "a.u."), None, "made here")
    first, last = observed_span(track_set, ["b", "a"])
    assert (first.tolist(), last.tolist()) == ([30.0, 60.0], [120.0, 90.0])
