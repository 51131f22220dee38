"""Proper scores and the residual distribution against quadrature, sampling and known constants."""

import json

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from contactlens.calibration.residuals import ResidualMixture
from contactlens.calibration.scores import Gaussian, gaussian_crps, gaussian_nll


def crps_by_quadrature(cdf, y: float, low: float, high: float) -> float:
    """The definition: the integral of (F(x) - 1[x >= y])^2."""
    below = quad(lambda x: cdf(x) ** 2, low, y, limit=200)[0]
    return below + quad(lambda x: (1 - cdf(x)) ** 2, y, high, limit=200)[0]


@pytest.fixture(scope="module")
def bimodal() -> np.ndarray:
    """Standardised residuals of an on/off signal."""
    rng = np.random.default_rng(0)
    on = rng.random(20_000) < 0.3
    z = np.where(on, 1.5 + 0.5 * rng.normal(size=on.size), -0.6 + 0.2 * rng.normal(size=on.size))
    return (z - z.mean()) / z.std()


@pytest.fixture(scope="module")
def mixture(bimodal: np.ndarray) -> ResidualMixture:
    return ResidualMixture.fit(bimodal, groups=50)


def test_nll_is_the_log_density():
    rng = np.random.default_rng(1)
    y, mean, sd = rng.normal(size=50), rng.normal(size=50), rng.uniform(0.1, 3, size=50)
    np.testing.assert_allclose(gaussian_nll(y, mean, sd), -norm.logpdf(y, mean, sd), rtol=1e-12)


@pytest.mark.parametrize(("y", "mean", "sd"), [(0.3, 0.0, 1.0), (-4.0, 1.0, 0.5), (2.0, 2.0, 3.0)])
def test_crps_is_its_integral(y: float, mean: float, sd: float):
    exact = crps_by_quadrature(lambda x: norm.cdf(x, mean, sd), y, mean - 40 * sd, mean + 40 * sd)
    assert gaussian_crps(y, mean, sd) == pytest.approx(exact, abs=1e-7)


def test_reference_scores_of_a_calibrated_gaussian():
    y = 5 + 2 * np.random.default_rng(2).normal(size=400_000)
    predictive = Gaussian(np.full_like(y, 5.0), np.full_like(y, 2.0))
    assert predictive.nll(y).mean() - np.log(2) == pytest.approx(1.419, abs=3e-3)
    assert predictive.crps(y).mean() / 2 == pytest.approx(0.564, abs=2e-3)
    assert predictive.quantile(0.95)[0] == pytest.approx(5 + 2 * 1.6449, abs=1e-3)


def test_mixture_keeps_mean_and_variance(bimodal: np.ndarray, mixture: ResidualMixture):
    assert mixture.weights.sum() == pytest.approx(1, abs=1e-12)
    assert mixture.mean == pytest.approx(bimodal.mean(), abs=1e-10)
    assert mixture.variance == pytest.approx(bimodal.var(), rel=5e-3)


def test_mixture_follows_the_residuals_cdf(bimodal: np.ndarray, mixture: ResidualMixture):
    levels = np.linspace(0.02, 0.98, 49)
    at = np.quantile(bimodal, levels)
    np.testing.assert_allclose(mixture.cdf(at), levels, atol=0.01)


def test_mixture_quantile_inverts_its_cdf(mixture: ResidualMixture):
    for level in (1e-4, 0.05, 0.5, 0.7, 0.9999):
        assert mixture.cdf(np.array([mixture.quantile(level)]))[0] == pytest.approx(level, abs=1e-9)


def test_mixture_density_is_the_derivative_of_its_cdf_and_sums_to_one(mixture: ResidualMixture):
    z = np.linspace(-3, 4, 29)
    step = 1e-5
    slope = (mixture.cdf(z + step) - mixture.cdf(z - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(-mixture.nll(z)), slope, atol=1e-6)
    grid = np.linspace(-12, 12, 40_001)
    assert np.trapezoid(np.exp(-mixture.nll(grid)), grid) == pytest.approx(1, abs=1e-9)


def test_mixture_crps_is_its_integral(mixture: ResidualMixture):
    for y in (-2.5, -0.5, 0.4, 3.0):
        exact = crps_by_quadrature(lambda x: mixture.cdf(np.array([x]))[0], y, -15, 15)
        assert mixture.crps(np.array([y]))[0] == pytest.approx(exact, abs=1e-5)


def test_mixture_crps_is_the_energy_form_of_samples(mixture: ResidualMixture):
    rng = np.random.default_rng(3)
    component = rng.choice(mixture.weights.size, size=(2, 400_000), p=mixture.weights)
    first, second = mixture.centres[component] + mixture.widths[component] * rng.normal(size=component.shape)
    energy = np.abs(first - 0.7).mean() - 0.5 * np.abs(first - second).mean()
    assert mixture.crps(np.array([0.7]))[0] == pytest.approx(energy, abs=5e-3)


def test_mixture_stays_finite_far_out_and_on_ties():
    tied = ResidualMixture.fit(np.repeat([-1.0, 1.0], 500), groups=20)
    assert np.isfinite(tied.nll(np.array([-1e4, 1.0, 1e4]))).all()
    # Half the mass within one floor width of 0.05: the density there is bounded by it.
    assert tied.nll(np.array([1.0]))[0] == pytest.approx(-np.log(0.5 * norm.pdf(0) / 0.05), abs=0.05)


def test_mixture_of_gaussian_residuals_scores_like_the_gaussian():
    z, fresh = np.random.default_rng(4).normal(size=(2, 50_000))
    mixture = ResidualMixture.fit(z, groups=80)
    assert mixture.nll(fresh).mean() == pytest.approx(gaussian_nll(fresh, 0, 1).mean(), abs=5e-3)
    assert mixture.crps(fresh).mean() == pytest.approx(gaussian_crps(fresh, 0, 1).mean(), abs=1e-3)


def test_mixture_survives_json(mixture: ResidualMixture):
    again = ResidualMixture.from_json(json.loads(json.dumps(mixture.to_json())))
    z = np.linspace(-2, 2, 9)
    np.testing.assert_array_equal(again.crps(z), mixture.crps(z))
