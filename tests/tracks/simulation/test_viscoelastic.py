"""A chain with memory, against the Mittag-Leffler function in closed form, Rouse's chain, and power laws."""

import numpy as np
import pytest
from scipy.special import erfcx

from contactlens.tracks.simulation.rouse import RouseChain, SeparationSampler
from contactlens.tracks.simulation.viscoelastic import ViscoelasticChain

CHAIN = RouseChain(beads=500, loci=(200, 300), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=6e3)
LAG = np.array([0.0, 0.01, 1.0, 30.0, 1e3, 1e5])


@pytest.mark.parametrize("trap_s", [None, 500.0])
def test_covariance_at_exponent_a_quarter_is_the_closed_form(trap_s: float | None) -> None:
    """E_1/2(-x) = exp(x^2) erfc(x)."""
    chain = ViscoelasticChain(CHAIN, 0.25, trap_s)
    variance, stiffness = chain.stiff_modes()
    expected = (variance * erfcx(stiffness * np.sqrt(LAG)[:, None])).sum(axis=1)
    np.testing.assert_allclose(chain.covariance(LAG), expected, rtol=1e-6)


def test_exponent_one_half_is_the_rouse_chain_and_is_reached_without_a_jump() -> None:
    np.testing.assert_allclose(ViscoelasticChain(CHAIN, 0.5).covariance(LAG), CHAIN.covariance(LAG), rtol=1e-12)
    near = ViscoelasticChain(CHAIN, 0.495).covariance(LAG) / CHAIN.covariance(np.zeros(1))
    np.testing.assert_allclose(near, CHAIN.covariance(LAG) / CHAIN.covariance(np.zeros(1)), atol=0.02)


@pytest.mark.parametrize("exponent", [0.2, 0.37, 0.45])
def test_short_time_msd_has_the_asked_amplitude_and_exponent(exponent: float) -> None:
    chain = ViscoelasticChain(CHAIN, exponent)
    lag = np.geomspace(3, 100, 12)
    msd = 6 * (chain.covariance(np.zeros(1)) - chain.covariance(lag))
    np.testing.assert_allclose(msd, 6e3 * lag**exponent, rtol=0.02)
    slope = np.polyfit(np.log(lag), np.log(msd), 1)[0]
    assert slope == pytest.approx(exponent, abs=0.005)


def test_a_trapped_dimer_relaxes_at_the_sum_of_both_rates() -> None:
    dimer = RouseChain(beads=2, loci=(0, 1), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=6e3)
    spring, trap = 2 * dimer.spring_rate_per_s, 1 / 50.0
    trapped = ViscoelasticChain(dimer, 0.5, 50.0)
    expected = dimer.axis_variance_nm2 * spring / (spring + trap) * np.exp(-(spring + trap) * LAG)
    np.testing.assert_allclose(trapped.covariance(LAG), expected, rtol=1e-10, atol=1e-300)


def test_a_trap_lowers_the_plateau_and_leaves_short_times_alone() -> None:
    free, held = ViscoelasticChain(CHAIN, 0.4), ViscoelasticChain(CHAIN, 0.4, 2000.0)
    assert held.covariance(np.zeros(1))[0] < 0.8 * free.covariance(np.zeros(1))[0]
    lag = np.array([3.0, 10.0])
    msd = [6 * (c.covariance(np.zeros(1)) - c.covariance(lag)) for c in (free, held)]
    np.testing.assert_allclose(msd[0], msd[1], rtol=0.03)


def test_drawn_paths_have_the_covariance() -> None:
    chain, n, step = ViscoelasticChain(CHAIN, 0.37, 3000.0), 3000, 3.0
    paths = SeparationSampler(chain, 200, step).draw(n, np.random.default_rng(5)).astype(np.float64)
    expected = chain.covariance(np.arange(200) * step)
    for start, lag in [(0, 0), (0, 1), (40, 10), (0, 199)]:
        product = paths[:, :, start] * paths[:, :, start + lag]
        assert abs(product.mean() - expected[lag]) < 4 * product.std() / np.sqrt(product.size)
    for lag in (1, 10):
        step_ = ((paths[:, :, lag:] - paths[:, :, :-lag]) ** 2).sum(axis=1).mean(axis=1)
        msd = 6 * (expected[0] - expected[lag])
        assert abs(step_.mean() - msd) < 4 * step_.std() / np.sqrt(n)
