"""The filter against enumeration of every history, and all derivatives against differences."""

from itertools import product

import numpy as np
import pytest
from radius_inputs import REPORTER, experiment
from scipy.stats import multivariate_normal

from contactlens.tracks.data.motion import covariance_sums, motion_of
from contactlens.tracks.radius.model.exposure import exposure_of
from contactlens.tracks.radius.model.filter import forward_backward
from contactlens.tracks.radius.model.laws import LAWS, Law, parameter_names
from contactlens.tracks.radius.model.likelihood import Likelihood
from contactlens.tracks.radius.model.response import frames_per_block, response_of
from contactlens.tracks.simulation.reporter import Reporter

SHORT = response_of(Reporter(10.0, 50.0, 1.0), 30.0)  # two blocks of memory: eight compound states
AMPLITUDE, UNIT, BACKGROUND, VARIANCE = 0.1, 0.8, 0.3, 0.5


def density(y: np.ndarray, b: int, c: int) -> float:
    """p(y_b | y_(b-1), compound state c), from the joint Gaussian of both."""
    m0, m1, v0, v1, v01, q0, q1, q01 = SHORT.tables[c]
    a, u = AMPLITUDE, UNIT
    mean = BACKGROUND + a * np.array([m0, m1])
    cov = a * a * np.array([[v0, v01], [v01, v1]]) + a * u * np.array([[q0, q01], [q01, q1]]) + VARIANCE * np.eye(2)
    if np.isnan(y[b]):
        return 1.0
    if b == 0 or np.isnan(y[b - 1]):
        return float(multivariate_normal(mean[0], cov[0, 0]).pdf(y[b]))
    joint = multivariate_normal(mean, cov).pdf([y[b], y[b - 1]])
    return float(joint / multivariate_normal(mean[1], cov[1, 1]).pdf(y[b - 1]))


def enumerate_histories(y: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[float, np.ndarray]:
    """Log likelihood and P(on) at each block, by summing over all histories of the promoter."""
    blocks, memory = len(y), SHORT.intervals
    mean_up, mean_down = up[1:].mean(), down[1:].mean()
    total, on = 0.0, np.zeros(blocks)
    for history in product((0, 1), repeat=memory + blocks):
        p = (mean_up if history[0] else mean_down) / (mean_up + mean_down)
        for k in range(1, len(history)):
            b = k - memory
            rise, fall = (up[b], down[b]) if b > 0 else (mean_up, mean_down)
            to_on = rise if history[k - 1] == 0 else 1 - fall
            p *= to_on if history[k] else 1 - to_on
        for b in range(blocks):
            c = sum(history[memory + b - k] << k for k in range(memory + 1))
            p *= density(y, b, c)
        total += p
        on += p * np.array(history[memory:])
    return float(np.log(total)), on / total


@pytest.mark.parametrize("missing", [(), (2,), (0, 4)])
def test_filter_equals_enumeration(missing: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    y = np.array([0.2, 1.5, 4.0, 5.5, 3.0, 0.7])
    y[list(missing)] = np.nan
    up, down = rng.uniform(0.05, 0.5, 6), rng.uniform(0.1, 0.6, 6)
    logs, _, _, _, on = forward_backward(
        y[None], up[None], down[None], np.array([AMPLITUDE]), UNIT, BACKGROUND, VARIANCE, SHORT.tables, True
    )
    expected, expected_on = enumerate_histories(y, up, down)
    assert logs[0] == pytest.approx(expected, abs=1e-7)
    assert on[0] == pytest.approx(expected_on, abs=1e-6)


START = {
    "none": [np.log(1e-3)],
    "step": [np.log(100.0), np.log(2e-3), np.log(0.01)],
    "gaussian": [np.log(80.0), np.log(2e-3), np.log(0.01)],
    "logistic": [np.log(90.0), np.log(2e-3), np.log(0.01), np.log(0.2)],
    "monotone": list(np.log([0.05, 0.03, 0.02, 0.01, 1e-3, 1e-4])),
}


@pytest.mark.parametrize("law", LAWS)
def test_derivatives_equal_differences(law: Law) -> None:
    observations = experiment(6, 60, seed=2)
    observations.driver[1, 10:14] = np.nan
    observations.signal[1, 10:14] = np.nan
    observations.signal[2, 50:] = np.nan
    motion = motion_of(covariance_sums(observations.driver).sum(axis=0), 30.0, 30.0)
    exposure = exposure_of(observations, motion, 10, 32, 1, seed=0)
    response = response_of(REPORTER, 30.0)
    amplitude = np.linspace(0.8, 1.2, 6)
    blocks = response.blocks(observations.signal)
    likelihood = Likelihood(law, exposure, response, blocks, amplitude, least_noise=0.7)
    theta = np.array([*START[law], np.log(1 / 150), np.log(1 / 6), np.log(1.1), 0.1, np.log(2.0)])
    assert len(START[law]) == len(parameter_names(law))
    _, scores = likelihood(theta)
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = 1e-4
        difference = (likelihood(theta + step, False)[0] - likelihood(theta - step, False)[0]) / 2e-4
        assert scores[:, j] == pytest.approx(difference, rel=2e-3, abs=2e-3), likelihood.names[j]


def test_blocks_hold_the_reporters_memory() -> None:
    assert frames_per_block(140.0, 30.0) == 1
    assert frames_per_block(140.0, 60.0) == 1
    assert frames_per_block(140.0, 10.0) == 4  # 170 s seen within 5 blocks of 40 s
    signal = np.array([[1.0, 3.0, np.nan, 5.0, np.nan, np.nan, np.nan, 2.0]])
    assert response_of(REPORTER, 10.0).blocks(signal)[0] == pytest.approx([3.0, np.nan], nan_ok=True)


def test_state_moments_are_those_of_simulated_loading() -> None:
    """Mean, variance and covariance of two frames' signals for a promoter that switched on within the last interval
    but one, from loading drawn event by event."""
    rng = np.random.default_rng(3)
    response = response_of(REPORTER, 30.0)
    rate, draws = 1 / 6, 40_000
    switch = -60.0 + 30.0 * rng.uniform(size=draws)  # frames at 0 and -30 s
    counts = rng.poisson(rate * -switch)
    times = np.repeat(switch, counts) * (1 - rng.uniform(size=counts.sum()))
    owner = np.repeat(np.arange(draws), counts)
    frames = []
    for at in (0.0, -30.0):
        lag = at - times
        shown = np.where((lag >= 0) & (lag < 140), np.minimum(lag / 28, 1.0), 0.0)
        frames.append(np.bincount(owner, shown, minlength=draws))
    m0, m1, v0, v1, v01, q0, q1, q01 = response.tables[0b000011]
    assert frames[0].mean() == pytest.approx(rate * m0, rel=0.01)
    assert frames[1].mean() == pytest.approx(rate * m1, rel=0.02)
    assert np.var(frames[0]) == pytest.approx(rate**2 * v0 + rate * q0, rel=0.03)
    assert np.var(frames[1]) == pytest.approx(rate**2 * v1 + rate * q1, rel=0.03)
    assert np.cov(frames)[0, 1] == pytest.approx(rate**2 * v01 + rate * q01, rel=0.05)
