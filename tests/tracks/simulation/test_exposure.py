"""Motion blur against plain integrals over the exposure, fractional Brownian motion's known bias, and drawn paths."""

import numpy as np
import pytest

from contactlens.tracks.simulation.exposure import ExposedSampler, blurred_covariance, cross_covariance
from contactlens.tracks.simulation.rouse import Motion, RouseChain, SeparationSampler
from contactlens.tracks.simulation.viscoelastic import ViscoelasticChain

CHAIN = RouseChain(beads=500, loci=(200, 300), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=6e3)
MOTIONS = [CHAIN, ViscoelasticChain(CHAIN, 0.37, 4000.0)]


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("exposure_s", [0.5, 10.0, 30.0])
def test_covariances_are_the_integrals_over_the_exposure(motion: Motion, exposure_s: float) -> None:
    lags = exposure_s * np.array([0.0, 0.2, 0.5, 0.9, 1.0, 3.0, 50.0])
    u = (np.arange(8000) + 0.5) / 8000 - 0.5
    across = [motion.covariance(np.abs(lag + exposure_s * u)).mean() for lag in lags]
    np.testing.assert_allclose(cross_covariance(motion, exposure_s, lags), across, rtol=1e-5)
    weight = 1 - np.abs(2 * u)
    twice = [np.average(motion.covariance(np.abs(lag + 2 * exposure_s * u)), weights=weight) for lag in lags]
    np.testing.assert_allclose(blurred_covariance(motion, exposure_s, lags), twice, rtol=1e-5)


def test_blur_biases_the_msd_as_it_does_for_fractional_brownian_motion() -> None:
    """MSD_blurred = G [(t+e)^(a+2) + (t-e)^(a+2) - 2 t^(a+2) - 2 e^(a+2)] / (e^2 (a+1) (a+2)) while MSD = G t^a."""
    a, e, amplitude = 0.37, 10.0, 6e3
    chain = ViscoelasticChain(CHAIN, a)
    t = np.array([10.0, 20.0, 30.0, 60.0])
    blurred = blurred_covariance(chain, e, np.array([0.0, *t]))
    found = 6 * (blurred[0] - blurred[1:])
    power = a + 2
    bracket = (t + e) ** power + (t - e) ** power - 2 * t**power - 2 * e**power
    np.testing.assert_allclose(found, amplitude * bracket / (e**2 * (a + 1) * power), rtol=0.01)
    sharp = 6 * (chain.covariance(np.zeros(1)) - chain.covariance(t))
    assert (found < 0.8 * sharp).all()


@pytest.mark.parametrize("motion", MOTIONS)
def test_drawn_means_have_their_covariances_and_the_paths_are_those_without_exposure(motion: Motion) -> None:
    n, step, exposure_s = 3000, 3.0, 5.0
    sampler = ExposedSampler(motion, 120, step, exposure_s)
    path, mean = sampler.draw_exposed(n, np.random.default_rng(1), np.random.default_rng(2))
    plain = SeparationSampler(motion, 120, step).draw(n, np.random.default_rng(1))
    np.testing.assert_array_equal(path, plain)
    path, mean = path.astype(np.float64), mean.astype(np.float64)
    lag_s = np.arange(120) * step
    own, cross = blurred_covariance(motion, exposure_s, lag_s), cross_covariance(motion, exposure_s, lag_s)
    for lag in (0, 1, 10, 100):
        for first, second, expected in ((mean, mean, own), (path, mean, cross), (mean, path, cross)):
            product = first[:, :, 10] * second[:, :, 10 + lag]
            assert abs(product.mean() - expected[lag]) < 4 * product.std() / np.sqrt(product.size)
    gap = mean[:, :, 50] - path[:, :, 50]
    expected_gap = motion.covariance(np.zeros(1))[0] + own[0] - 2 * cross[0]
    assert gap.var() == pytest.approx(expected_gap, rel=0.06)
