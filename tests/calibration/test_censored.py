"""A Gaussian cut off at a limit, against the closed forms of the Tobit model and against its definition."""

import numpy as np
import pytest
from scipy.stats import norm

from contactlens.calibration.censored import Censored
from contactlens.calibration.scores import Gaussian

MEAN, SD = np.array([-1.0, 0.5, 2.0, 0.3]), np.array([1.0, 0.7, 1.5, 2.0])
Y = np.array([0.0, 0.0, 2.4, 0.9])


def exact_crps(y: np.ndarray, limit: float, gap: float) -> np.ndarray:
    """int (F - [y <= x])^2 dx by the midpoint rule, of the cdf of Y with what lies below limit + gap moved to limit."""
    x = np.linspace(limit, 14, 400_001)
    middle, width = (x[1:] + x[:-1]) / 2, x[1] - x[0]
    found = []
    for mean, sd, at in zip(MEAN, SD, y, strict=True):
        cdf = norm.cdf(np.maximum(middle, limit + gap), mean, sd)
        found.append(((cdf - (at <= middle)) ** 2).sum() * width)
    return np.array(found)


@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_crps_is_its_definition(gap: float) -> None:
    censored = Censored(Gaussian(MEAN, SD), 0.0, gap)
    np.testing.assert_allclose(censored.crps(Y), exact_crps(Y, 0.0, gap), atol=2e-4)


def test_likelihood_is_that_of_a_tobit_model() -> None:
    found = Censored(Gaussian(MEAN, SD), 0.0).nll(Y)
    np.testing.assert_allclose(found[:2], -norm.logcdf(0.0, MEAN[:2], SD[:2]))
    np.testing.assert_allclose(found[2:], -norm.logpdf(Y[2:], MEAN[2:], SD[2:]))


def test_the_atom_and_the_density_above_it_are_one_distribution() -> None:
    """P(limit) and the integral of exp(-NLL) above the gap add up to 1."""
    censored = Censored(Gaussian(MEAN, SD), 0.0, 0.25)
    y = np.linspace(0.25, 16, 200_001)[1:]
    for i in range(len(MEAN)):
        one = Censored(Gaussian(np.full(len(y), MEAN[i]), np.full(len(y), SD[i])), 0.0, 0.25)
        assert np.exp(-one.nll(y)).sum() * (y[1] - y[0]) + censored.atom[i] == pytest.approx(1, abs=1e-4)


def test_its_own_values_have_a_flat_integral_transform() -> None:
    rng = np.random.default_rng(0)
    mean, sd = rng.normal(0.3, 1, 40_000), np.full(40_000, 0.8)
    y = np.maximum(rng.normal(mean, sd), 0)
    censored = Censored(Gaussian(mean, sd), 0.0)
    pits = censored.pit(y)
    np.testing.assert_allclose(np.quantile(pits, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.01)
    # The central band of its quantiles holds what it says, and more at the atom, which a quantile can't split.
    inside = (censored.quantile(0.05) <= y) & (y <= censored.quantile(0.95))
    assert 0.9 <= inside.mean() < 0.97


def test_censoring_makes_a_better_forecast_of_what_is_never_below_the_limit() -> None:
    rng = np.random.default_rng(1)
    y = np.maximum(rng.normal(0.2, 1, 5_000), 0)
    plain = Gaussian(np.full(5_000, 0.2), np.ones(5_000))
    assert Censored(plain, 0.0).crps(y).mean() < plain.crps(y).mean()
