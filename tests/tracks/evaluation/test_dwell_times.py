"""Segments against a walk along each track; dwell times and lengths against the process that made them."""

from itertools import groupby

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.linalg import expm

from contactlens.calibration.bootstrap import interval, resample_counts
from contactlens.tracks.data.promoter_truth import promoter_state
from contactlens.tracks.evaluation.dwell_times import (
    dwell_metrics,
    frame_dwell,
    interval_dwell,
    length_distance,
    length_edges,
    length_metric,
    segments,
    survival_metric,
)
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate

DT = 30.0
K_ON, K_OFF = 1 / 200, 1 / 90


def telegraph_intervals(tracks: int, end_s: float, seed: int) -> pd.DataFrame:
    """On-intervals of a stationary telegraph from 0 to `end_s`, not cut at the edges."""
    rng = np.random.default_rng(seed)
    switches = int(4 * end_s * (K_ON + K_OFF)) + 20
    off, on = rng.exponential(1 / K_ON, (tracks, switches)), rng.exponential(1 / K_OFF, (tracks, switches))
    start = np.cumsum(off, axis=1) + np.cumsum(on, axis=1) - on - 3000  # long before 0: stationary by then
    table = {"track_id": np.repeat(names(tracks), switches), "start_s": start.ravel(), "end_s": (start + on).ravel()}
    table = pd.DataFrame(table)
    return table[(table["end_s"] > 0) & (table["start_s"] < end_s)].reset_index(drop=True)


def names(tracks: int) -> list[str]:
    return [f"t{i:03d}" for i in range(tracks)]


@pytest.fixture(scope="module")
def telegraph() -> tuple[pd.DataFrame, np.ndarray]:
    intervals = telegraph_intervals(300, 300 * DT, seed=2)
    return intervals, promoter_state(intervals, names(300), np.zeros(300), 301, DT) > 0


def test_segments_by_hand():
    state = np.array([[0, 0, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 1, 1]], dtype=bool)
    observed = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 0, 1, 1]], dtype=bool)
    rows = segments(state, observed).to_numpy(dtype=int).tolist()
    assert rows == [
        [0, 0, 0, 2, 0, 1],
        [0, 1, 2, 2, 1, 1],
        [0, 0, 4, 3, 1, 0],
        [1, 1, 1, 2, 0, 1],
        [1, 0, 3, 1, 1, 0],
        [1, 1, 5, 2, 0, 0],
    ]


def test_segments_are_the_groups_of_a_walk():
    rng = np.random.default_rng(0)
    state, observed = rng.random((20, 50)) < 0.4, rng.random((20, 50)) < 0.9
    expected = []
    for track in range(20):
        code = np.where(observed[track], state[track], -1).tolist()
        frame = 0
        for value, run in groupby(code):
            size, before = len(list(run)), frame
            frame += size
            if value >= 0:
                begun = before > 0 and code[before - 1] >= 0
                expected.append([track, value, before, size, begun, frame < 50 and code[frame] >= 0])
    assert segments(state, observed).to_numpy(dtype=int).tolist() == [[int(v) for v in row] for row in expected]


def test_dwell_of_frames_counts_steps_as_a_transition_matrix_does():
    rng = np.random.default_rng(1)
    state, observed = rng.random((8, 60)) < 0.3, rng.random((8, 60)) < 0.8
    counts = frame_dwell(segments(state, observed), 8, DT)
    both = observed[:, :-1] & observed[:, 1:]
    for code in (0, 1):
        steps = both & (state[:, :-1] == code)
        np.testing.assert_allclose(counts.time_s[:, code], DT * steps.sum(axis=1))
        np.testing.assert_array_equal(counts.ends[:, code], (steps & (state[:, 1:] != code)).sum(axis=1))


def test_rates_turn_a_transition_matrix_back_into_its_generator():
    step = expm(np.array([[-K_ON, K_ON], [K_OFF, -K_OFF]]) * DT)
    total = np.array([1000 * DT, 1000 * DT, 1000 * step[0, 1], 1000 * step[1, 0]])
    metrics = dwell_metrics(frame_dwell(segments(np.eye(2, dtype=bool), np.ones((2, 2), bool)), 2, DT))
    assert metrics["k_on_per_s"].value(total) == pytest.approx(K_ON)
    assert metrics["k_off_per_s"].value(total) == pytest.approx(K_OFF)


def test_rates_are_recovered_and_dwell_times_seen_in_frames_are_too_long(telegraph):
    intervals, state = telegraph
    draws = resample_counts(300, 400, seed=0)
    seen = dwell_metrics(frame_dwell(segments(state, np.ones_like(state)), 300, DT))
    exact = dwell_metrics(interval_dwell(intervals, names(300), np.zeros(300), np.full(300, 300 * DT)))
    for metrics in (seen, exact):
        for name, rate in (("k_on_per_s", K_ON), ("k_off_per_s", K_OFF)):
            found = interval(metrics[name], draws, 0.99)
            assert found.low < rate < found.high
            assert found.high - found.low < 0.2 * rate
    assert exact["mean_on_s"].estimate == pytest.approx(1 / K_OFF, rel=0.03)
    assert seen["mean_on_s"].estimate > 1.1 / K_OFF
    assert seen["on_share"].estimate == pytest.approx(K_ON / (K_ON + K_OFF), rel=0.05)


