"""Distributions in leaves against closed forms and against the law that drew the signals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from contactlens.calibration.metrics import coverage
from contactlens.calibration.scores import Gaussian
from contactlens.tracks.evaluation.baselines.leaf_distribution import LeafDistribution, SharedMixture

CENTRES, WIDTHS = np.array([0.0, 4.0]), np.array([0.5, 2.0])
NOISE = 0.5  # of signals drawn; the shared Gaussians are 0.05 of the signals' SD wide or more


def test_one_gaussian_has_its_scores() -> None:
    y = np.array([-1.0, 0.3, 9.0])
    own = np.array([0, 1, 1])
    form = SharedMixture(np.eye(2)[own], CENTRES, WIDTHS)
    gaussian = Gaussian(CENTRES[own], WIDTHS[own])
    for name in ("nll", "crps", "cdf", "pit"):
        np.testing.assert_allclose(getattr(form, name)(y), getattr(gaussian, name)(y), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(form.quantile(0.2), gaussian.quantile(0.2), atol=1e-9)
    np.testing.assert_allclose((form.mean, form.sd), (gaussian.mean, gaussian.sd))


def test_scores_of_a_mixture_are_the_integrals_that_define_them() -> None:
    weights, y = np.array([0.3, 0.7]), 2.5

    def cdf(x: float) -> float:
        return float(weights @ norm.cdf(x, CENTRES, WIDTHS))

    form = SharedMixture(weights[None], CENTRES, WIDTHS)
    below, above = quad(lambda x: cdf(x) ** 2, -20, y)[0], quad(lambda x: (1 - cdf(x)) ** 2, y, 40)[0]
    assert form.crps(np.array([y]))[0] == pytest.approx(below + above, rel=1e-6)
    assert form.nll(np.array([y]))[0] == pytest.approx(-np.log(weights @ norm.pdf(y, CENTRES, WIDTHS)), rel=1e-12)
    assert cdf(form.quantile(0.37)[0]) == pytest.approx(0.37, abs=1e-9)
    variance = quad(lambda x: (x - 2.8) ** 2 * float(weights @ norm.pdf(x, CENTRES, WIDTHS)), -20, 40)[0]
    assert (form.mean[0], form.sd[0]) == (pytest.approx(2.8), pytest.approx(variance**0.5, rel=1e-6))


def test_a_point_that_all_frames_share_gives_what_each_has_alone() -> None:
    chances = np.random.default_rng(0).random((5, 1))
    form = SharedMixture(np.hstack([chances, 1 - chances]), CENTRES, WIDTHS)
    for name in ("cdf", "nll", "crps"):
        alone = [getattr(SharedMixture(row[None], CENTRES, WIDTHS), name)(np.array([1.7]))[0] for row in form.weights]
        apart = getattr(form, name)(np.array([1.7, 1.7, 1.7, 1.7, -2.0]))
        np.testing.assert_allclose(getattr(form, name)(np.full(5, 1.7)), alone, rtol=1e-12)
        np.testing.assert_allclose(apart[:4], alone[:4], rtol=1e-12)


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A feature x, and a signal that is 0 with probability 1 - x and else around 10 x."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    return x, np.where(rng.random(n) < x, 10 * x + rng.normal(size=n), 0.0) + NOISE * rng.normal(size=n)


def test_signals_that_are_often_zero_have_their_own_distribution() -> None:
    x, y = drawn(20_000, 0)
    fitted = LeafDistribution.fit(np.column_stack([x, np.zeros_like(x)]), y, 200, seed=0)
    x, y = drawn(5_000, 1)
    form = fitted.predict(np.column_stack([x, np.zeros_like(x)]))
    sd = np.hypot(1.0, NOISE)
    true_density = (1 - x) * norm.pdf(y, 0, NOISE) + x * norm.pdf(y, 10 * x, sd)
    moments = Gaussian(10 * x**2, np.sqrt(x * (100 * x**2 + sd**2) + (1 - x) * NOISE**2 - 100 * x**4))
    own, gaussian = (one.nll(y).mean() + np.log(true_density).mean() for one in (form, moments))
    assert 0 < own < gaussian / 4

    def apart(gap: np.ndarray, spread: float) -> np.ndarray:
        return gap * (2 * norm.cdf(gap / spread) - 1) + 2 * spread * norm.pdf(gap / spread)

    pairs = (1 - x) ** 2 * apart(0 * x, 2**0.5 * NOISE) + x**2 * apart(0 * x, 2**0.5 * sd)
    pairs += 2 * x * (1 - x) * apart(10 * x, np.hypot(NOISE, sd))
    exact = ((1 - x) * apart(y, NOISE) + x * apart(y - 10 * x, sd) - pairs / 2).mean()
    assert form.crps(y).mean() - exact < (moments.crps(y).mean() - exact) / 4
    far = x > 0.3
    zero = form.cdf(np.full_like(y, 1.5))
    assert np.abs(zero - (1 - x) * norm.cdf(1.5 / NOISE) - x * norm.cdf(1.5, 10 * x, sd))[far].mean() < 0.03
    assert coverage(form.pit(y), 0.9) == pytest.approx(0.9, abs=0.015)
    assert np.isfinite(form.nll(np.full_like(y, 60.0))).all()
    assert form.cdf(np.full_like(y, 60.0)).max() <= 1
