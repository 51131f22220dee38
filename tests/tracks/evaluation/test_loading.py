"""Alignment against an optimal assignment, and on times whose agreement is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from contactlens.tracks.evaluation.config import LoadingEvaluationConfig
from contactlens.tracks.evaluation.loading import (
    LoadingTimes,
    circular_shift,
    event_table,
    matched,
    rate_matched_random,
    score_loading,
    true_loading,
)
from contactlens.tracks.simulation.promoter import Events, poisson_events
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate

TRACKS, DURATION, INTERVAL = 30, 3000.0, 30.0
CONFIG = LoadingEvaluationConfig(tolerance_frames=(0.5, 1.0), bootstrap_replicates=200)


def bursts_of_loading(seed: int) -> Events:
    """In each track one stretch of 600 s with a loading in 6 s."""
    rng = np.random.default_rng(seed)
    events = poisson_events(1 / 6, TRACKS, 0.0, 600.0, rng)
    return Events(events.track, events.time_s + rng.uniform(0, DURATION - 600, size=TRACKS)[events.track])


def times(true: Events, **found: Events) -> LoadingTimes:
    return LoadingTimes(true, found, np.full(TRACKS, DURATION))


def moved(events: Events, by_s: float) -> Events:
    return Events(events.track, events.time_s + by_s)


@pytest.mark.parametrize("tolerance_s", [0.0, 3.0, 40.0])
def test_matches_are_as_many_as_an_optimal_assignment_finds(tolerance_s: float) -> None:
    rng = np.random.default_rng(1)
    found, true = (poisson_events(rate, 40, 0.0, 500.0, rng) for rate in (0.05, 0.08))
    by_hand = []
    for track in range(40):
        mine, theirs = (events.time_s[events.track == track] for events in (found, true))
        near = csr_array(np.abs(mine[:, None] - theirs) <= tolerance_s)
        by_hand.append((maximum_bipartite_matching(near, perm_type="column") >= 0).sum())
    np.testing.assert_array_equal(matched(found, true, tolerance_s, 40), by_hand)


def test_controls_keep_the_number_of_times_and_only_the_turned_one_keeps_their_gaps() -> None:
    events, duration = bursts_of_loading(2), np.full(TRACKS, DURATION)
    for control in (rate_matched_random, circular_shift):
        drawn = control(events, duration, np.random.default_rng(3))
        np.testing.assert_array_equal(drawn.track, events.track)
        assert drawn.time_s.min() >= 0
        assert drawn.time_s.max() <= DURATION
        assert all(np.all(np.diff(drawn.time_s[drawn.track == track]) >= 0) for track in range(TRACKS))

    def median_gap(found: Events) -> float:
        return float(np.median(np.diff(found.time_s)))

    turned = circular_shift(events, duration, np.random.default_rng(3))
    random = rate_matched_random(events, duration, np.random.default_rng(3))
    assert median_gap(turned) == pytest.approx(median_gap(events), rel=0.1)
    assert median_gap(random) > 3 * median_gap(events)


def test_a_constant_delay_is_found_on_validation_and_taken_off() -> None:
    """One model is the truth 30 s late, another the truth itself; after the correction both are right."""
    validation, test = bursts_of_loading(4), bursts_of_loading(5)
    late = {"network": moved(validation, 30.0), "exact": validation}, {"network": moved(test, 30.0), "exact": test}
    result = score_loading(times(validation, **late[0]), times(test, **late[1]), INTERVAL, CONFIG, seed=0)
    assert result.lag_s["network"] == pytest.approx(-30.0, abs=15.0)
    assert result.lag_s["exact"] == 0
    metrics = result.metrics.set_index(["model", "metric"])["estimate"]
    assert metrics["network", "f1_within_15s"] > 0.99
    assert metrics["exact", "f1_within_15s"] == 1
    assert metrics["rate_matched_random", "f1_within_15s"] < 0.4
    assert metrics["circular_shift", "f1_within_15s"] < 0.4


def test_scores_are_counts_over_all_tracks_and_differences_are_paired() -> None:
    """The network misses every second loading; the other model doubles every loading."""
    true = bursts_of_loading(6)
    half = true.keep(np.arange(true.time_s.size) % 2 == 0)
    double = Events(np.repeat(true.track, 2), np.repeat(true.time_s, 2))
    both = times(true, network=half, double=double)
    result = score_loading(both, both, INTERVAL, replace(CONFIG, tolerance_frames=(0.01,)), seed=0)
    metrics = result.metrics.set_index(["model", "metric"])
    estimate = metrics["estimate"]
    assert estimate["network", "precision_within_0.3s"] == 1
    assert estimate["network", "recall_within_0.3s"] == pytest.approx(0.5, abs=0.01)
    assert estimate["network", "f1_within_0.3s"] == pytest.approx(2 / 3, abs=0.01)
    assert estimate["double", "precision_within_0.3s"] == 0.5
    assert estimate["double", "recall_within_0.3s"] == 1
    gap = metrics.loc[("network", "recall_within_0.3s_minus_double")]
    assert gap["low"] < gap["estimate"] < gap["high"] < -0.4
    counts = result.per_track.query("model == 'double'")
    assert counts["matched"].tolist() == counts["true"].tolist() == (counts["found"] / 2).tolist()


def test_true_times_count_from_each_tracks_first_observed_frame() -> None:
    track_set = simulate(SimulationConfig(n_tracks=4, n_frames=301), seed=0)
    frames, table = track_set.frames, track_set.truth.pol2_loading
    busy = table["track_id"].mode()[0]
    other = next(name for name in frames["track_id"] if name != busy)
    cut = replace(track_set, frames=frames[(frames["track_id"] != busy) | frames["frame"].between(5, 260)])
    events, duration = true_loading(cut, [busy, other])
    assert duration.tolist() == [255 * 30.0, 300 * 30.0]
    expected = table.loc[table["track_id"] == busy, "time_s"].to_numpy() - 150.0
    expected = expected[(expected >= 0) & (expected <= 255 * 30.0)]
    assert expected.size > 0
    np.testing.assert_array_equal(events.time_s[events.track == 0], expected)
    with pytest.raises(ValueError, match="no true loading"):
        true_loading(replace(track_set, truth=None), [busy])


def test_the_same_seed_gives_the_same_tables() -> None:
    both = times(bursts_of_loading(7), network=bursts_of_loading(8))
    first, second = (score_loading(both, both, INTERVAL, CONFIG, seed=1) for _ in range(2))
    for name in first.TABLES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def test_times_are_on_the_clock_of_the_track_set() -> None:
    true = Events(np.array([0, 0, 1]), np.array([3.0, 40.0, 0.12345]))
    found = {
        "network": Events(np.array([1]), np.array([10.0])),
        "silent": Events(np.array([], dtype=int), np.array([])),
    }
    table = event_table(LoadingTimes(true, found, np.array([60.0, 60.0])), ["a", "b"], np.array([0.0, 300.0]))
    assert table.to_dict("list") == {
        "model": ["truth", "truth", "truth", "network"],
        "track_id": ["a", "a", "b", "b"],
        "time_s": [3.0, 40.0, 300.123, 310.0],
    }
