"""Calibration metrics, recalibration and the bootstrap, against known truths and slow second versions."""

import json

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error, r2_score

from contactlens.calibration import bootstrap
from contactlens.calibration.bootstrap import (
    Resamples,
    all_metrics,
    difference,
    histogram_metric,
    interval,
    mean_metric,
    percentile_interval,
    ratio_interval,
    reliability_metric,
    resample_counts,
)
from contactlens.calibration.config import RecalibrationConfig
from contactlens.calibration.metrics import (
    coverage,
    ence,
    ence_bins,
    equal_count_bins,
    mace,
    mae,
    pit,
    quantile_levels,
    r2,
    reliability,
    sharpness,
)
from contactlens.calibration.recalibration import Recalibration, SdMap, variance_factor
from contactlens.calibration.scores import Gaussian, gaussian_crps, gaussian_nll

LEVELS = quantile_levels(99)
TRACKS, FRAMES = 60, 300


def autoregressive(rng: np.random.Generator, rho: float) -> np.ndarray:
    """Unit-variance AR(1) series, (TRACKS, FRAMES)."""
    x = rng.normal(size=(TRACKS, FRAMES))
    for t in range(1, FRAMES):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return x


def on_off_tracks(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """track, y, mean, sd of a signal that is on or off, predicted by its mean with a distorted sd."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(1 - 1.5 * autoregressive(rng, 0.95)))
    on = norm.cdf(autoregressive(rng, 0.9)) < p
    y = 5 * on + (0.5 + on) * rng.normal(size=p.shape)
    sd = 0.7 * np.sqrt(25 * p * (1 - p) + 0.25 + 2 * p) ** 1.3
    return np.repeat(np.arange(TRACKS), FRAMES), y.ravel(), 5 * p.ravel(), sd.ravel()


@pytest.fixture(scope="module")
def tracks():
    return on_off_tracks(2)


@pytest.fixture(scope="module")
def recalibration() -> Recalibration:
    _, y, mean, sd = on_off_tracks(1)
    return Recalibration.fit(y, mean, sd, RecalibrationConfig(sd_bins=20, residual_bins=6, residual_groups=40))


@pytest.mark.parametrize(("sigma", "expected"), [(1.0, 0.0), (2.0, None), (0.9, None)])
def test_mace_and_coverage_of_a_wrong_sigma(sigma: float, expected: float | None):
    """Truth N(0, 1), prediction N(0, sigma^2): level p is observed Phi(sigma Phi^-1(p)) of the time."""
    y = np.random.default_rng(0).normal(size=200_000)
    pits = pit(y, 0.0, sigma)
    truth = norm.cdf(sigma * norm.ppf(LEVELS))
    np.testing.assert_allclose(reliability(pits, LEVELS), truth, atol=5e-3)
    if expected is None:
        expected = float(np.mean(np.abs(truth - LEVELS)))
    assert mace(pits, LEVELS) == pytest.approx(expected, abs=3e-3)
    band = 2 * norm.cdf(sigma * norm.ppf(0.95)) - 1
    assert coverage(pits, 0.9) == pytest.approx(band, abs=3e-3)


def test_mace_levels_known_from_the_literature():
    """Sigma 10 % too small: coverage of the 90 % band .86. 100 x 120 calibrated iid frames: MACE .003."""
    rng = np.random.default_rng(5)
    assert coverage(pit(rng.normal(size=100_000), 0.0, 0.9), 0.9) == pytest.approx(0.86, abs=5e-3)
    noise = [mace(pit(rng.normal(size=12_000), 0.0, 1.0), LEVELS) for _ in range(40)]
    assert np.mean(noise) == pytest.approx(0.003, abs=1e-3)


def test_ence_wants_the_right_sd_in_every_bin():
    rng = np.random.default_rng(6)
    true_sd = np.exp(rng.normal(size=50_000) * 0.7)
    y = true_sd * rng.normal(size=true_sd.size)
    assert ence(y, np.zeros_like(y), true_sd, 15) < 0.03
    assert ence(y, np.zeros_like(y), true_sd**0.3, 15) > 0.3


def test_ence_bins_hold_equal_counts_and_known_values():
    sd = np.repeat([1.0, 2.0, 4.0], 4)
    y = np.tile([1.0, -1.0, 1.0, -1.0], 3) * np.repeat([1.0, 3.0, 4.0], 4)
    bins = ence_bins(y, np.zeros(12), sd, 3)
    np.testing.assert_allclose(bins.rmv, [1, 2, 4])
    np.testing.assert_allclose(bins.rmse, [1, 3, 4])
    assert ence(y, np.zeros(12), sd, 3) == pytest.approx(0.5 / 3)
    assert np.bincount(equal_count_bins(np.zeros(100), 7)).min() >= 14


def test_accuracy_agrees_with_sklearn(tracks):
    _, y, mean, _ = tracks
    assert mae(y, mean) == pytest.approx(mean_absolute_error(y, mean))
    assert r2(y, mean) == pytest.approx(r2_score(y, mean))
    assert sharpness(np.array([3.0, 4.0])) == pytest.approx(np.sqrt(12.5))


def test_variance_factor_maximises_the_likelihood(tracks):
    _, y, mean, sd = tracks
    best = variance_factor(y, mean, sd)
    nll = [gaussian_nll(y, mean, sd * np.sqrt(best * f)).mean() for f in (0.98, 1.0, 1.02)]
    assert nll[1] == min(nll)


def test_sd_map_is_monotone_and_finds_the_true_spread():
    rng = np.random.default_rng(7)
    sd = rng.uniform(1, 5, size=60_000)
    fitted = SdMap.fit(0.5 * sd**1.5 * rng.normal(size=sd.size), sd, bins=20)
    at = np.linspace(0.5, 8, 60)
    assert (np.diff(fitted(at)) >= 0).all()
    inside = at[(at > 1.2) & (at < 4.8)]
    np.testing.assert_allclose(fitted(inside), 0.5 * inside**1.5, rtol=0.06)


def test_recalibration_meets_its_limits_on_new_tracks(tracks, recalibration: Recalibration):
    _, y, mean, sd = tracks
    raw, new = Gaussian(mean, sd), recalibration.predict(mean, sd)
    assert mace(raw.cdf(y), LEVELS) > 0.05
    assert ence(y, raw.mean, raw.sd, 15) > 0.1
    assert mace(new.cdf(y), LEVELS) < 0.02
    assert ence(y, new.mean, new.sd, 15) < 0.1
    assert 0.88 < coverage(new.cdf(y), 0.9) < 0.92
    assert new.nll(y).mean() < raw.nll(y).mean() - 0.3
    assert new.crps(y).mean() < raw.crps(y).mean()


def test_recalibrated_scores_are_those_of_its_own_distribution(tracks, recalibration: Recalibration):
    """Density, moments and CRPS of single frames from the CDF alone, by integration on a grid in a.u."""
    _, y, mean, sd = tracks
    for i in (0, 5_000, 17_000):
        grid = np.linspace(-40, 60, 200_001)
        frame = recalibration.predict(np.full(grid.size, mean[i]), np.full(grid.size, sd[i]))
        cdf, one = frame.cdf(grid), recalibration.predict(mean[i : i + 1], sd[i : i + 1])
        density = np.gradient(cdf, grid)
        assert one.mean[0] == pytest.approx(np.trapezoid(grid * density, grid), abs=1e-3)
        variance = np.trapezoid((grid - one.mean[0]) ** 2 * density, grid)
        assert one.sd[0] == pytest.approx(np.sqrt(variance), rel=1e-3)
        assert one.quantile(0.2)[0] == pytest.approx(np.interp(0.2, cdf, grid), abs=1e-3)
        seen = y[i : i + 1]
        assert one.nll(seen)[0] == pytest.approx(-np.log(np.interp(seen[0], grid, density)), abs=1e-3)
        crps = np.trapezoid((cdf - (grid >= seen[0])) ** 2, grid)
        assert one.crps(seen)[0] == pytest.approx(crps, abs=2e-3)


def test_recalibration_survives_json(tracks, recalibration: Recalibration):
    _, y, mean, sd = tracks
    again = Recalibration.from_json(json.loads(json.dumps(recalibration.to_json())))
    np.testing.assert_array_equal(again.predict(mean, sd).crps(y), recalibration.predict(mean, sd).crps(y))


def test_recalibration_of_a_constant_prediction_has_one_bin():
    y = np.random.default_rng(8).exponential(size=4_000)
    fitted = Recalibration.fit(y, np.ones(4_000), np.ones(4_000), RecalibrationConfig(10, 5, 40))
    assert len(fitted.residuals) == 1
    assert fitted.predict(np.ones(1), np.ones(1)).quantile(0.9)[0] == pytest.approx(np.log(10), rel=0.05)


def plain_metrics(y, mean, sd) -> dict[str, float]:
    pits = pit(y, mean, sd)
    return {
        "nll": gaussian_nll(y, mean, sd).mean(),
        "crps": gaussian_crps(y, mean, sd).mean(),
        "mae": mae(y, mean),
        "r2": r2(y, mean),
        "mace": mace(pits, LEVELS),
        "coverage_80": coverage(pits, 0.8),
        "ence": ence(y, mean, sd, 8),
        "sharpness": sharpness(sd),
    }


def test_metrics_from_track_sums_are_the_plain_metrics(tracks):
    track, y, mean, sd = tracks
    metrics = all_metrics(track, y, Gaussian(mean, sd), [0.8], LEVELS, 8)
    for name, value in plain_metrics(y, mean, sd).items():
        assert metrics[name].estimate == pytest.approx(value, rel=1e-10), name


def test_replicates_are_metrics_of_concatenated_tracks(tracks):
    """The tracks drawn, put together and scored anew; not ENCE, whose bins stay those of all frames."""
    track, y, mean, sd = tracks
    metrics = all_metrics(track, y, Gaussian(mean, sd), [0.8], LEVELS, 8)
    counts = resample_counts(TRACKS, 3, seed=9)
    assert (counts.sum(axis=1) == TRACKS).all()
    for row in counts:
        drawn = np.repeat(np.arange(TRACKS), row.astype(int))
        frames = np.concatenate([np.flatnonzero(track == i) for i in drawn])
        expected = plain_metrics(y[frames], mean[frames], sd[frames])
        for name in expected.keys() - {"ence"}:
            replicate = metrics[name].value(row @ metrics[name].sums)
            assert replicate == pytest.approx(expected[name], rel=1e-9), name


def test_curves_from_track_sums(tracks):
    track, y, mean, sd = tracks
    pits = pit(y, mean, sd)
    np.testing.assert_allclose(reliability_metric(track, pits, LEVELS).estimate, reliability(pits, LEVELS))
    shares = histogram_metric(track, np.minimum((pits * 10).astype(int), 9), 10).estimate
    np.testing.assert_allclose(shares, np.histogram(pits, bins=10, range=(0, 1))[0] / pits.size)


def test_interval_by_track_is_as_wide_as_tracks_differ():
    """Track means of variance 1: the interval is that of a mean of 200 numbers, not of 20,000 frames."""
    rng = np.random.default_rng(10)
    track = np.repeat(np.arange(200), 100)
    values = rng.normal(size=200)[track] + rng.normal(size=track.size)
    found = interval(mean_metric(track, values), resample_counts(200, 2_000, 0), 0.95)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)
    assert found.low < found.estimate < found.high


def test_paired_difference_cancels_what_tracks_share():
    rng = np.random.default_rng(11)
    track = np.repeat(np.arange(100), 50)
    shared = 10 * rng.normal(size=100)[track]
    first, second = (mean_metric(track, shared + shift + rng.normal(size=track.size)) for shift in (0.0, 0.3))
    counts = resample_counts(100, 1_000, 0)
    alone = interval(first, counts, 0.95)
    paired = interval(difference(first, second), counts, 0.95)
    assert paired.low < -0.3 < paired.high < 0
    assert (paired.high - paired.low) < 0.1 * (alone.high - alone.low)


def test_interval_of_a_mean_has_the_width_of_its_standard_error():
    values = np.random.default_rng(1).normal(3.0, 2.0, size=(400, 1))
    draws = resample_counts(400, 2000, seed=0)
    result = ratio_interval(values, np.ones_like(values), draws, 0.95)
    assert result.estimate[0] == pytest.approx(values.mean())
    error = values.std() / np.sqrt(400)
    assert result.high[0] - result.low[0] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_lags_without_weight_are_nan_and_not_zero():
    numerator, denominator = np.zeros((3, 2)), np.array([[1.0, 0.0]] * 3)
    result = ratio_interval(numerator, denominator, resample_counts(3, 10, 0), 0.9)
    assert result.estimate[0] == 0 and np.isnan([result.estimate[1], result.low[1], result.high[1]]).all()


def test_replicates_without_a_value_do_not_count_in_an_interval():
    values = np.random.default_rng(2).normal(size=(500, 2))
    with_gaps = np.concatenate([values, np.full((40, 2), np.nan)])
    found = percentile_interval(np.zeros(2), with_gaps, 0.9)
    np.testing.assert_array_equal(
        [found.low, found.high], np.quantile(values, [(1 - 0.9) / 2, 1 - (1 - 0.9) / 2], axis=0)
    )


def test_groups_are_drawn_whole_in_number_and_then_their_tracks() -> None:
    groups = ["a"] * 3 + ["b"] * 5 + ["c"] * 4
    counts = bootstrap.resample_counts_by_group(groups, 500, seed=2)
    sizes = np.array([3, 5, 4])
    by_group = np.stack([counts[:, :3].sum(1), counts[:, 3:8].sum(1), counts[:, 8:].sum(1)], axis=1) / sizes
    assert (by_group == by_group.round()).all() and (by_group.sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.2)
    np.testing.assert_array_equal(counts, bootstrap.resample_counts_by_group(groups, 500, seed=2))


def test_an_interval_over_groups_holds_what_differs_between_them() -> None:
    """Coverage of the true mean where groups differ more than tracks do; tracks alone would promise too much."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 8)
    inside = {"groups": 0, "tracks": 0}
    for repeat in range(200):
        values = rng.normal(0, 1, 12)[groups] + rng.normal(0, 0.5, groups.size)
        metric = mean_metric(np.arange(groups.size), values)
        for name, own in (("groups", [str(group) for group in groups]), ("tracks", None)):
            _, low, high = Resamples.draw(groups.size, 300, 0.95, repeat, own).interval(metric)
            inside[name] += bool(low <= 0 <= high)
    assert inside["groups"] / 200 > 0.88
    assert inside["tracks"] / 200 < 0.7


def test_what_an_interval_is_over_is_said() -> None:
    over = [Resamples.draw(4, 10, 0.95, 0, groups).over for groups in (None, list("abcd"), list("aabb"), ["a"] * 4)]
    assert over == ["4 tracks", "4 tracks", "2 groups", "1 group"]