def test_missing_frames_leave_the_rates(telegraph):
    _, state = telegraph
    observed = np.random.default_rng(3).random(state.shape) < 0.7
    metrics = dwell_metrics(frame_dwell(segments(state, observed), 300, DT))
    assert metrics["k_on_per_s"].estimate == pytest.approx(K_ON, rel=0.05)
    assert metrics["k_off_per_s"].estimate == pytest.approx(K_OFF, rel=0.05)


def test_switching_faster_than_frames_has_no_rate_and_no_switch_has_no_dwell_time():
    flicker = np.tile([True, False], (2, 10))
    assert np.isnan(dwell_metrics(frame_dwell(segments(flicker, np.ones_like(flicker)), 2, DT))["k_on_per_s"].estimate)
    off = np.zeros((2, 10), dtype=bool)
    metrics = dwell_metrics(frame_dwell(segments(off, ~off), 2, DT))
    assert np.isnan(metrics["mean_off_s"].estimate)
    assert metrics["on_share"].estimate == 0


def test_dwell_of_intervals_by_hand():
    """Track a is imaged from 10 to 100 s: on before, on again from 40 to 60, and from 90 beyond the end."""
    table = pd.DataFrame({"track_id": ["a", "a", "a", "x"], "start_s": [0, 40, 90, 50], "end_s": [15, 60, 130, 60]})
    counts = interval_dwell(table, ["b", "a"], np.array([0.0, 10]), np.array([50.0, 100]))
    assert counts.time_s.tolist() == [[50, 0], [55, 35]]
    assert counts.ends.tolist() == [[0, 0], [2, 2]]


def test_simulated_bursts_have_the_rate_they_were_made_with():
    config = SimulationConfig(n_tracks=60, n_frames=301, beads=50, loci=(10, 20))
    truth = simulate(config, seed=4).truth
    ids = [f"t{i:06d}" for i in range(60)]
    exact = interval_dwell(truth.promoter_state, ids, np.zeros(60), np.full(60, config.duration_s))
    found = interval(dwell_metrics(exact)["k_off_per_s"], resample_counts(60, 400, seed=0), 0.99)
    assert found.low < config.k_off_per_s < found.high


def test_survival_is_the_product_limit_estimate_of_scipy(telegraph):
    found = segments(telegraph[1][:20], np.random.default_rng(5).random((20, 301)) < 0.97)
    longest = int(found["frames"].max())
    for state in (0, 1):
        kept = found[(found["state"] == state) & found["begun"]]
        uncensored, censored = (kept.loc[kept["ended"] == flag, "frames"].to_numpy() for flag in (True, False))
        # A segment that was cut off in its n-th frame may end there: it was followed for n - 1 steps.
        data = stats.CensoredData(uncensored=uncensored, right=censored - 1)
        expected = stats.ecdf(data).sf.evaluate(np.arange(longest + 1))
        survival = survival_metric(found, 20, state, longest)
        np.testing.assert_allclose(survival.estimate, expected, atol=1e-12)


def test_short_tracks_show_the_lengths_of_long_ones(telegraph):
    """Cut into windows of 10 frames, most segments meet an edge; the whole ones alone would be far too short."""
    state = telegraph[1][:, :300]
    short = state.reshape(-1, 10)
    whole, cut = (segments(grid, np.ones_like(grid)) for grid in (state, short))
    expected = survival_metric(whole, 300, 0, 300).estimate[:9]
    np.testing.assert_allclose(survival_metric(cut, short.shape[0], 0, 300).estimate[:9], expected, atol=0.03)
    complete = cut.loc[(cut["state"] == 0) & cut["begun"] & cut["ended"], "frames"]
    assert (complete > 4).mean() < expected[4] - 0.2


def test_densities_hold_the_segments_and_distance_is_the_largest_gap(telegraph):
    state = telegraph[1]
    found = segments(state, np.ones_like(state))
    longest = int(found["frames"].max())
    edges = length_edges(longest, 12)
    assert edges[0] == 1 and edges[-1] == longest + 1 and (np.diff(edges) > 0).all()
    on, off = (survival_metric(found, 300, code, longest) for code in (1, 0))
    mass = length_metric(on, edges, DT).estimate * np.diff(edges) * DT
    assert mass.sum() == pytest.approx(1)
    assert mass[0] == pytest.approx(1 - on.estimate[edges[1] - 1])
    assert length_distance(on, off).estimate == pytest.approx(np.abs(on.estimate - off.estimate).max())
    assert length_distance(on, on).estimate == 0
