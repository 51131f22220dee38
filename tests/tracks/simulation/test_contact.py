"""Laws of contact: which candidates take effect at which distance, and contact with hysteresis."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.contact import (
    Bridge,
    effect_probability,
    hysteresis,
    mean_effect_probability,
    takes_effect,
)
from contactlens.tracks.simulation.experiment import simulate_arrays
from contactlens.tracks.simulation.rouse import SeparationSampler
from contactlens.tracks.simulation.viscoelastic import ViscoelasticChain

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
    path = np.zeros((5000, 3, 9), np.float32)
    path[:, 1] = distance
    track, place = (a.ravel() for a in np.indices((5000, 9)))
    effect = takes_effect(config, path, track, place + 0.5, None, np.random.default_rng(3))
    share, expected = effect.reshape(5000, 9).mean(axis=0), effect_probability(config, distance)
    assert (np.abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / 5000) + 1e-12).all()


def test_hysteresis_keeps_contact_between_the_two_radii() -> None:
    distance = np.array([[5.0, 1, 3, 3, 6, 3, 1, 3, 5], [3, 3, 6, 3, 1, 1, 4, 3, 3]])
    expected = np.array([[0, 1, 1, 1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(hysteresis(distance, 2.0, 5.0), expected)


def test_hysteresis_with_one_radius_is_a_step() -> None:
    distance = np.random.default_rng(0).uniform(0, 4, size=(20, 300))
    np.testing.assert_array_equal(hysteresis(distance, 2.0, 2.0), distance < 2)


def test_a_point_between_two_of_a_path_belongs_to_the_same_process() -> None:
    """Its squared distance against that of a later point: for Gaussian vectors Cov = 2 x 3 axes x covariance^2."""
    config = SimulationConfig(msd_exponent=0.37)
    motion, step, n = ViscoelasticChain(SimulationConfig().chain, 0.37), 3.0, 60_000
    path = SeparationSampler(motion, 4, step).draw(n, np.random.default_rng(0))
    bridge, track = Bridge(motion, step), np.arange(n)
    for into in (0.1, 0.5, 0.9):
        between = bridge.squared_distance(path, track, np.full(n, 1 + into), np.random.default_rng(1))
        distance = np.sqrt(between)
        scale = np.sqrt(config.chain.covariance(np.zeros(1))[0])
        assert stats.kstest(distance, stats.maxwell(scale=scale).cdf).pvalue > 1e-3
        for point in (1, 2, 3):
            expected = 6 * motion.covariance(np.array([abs(1 + into - point) * step]))[0] ** 2
            product = (between - between.mean()) * ((path[:, :, point] ** 2).sum(axis=1) - 3 * scale**2)
            assert abs(product.mean() - expected) < 4 * product.std() / np.sqrt(n)


@pytest.mark.slow
def test_contact_between_sub_steps_is_the_limit_of_fine_sub_steps() -> None:
    """Onsets per second off: held over 3 s, contact gives 5-8 % too few at the default radius."""

    def rate(substeps: int, between: bool) -> tuple[float, float]:
        config = SimulationConfig(n_tracks=1200, n_frames=301, beads=200, loci=(60, 140))
        made = simulate_arrays(replace(config, substeps_per_frame=substeps, contact_between_substeps=between), 5)
        onsets = int((made.bursts.start_s > 0).sum())
        return onsets / float((~made.promoter_on).sum() * 30), onsets**-0.5

    (limit, error), between, held = rate(100, False), rate(10, True)[0], rate(10, False)[0]
    assert between / limit == pytest.approx(1, abs=4 * error)
    assert held / between == pytest.approx(0.935, abs=0.025)  # of the same paths
