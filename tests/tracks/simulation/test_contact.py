"""Laws of contact: which candidates take effect at which distance, and contact with hysteresis."""

import numpy as np
import pytest
from scipy import stats

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.contact import (
    effect_probability,
    hysteresis,
    mean_effect_probability,
    takes_effect,
)
from contactlens.tracks.simulation.promoter import Events

AXIS_SD = 300 / np.sqrt(8 / np.pi)


def test_laws_at_known_distances() -> None:
    distance = np.array([0.0, 99.9, 100.0, 200.0, 1e5])
    laws = {
        "step": [1, 1, 0, 0, 0],
        "none": [1, 1, 1, 1, 1],
        "gaussian": [1, np.exp(-(0.999**2)), np.exp(-1), np.exp(-4), 0],
        "logistic": [1 / (1 + np.exp(-4)), 0.501, 0.5, 1 / (1 + np.exp(4)), 0],
    }
    for law, expected in laws.items():
        np.testing.assert_allclose(effect_probability(SimulationConfig(contact_law=law), distance), expected, atol=1e-9)


def test_mean_over_the_stationary_distance_is_that_of_maxwell() -> None:
    step = mean_effect_probability(SimulationConfig(contact_radius_nm=100.0))
    assert step == pytest.approx(stats.maxwell(scale=AXIS_SD).cdf(100.0), rel=1e-3)
    smooth = mean_effect_probability(SimulationConfig(contact_radius_nm=100.0, contact_law="gaussian"))
    assert smooth == pytest.approx((1 + 2 * (AXIS_SD / 100) ** 2) ** -1.5, rel=1e-6)


@pytest.mark.parametrize("law", ["gaussian", "logistic", "none", "step"])
def test_share_of_candidates_that_take_effect_follows_the_law(law: str) -> None:
    config = SimulationConfig(contact_law=law, contact_radius_nm=120.0)
    distance = np.linspace(0, 400, 9)
    squared = np.tile(distance**2, (5000, 1)).astype(np.float32)
    track, place = (a.ravel() for a in np.indices(squared.shape))
    effect = takes_effect(config, squared, Events(track, place * 1.0), place, np.random.default_rng(3))
    share, expected = effect.reshape(squared.shape).mean(axis=0), effect_probability(config, distance)
    assert (np.abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / 5000) + 1e-12).all()


def test_hysteresis_keeps_contact_between_the_two_radii() -> None:
    distance = np.array([[5.0, 1, 3, 3, 6, 3, 1, 3, 5], [3, 3, 6, 3, 1, 1, 4, 3, 3]])
    expected = np.array([[0, 1, 1, 1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(hysteresis(distance, 2.0, 5.0), expected)


def test_hysteresis_with_one_radius_is_a_step() -> None:
    distance = np.random.default_rng(0).uniform(0, 4, size=(20, 300))
    np.testing.assert_array_equal(hysteresis(distance, 2.0, 2.0), distance < 2)
