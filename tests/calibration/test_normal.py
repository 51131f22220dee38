"""The normal distribution has the very bits of `scipy.stats`, which takes longer to import."""

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from contactlens.calibration.normal import normal_density, normal_log_density
from contactlens.calibration.scores import Gaussian

DRAWN = np.random.default_rng(0).standard_normal((3, 10_000)) * np.array([[1e-3], [1.0], [20.0]])
Z = np.append(DRAWN.ravel(), [0.0, 38.5, -38.5, np.inf, -np.inf])


def test_density_and_cdf_have_the_bits_of_scipy_stats() -> None:
    np.testing.assert_array_equal(normal_density(Z), norm.pdf(Z))
    np.testing.assert_array_equal(normal_log_density(Z), norm.logpdf(Z))
    np.testing.assert_array_equal(ndtr(Z), norm.cdf(Z))


def test_a_gaussian_has_the_bits_of_scipy_stats() -> None:
    y, mean, sd = DRAWN[1], DRAWN[2], np.exp(DRAWN[1, ::-1])
    form = Gaussian(mean, sd)
    np.testing.assert_array_equal(form.cdf(y), norm.cdf(y, mean, sd))
    for level in (1e-9, 0.3, 0.5, 0.975):
        np.testing.assert_array_equal(form.quantile(level), norm.ppf(level, mean, sd))
