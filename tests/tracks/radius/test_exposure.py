"""Paths and hazards given the frames, against the dense Gaussian process."""

import numpy as np
import pytest
from radius_inputs import CHAIN, experiment

from contactlens.tracks.data.motion import Motion, covariance_sums, distance_sums, motion_of
from contactlens.tracks.radius.model.exposure import exposure_of, smoothing_matrix
from contactlens.tracks.radius.model.kriging import PathSampler, local_kriging, patterns_of
from contactlens.tracks.radius.model.laws import LAWS, hazard, maxwell_cdf, separation_grid, survival

MOTION = Motion(35_000.0, 2000.0, 0.5, 1e-3, 30.0)


def test_fitted_motion_is_the_polymers() -> None:
    observations = experiment(60, 200, seed=4)
    lag = np.array([0.0, 30.0, 60.0, 150.0, 300.0])
    true = CHAIN.covariance(np.array([0.0])) - CHAIN.covariance(lag)
    for sums in (covariance_sums(observations.driver), distance_sums(observations.distance)):
        motion = motion_of(sums.sum(axis=0), 30.0, 30.0)
        assert motion.msd(lag)[1:] / 6 == pytest.approx(true[1:], rel=0.08)
        assert motion.axis_variance_nm2 == pytest.approx(CHAIN.axis_variance_nm2, rel=0.1)


def test_noise_is_held_by_what_is_told_of_it_and_by_the_data() -> None:
    """Told 10 % too high: a certain error leaves it there, a doubtful one lets the tracks pull it to the true 30 nm."""
    sums = covariance_sums(experiment(60, 200, seed=4).driver).sum(axis=0)
    certain = motion_of(sums, 30.0, 33.0, noise_error=1e-4)
    doubtful = motion_of(sums, 30.0, 33.0, noise_error=0.05)
    free = motion_of(sums, 30.0, None)
    assert certain.noise_nm == pytest.approx(33.0, abs=0.05)
    assert min(free.noise_nm, 33.0) < doubtful.noise_nm < max(free.noise_nm, 33.0)
    assert motion_of(sums, 30.0, None).noise_nm == pytest.approx(
        motion_of(sums, 30.0, 33.0, noise_error=10.0).noise_nm, rel=0.01
    )


def test_paths_follow_the_conditional_distribution() -> None:
    """Mean and covariance of drawn paths, at frames with a gap, equal those of the dense process."""
    rng = np.random.default_rng(5)
    t, substeps, lead, dt = 6, 2, 1, 30.0
    driver = rng.normal(0, 150, (1, t, 3))
    driver[0, 2] = np.nan
    sampler = PathSampler(MOTION, dt, t, substeps, lead)
    draws = np.concatenate([sampler.given(np.repeat(driver, 500, axis=0), rng) for _ in range(12)]).astype(np.float64)
    times = (np.arange(sampler.n_times) / substeps - lead) * dt
    seen = np.array([0, 1, 3, 4, 5])
    among = MOTION.covariance(dt * (seen[:, None] - seen[None])) + MOTION.noise_nm**2 * np.eye(5)
    across = MOTION.covariance(times[:, None] - dt * seen[None])
    gain = across @ np.linalg.inv(among)
    covariance = MOTION.covariance(times[:, None] - times[None]) - gain @ across.T
    sd = np.sqrt(np.diag(covariance))
    for axis in range(3):
        assert np.abs(draws[:, axis].mean(axis=0) - gain @ driver[0, seen, axis]).max() < 4 * sd.max() / np.sqrt(6000)
        assert np.cov(draws[:, axis].T) == pytest.approx(covariance, abs=0.08 * covariance.max())


def test_integrated_hazard_equals_dense_sampling() -> None:
    """H of intervals with a full window around them, against paths drawn from the dense conditional distribution."""
    observations = experiment(8, 40, seed=6)
    exposure = exposure_of(observations, MOTION, 10, 256, 1, seed=0)
    q = np.array([np.log(120.0), np.log(4e-3), np.log(1e-6)])
    h, _ = hazard("step", q, exposure.grid)
    integrated, _ = exposure.integrate(*survival("step", q, exposure.grid, exposure.step_s))
    rate = h[0]
    rng = np.random.default_rng(7)
    frames = (np.arange(6) - 2) * 30.0
    steps = np.arange(10) * 3.0
    gain = MOTION.covariance(steps[:, None] - frames[None]) @ np.linalg.inv(
        MOTION.covariance(frames[:, None] - frames[None]) + 900 * np.eye(6)
    )
    covariance = MOTION.covariance(steps[:, None] - steps[None]) - gain @ MOTION.covariance(
        frames[:, None] - steps[None]
    )
    expected, found = [], []
    for track in range(8):
        for t in range(4, 34, 3):
            mean = gain @ observations.driver[track, t - 2 : t + 4]
            path = mean.T + rng.multivariate_normal(np.zeros(10), covariance, size=(4000, 3))
            inside = (np.linalg.norm(path, axis=1) < 120.0).sum(axis=1) * 3.0
            expected.append(-np.log(np.mean(np.exp(-rate * inside))))
            found.append(integrated[track, t])
    expected, found = np.array(expected), np.array(found)
    assert np.sum(found) == pytest.approx(np.sum(expected), rel=0.03)
    assert np.abs(found - expected).max() < 0.12 * expected.max()


def test_a_hazard_without_limit_stays_a_number() -> None:
    """A search may try rates at which nobody stays off: exp(-H) is 0 in double precision, H and its slopes are not."""
    observations = experiment(8, 40, seed=6)
    exposure = exposure_of(observations, MOTION, 10, 16, 1, 0, held=False)
    hazards, slopes = exposure.of_law("step", np.log([500.0, 1e4, 0.5]))
    assert np.isfinite(hazards).all() and np.isfinite(slopes).all() and hazards.max() > 600


def test_patterns_name_the_frames_seen() -> None:
    observed = np.array([[True, False, True, True]])
    pattern = patterns_of(observed)[0]
    assert pattern[0] == 0b110100  # interval from frame 0: frames -2 to 3, bit 0 the earliest
    kriging = local_kriging(MOTION, 30.0, 4)
    unseen = [k for k in range(6) if not (pattern[0] >> k) & 1]
    assert (kriging.weights[pattern[0]][:, unseen] == 0).all()
    assert kriging.weights[0].sum() == 0


def test_smoothing_is_the_noncentral_distance() -> None:
    grid = separation_grid(MOTION)
    rows = smoothing_matrix(grid, 30.0**2)
    assert rows.sum(axis=1) == pytest.approx(1.0)
    rng = np.random.default_rng(8)
    start = np.array([grid.middles[25], 0, 0])
    length = np.linalg.norm(start + 30.0 * rng.standard_normal((100_000, 3)), axis=1)
    assert rows[25] @ grid.middles == pytest.approx(length.mean(), rel=0.005)
    assert rows[25][:20].sum() == pytest.approx((length < grid.edges[20]).mean(), abs=0.005)


def test_every_law_has_the_mean_rate_it_names() -> None:
    grid = separation_grid(MOTION)
    assert grid.occupancy.sum() == pytest.approx(1.0)
    assert maxwell_cdf(np.array([8.0]))[0] == pytest.approx(1.0)
    for law in LAWS:
        if law in ("step", "gaussian", "logistic"):
            q = np.array([np.log(100.0), np.log(0.002), np.log(0.05), np.log(0.2)])[: 4 if law == "logistic" else 3]
            h, _ = hazard(law, q, grid)
            assert h @ grid.occupancy == pytest.approx(0.002)
            assert (np.diff(h) <= 1e-12).all()
