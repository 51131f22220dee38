"""Recalibration by normal scores, against the distribution that it should find, for forms with and without jumps."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from contactlens.calibration.config import RecalibrationConfig
from contactlens.calibration.normal_scores import NormalScores, recalibration_fitted, recalibration_from_json
from contactlens.calibration.recalibration import Recalibration
from contactlens.calibration.scores import Gaussian

CONFIG = RecalibrationConfig(sd_bins=10, residual_bins=4, residual_groups=40)
N = 8_000


@dataclass(frozen=True)
class Floored:
    """max(N(mean, 1), 0): a jump at 0."""

    mean: np.ndarray
    sd: np.ndarray

    def cdf(self, y):
        return np.where(y < 0, 0.0, stats.norm.cdf(y - self.mean))

    def cdf_below(self, y):
        return np.where(y <= 0, 0.0, stats.norm.cdf(y - self.mean))

    def pit(self, y):
        low, high = self.cdf_below(y), self.cdf(y)
        return low + np.random.default_rng(0).random(y.size) * (high - low)

    def quantile(self, level):
        return np.maximum(stats.norm.ppf(level, self.mean), 0.0)

    def nll(self, y):
        return -np.where(y <= 0, stats.norm.logcdf(-self.mean), stats.norm.logpdf(y - self.mean))

    def crps(self, y):
        raise NotImplementedError


@pytest.fixture(scope="module")
def wide():
    """A Gaussian whose sd is half of what it should be."""
    rng = np.random.default_rng(0)
    mean = rng.normal(size=N)
    return mean + 2 * rng.normal(size=N), Gaussian(mean, np.ones(N))


def test_a_gaussian_that_is_too_narrow_is_widened(wide):
    y, form = wide
    found = NormalScores.fit(y, form, CONFIG).of(form)
    true = Gaussian(form.mean, 2 * form.sd)
    assert found.nll(y).mean() == pytest.approx(true.nll(y).mean(), abs=0.01)
    assert found.crps(y).mean() == pytest.approx(true.crps(y).mean(), rel=0.01)
    np.testing.assert_allclose(found.mean, true.mean, atol=0.1)
    np.testing.assert_allclose(found.sd, true.sd, rtol=0.05)
    np.testing.assert_allclose(found.quantile(0.9), true.quantile(0.9), atol=0.2)
    np.testing.assert_allclose(found.cdf(found.quantile(0.3)), 0.3, atol=1e-6)
    assert stats.kstest(found.pit(y), "uniform").statistic < 0.02


def test_density_crps_and_moments_belong_to_the_cdf(wide):
    y, form = wide
    few = Gaussian(form.mean[:3], form.sd[:3])
    found = NormalScores.fit(y, form, CONFIG).of(few)
    at = np.array([0.4, -1.0, 6.0])
    step = 1e-4
    density = (found.cdf(at + step) - found.cdf(at - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(-found.nll(at)), density, rtol=1e-3)
    for i in range(3):

        def cdf(x, i=i):
            return found.cdf(np.full(3, x))[i]

        below, _ = quad(lambda x: cdf(x) ** 2, few.mean[i] - 15, at[i], limit=200)
        above, _ = quad(lambda x: (1 - cdf(x)) ** 2, at[i], few.mean[i] + 15, limit=200)
        assert found.crps(at)[i] == pytest.approx(below + above, rel=1e-4)
        high = few.mean[i] + 15
        first, _ = quad(cdf, high - 30, high, limit=200)
        second, _ = quad(lambda x, high=high: 2 * (high - x) * cdf(x), high - 30, high, limit=200)
        assert found.mean[i] == pytest.approx(high - first, abs=1e-4)
        assert found.sd[i] == pytest.approx(np.sqrt(second - first**2), rel=1e-4)


def test_moments_are_the_same_before_and_after_the_crps(wide):
    y, form = wide
    recalibration = NormalScores.fit(y, form, CONFIG)
    before, after = recalibration.of(form), recalibration.of(form)
    moments = before.mean, before.sd
    np.testing.assert_array_equal(after.crps(y), before.crps(y))
    np.testing.assert_array_equal((after.mean, after.sd), moments)


class RoundedUp(Gaussian):
    """Whose cdf ends a rounding error above 1, as a sum of weights does."""

    def cdf(self, y):
        return super().cdf(y) * (1 + 4 * np.finfo(float).eps)


def test_frames_far_outside_leave_moments_and_crps_finite(wide):
    """A share of frames beyond every quantile that double precision tells from 0 or 1."""
    y, form = wide
    fitted = NormalScores.fit(np.where(np.arange(N) % 100 == 0, 60.0, y), form, CONFIG)
    recalibrated = fitted.of(form)
    for values in (recalibrated.mean, recalibrated.sd, recalibrated.crps(y), recalibrated.quantile(1 - 1e-6)):
        assert np.isfinite(values).all()
    found, grid = recalibrated.crps(y), np.linspace(-12, 12, 20_001)
    for frame in (10, 501):
        alone = replace(form, mean=np.full(len(grid), form.mean[frame]), sd=np.full(len(grid), form.sd[frame]))
        expected = np.trapezoid((fitted.of(alone).cdf(grid) - (grid >= y[frame])) ** 2, grid)
        assert found[frame] == pytest.approx(expected, rel=0.02)


def test_a_cdf_that_rounds_above_one_changes_nothing(wide):
    y, form = wide
    fitted = NormalScores.fit(y, form, CONFIG)
    found, true = fitted.of(RoundedUp(form.mean, form.sd)), fitted.of(form)
    far = np.full(N, 50.0)
    np.testing.assert_allclose(found.cdf(far), true.cdf(far))
    np.testing.assert_allclose(found.sd, true.sd, rtol=1e-6)


def test_a_jump_keeps_its_place_and_gets_the_right_size():
    """The signal is floored at 0, with another mean than the form says. One map for all frames can't know what lies
    below the floor, but it closes most of the gap."""
    rng = np.random.default_rng(1)
    mean = rng.normal(0.5, 0.5, size=N)
    y = np.maximum(mean - 0.7 + rng.normal(size=N), 0.0)
    form = Floored(mean, np.ones(N))
    found = NormalScores.fit(y, form, CONFIG).of(form)
    mass = found.cdf(np.zeros(N))
    gap = abs(mass.mean() - (y == 0).mean())
    assert gap < 0.25 * abs(form.cdf(np.zeros(N)).mean() - (y == 0).mean())
    np.testing.assert_allclose(found.nll(np.zeros(N)), -np.log(mass))
    assert (found.cdf(np.full(N, -0.1)) < 1e-6).all()
    assert found.nll(y).mean() < form.nll(y).mean() - 0.05


def test_each_form_gets_its_recalibration_and_comes_back_from_json(wide):
    y, form = wide
    assert isinstance(recalibration_fitted(y, form, CONFIG), Recalibration)
    floored = Floored(form.mean, form.sd)
    for fitted, given in (
        (recalibration_fitted(y, form, CONFIG), form),
        (recalibration_fitted(np.maximum(y, 0.0), floored, CONFIG), floored),
    ):
        again = recalibration_from_json(json.loads(json.dumps(fitted.to_json())))
        assert type(again) is type(fitted)
        np.testing.assert_array_equal(again.of(given).nll(np.abs(y)), fitted.of(given).nll(np.abs(y)))
