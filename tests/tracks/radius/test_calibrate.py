"""Draws of the parameters beside the radius, against the regression that they are made by."""

import numpy as np
import pytest

from contactlens.tracks.radius.calibrate import Confidence, Experiments, joint_draws


def test_parameters_are_drawn_by_their_regression_on_the_fit_and_the_radius() -> None:
    """Experiments in which log k_on is 3 - 2 log r and k_off what was fitted, each with noise of its own."""
    rng = np.random.default_rng(0)
    radius, fitted = rng.normal(4.6, 0.3, 4000), rng.normal(-1.0, 0.4, 4000)
    k_on = 3 - 2 * radius + rng.normal(0, 0.05, 4000)
    k_off = fitted + rng.normal(0, 0.2, 4000)
    truth = np.column_stack([radius, k_on, k_off])
    estimate = np.column_stack([radius + rng.normal(0, 0.2, 4000), rng.normal(size=4000), fitted])
    grid = np.linspace(4.0, 5.0, 201)
    found = Confidence(grid, np.clip((4.7 - grid) / 0.2 + 0.5, 0.0, 1.0))  # evenly from 4.6 to 4.8
    drawn = joint_draws(Experiments(truth, estimate, np.zeros(4000)), np.array([4.7, 0.0, -1.3]), found, 4000, rng)
    assert drawn[:, 0].min() == pytest.approx(4.6, abs=0.005) and drawn[:, 0].max() == pytest.approx(4.8, abs=0.005)
    beside = drawn[:, 1] - (3 - 2 * drawn[:, 0])
    assert beside.mean() == pytest.approx(0.0, abs=0.02) and beside.std() == pytest.approx(0.05, rel=0.1)
    assert drawn[:, 2].mean() == pytest.approx(-1.3, abs=0.02) and drawn[:, 2].std() == pytest.approx(0.2, rel=0.1)
