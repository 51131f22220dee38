"""Paths against a chain whose every path can be summed, and against chains whose switches are known."""

from itertools import pairwise, product

import numpy as np
import pytest

from contactlens.tracks.evaluation.dwell_times import dwell_metrics, expected_dwell, frame_dwell, segments
from contactlens.tracks.evaluation.state_posterior import Coupling, both_on

DT, ON, OFF = 20.0, 0.04, 0.12  # chance to switch on, off from one frame to the next
STEP = np.array([[1 - ON, ON], [OFF, 1 - OFF]])
START = np.array([OFF, ON]) / (ON + OFF)
ODDS_RATIO = (1 - ON) * (1 - OFF) / (ON * OFF)


def telegraph(tracks: int, frames: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """States and a signal of that noise SD, (tracks, frames) each."""
    rng = np.random.default_rng(seed)
    state = np.empty((tracks, frames), dtype=int)
    state[:, 0] = rng.random(tracks) < START[1]
    for t in range(1, frames):
        state[:, t] = rng.random(tracks) < STEP[state[:, t - 1], 1]
    return state, state + noise * rng.normal(size=state.shape)


def likelihood(signal: np.ndarray, noise: float) -> np.ndarray:
    """(tracks, frames, 2)"""
    return np.exp(-0.5 * ((signal[..., None] - np.arange(2)) / noise) ** 2)


def smoothed(signal: np.ndarray, noise: float) -> np.ndarray:
    """P(on) of each frame given the whole track, by forward and backward passes."""
    seen = likelihood(signal, noise)
    forward, backward = np.empty_like(seen), np.ones_like(seen)
    forward[:, 0] = START * seen[:, 0]
    for t in range(1, seen.shape[1]):
        forward[:, t] = (forward[:, t - 1] @ STEP) * seen[:, t]
        forward[:, t] /= forward[:, t].sum(axis=1, keepdims=True)
    for t in reversed(range(seen.shape[1] - 1)):
        backward[:, t] = (backward[:, t + 1] * seen[:, t + 1]) @ STEP.T
        backward[:, t] /= backward[:, t].sum(axis=1, keepdims=True)
    both = forward * backward
    return both[..., 1] / both.sum(axis=2)


def test_two_frames_keep_their_margins_and_have_the_odds_ratio() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0.01, 0.99, size=(2, 500))
    for odds_ratio in (0.2, 1.0, 30.0):
        on = both_on(first, second, odds_ratio)
        off = 1 - first - second + on
        assert min(on.min(), off.min(), (first - on).min(), (second - on).min()) > 0
        np.testing.assert_allclose(on * off / ((first - on) * (second - on)), odds_ratio, rtol=1e-6)
    np.testing.assert_allclose(both_on(first, second, 1.0), first * second)
    np.testing.assert_array_equal(both_on(np.array([0.0, 1.0]), np.array([0.3, 0.3]), 50.0), [0.0, 0.3])


def test_the_margins_and_the_chains_odds_ratio_are_the_whole_posterior_of_a_hidden_chain() -> None:
    noise = 0.8
    signal = telegraph(3, 7, noise, seed=1)[1]
    seen = likelihood(signal, noise)
    found = Coupling(ODDS_RATIO).posterior(
        smoothed(signal, noise), np.ones(signal.shape, bool), np.random.default_rng(0)
    )
    for track in range(3):
        up, down, total = np.zeros(6), np.zeros(6), 0.0
        for path in product((0, 1), repeat=7):
            weight = START[path[0]] * np.prod([seen[track, t, s] for t, s in enumerate(path)])
            weight *= np.prod([STEP[a, b] for a, b in pairwise(path)])
            total += weight
            up += weight * ((np.diff(path)) == 1)
            down += weight * ((np.diff(path)) == -1)
        np.testing.assert_allclose(found.up[track], up / total, rtol=1e-8)
        np.testing.assert_allclose(found.down[track], down / total, rtol=1e-8)


def test_paths_have_the_switches_that_are_expected() -> None:
    probability = np.tile(smoothed(telegraph(1, 30, 0.8, seed=2)[1], 0.8), (40_000, 1))
    found = Coupling(ODDS_RATIO).posterior(probability, np.ones(probability.shape, bool), np.random.default_rng(3))
    np.testing.assert_allclose(found.path.mean(axis=0), probability[0], atol=0.012)
    np.testing.assert_allclose((~found.path[:, :-1] & found.path[:, 1:]).mean(axis=0), found.up[0], atol=0.012)
    np.testing.assert_allclose((found.path[:, :-1] & ~found.path[:, 1:]).mean(axis=0), found.down[0], atol=0.012)


def test_rates_are_recovered_where_a_threshold_cuts_segments_short_or_joins_them() -> None:
    """The true rates lie in what is expected; calling frames on at 0.5, or at 0.1, gives others."""
    noise = 0.9
    fitted_state, fitted_signal = telegraph(150, 300, noise, seed=4)
    coupling = Coupling.fit(fitted_state, smoothed(fitted_signal, noise), np.ones(fitted_state.shape, bool))
    assert np.log(coupling.odds_ratio) == pytest.approx(np.log(ODDS_RATIO), abs=0.3)
    state, signal = telegraph(150, 300, noise, seed=5)
    probability, observed = smoothed(signal, noise), np.random.default_rng(6).random(state.shape) < 0.9
    posterior = coupling.posterior(probability, observed, np.random.default_rng(7))
    found = dwell_metrics(expected_dwell(posterior, observed, DT))
    true = dwell_metrics(frame_dwell(segments(state > 0, observed), 150, DT))
    for name in ("mean_on_s", "mean_off_s", "k_on_per_s", "k_off_per_s", "switches_per_h"):
        assert found[name].estimate == pytest.approx(true[name].estimate, rel=0.05), name
    assert true["switches_per_h"].estimate == pytest.approx(3600 / DT * 2 * START[0] * ON, rel=0.05)
    drawn = dwell_metrics(frame_dwell(segments(posterior.path, observed), 150, DT))
    assert drawn["mean_on_s"].estimate == pytest.approx(true["mean_on_s"].estimate, rel=0.08)
    for threshold in (0.5, 0.1):
        called = dwell_metrics(frame_dwell(segments(probability >= threshold, observed), 150, DT))
        assert abs(called["mean_on_s"].estimate / true["mean_on_s"].estimate - 1) > 0.15, threshold


def test_unobserved_frames_are_not_read_and_certain_ones_are_kept() -> None:
    state, _ = telegraph(20, 60, 1.0, seed=8)
    observed = np.random.default_rng(9).random(state.shape) < 0.8
    spoilt = np.where(observed, state.astype(float), np.nan)
    assert Coupling.fit(state, spoilt, observed).odds_ratio > 0
    found = Coupling(5.0).posterior(spoilt, observed, np.random.default_rng(0))
    np.testing.assert_array_equal(found.path[observed], state[observed] > 0)
    exact, counted = (expected_dwell(found, observed, DT), frame_dwell(segments(state > 0, observed), 20, DT))
    np.testing.assert_allclose(exact.time_s, counted.time_s, atol=1e-6)
    np.testing.assert_allclose(exact.ends, counted.ends, atol=1e-6)


def test_frames_that_have_no_neighbour_have_no_coupling() -> None:
    state, observed = np.zeros((2, 4)), np.array([[1, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    assert Coupling.fit(state, np.full(state.shape, 0.5), observed).odds_ratio == 1.0
