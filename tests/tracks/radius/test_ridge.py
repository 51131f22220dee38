"""The ridge that experiments are drawn along, and the hazard of a sharp radius within a bin."""

from dataclasses import replace

import numpy as np
import pytest

from contactlens.tracks.radius.model.laws import BINS, DistanceGrid, survival
from contactlens.tracks.radius.ridge import Ridge

LOG_RADIUS = np.linspace(4.0, 5.0, 51)
RIDGE = Ridge(
    np.stack([LOG_RADIUS, -3 * LOG_RADIUS], axis=1),
    -0.5 * ((LOG_RADIUS - 4.4) / 0.05) ** 2,
    np.array([[0.02]]),
    np.diag([1e-12, 0.02**2]),
    0.02,
)


def test_depth_of_the_ridge_is_that_of_a_normal_likelihood() -> None:
    assert RIDGE.within(2.0) == pytest.approx((4.3, 4.5), abs=0.005)
    assert RIDGE.within(1e9) == (4.0, 5.0)
    shallow = replace(RIDGE, value=RIDGE.value / 100)
    assert RIDGE.closed(-1) and not RIDGE.closed(0) and not shallow.closed(-1)  # 72, 32 and 0.7 nats
    assert RIDGE.possible() == pytest.approx((4.4 - 0.05 * 20**0.5, 4.4 + 0.05 * 20**0.5), abs=0.005)


def test_parameters_are_drawn_about_the_ridge_and_its_shift() -> None:
    drawn = RIDGE.spread(np.array([9.0, 0.5]), 4.2, 4.7, 2000, np.random.default_rng(0))
    assert 4.2 <= drawn[:, 0].min() < 4.21 and 4.69 < drawn[:, 0].max() <= 4.7
    rest = drawn[:, 1] + 3 * drawn[:, 0] - 0.5
    assert rest.mean() == pytest.approx(0.0, abs=0.002) and rest.std() == pytest.approx(0.02, rel=0.1)


def test_survival_moves_evenly_with_a_radius_inside_a_bin() -> None:
    """Also where contact is so effective that nobody stays off: no edge of a bin is a place where the radius sticks."""
    grid = DistanceGrid(0.0, 4.0, np.full(BINS, 1 / BINS))
    radius = np.linspace(100.0, 104.0, 9)
    share = radius / grid.edges[-1]  # of the time in contact; the mean rate keeps the rate in contact, 5 per s
    left = [survival("step", np.log([r, 5 * c, 1e-9]), grid, 3.0)[0][25] for r, c in zip(radius, share, strict=True)]
    np.testing.assert_allclose(left, np.linspace(1.0, np.exp(-15.0), 9), atol=1e-6)
    _, slopes = survival("step", np.log([101.0, 0.5, 0.01]), grid, 3.0)
    step = 1e-6
    for i in range(3):
        q = np.log([101.0, 0.5, 0.01])
        ahead, behind = (survival("step", q + s * np.eye(3)[i], grid, 3.0)[0] for s in (step, -step))
        np.testing.assert_allclose(slopes[i], (ahead - behind) / (2 * step), atol=1e-6)
