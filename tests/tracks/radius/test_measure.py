"""The measurement from end to end on small experiments: it recovers, repeats itself, and refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radius_inputs import REPORTER, experiment
from typer.testing import CliRunner

from contactlens.base.errors import InputError
from contactlens.cli.main import app
from contactlens.tracks.radius.calibrate import Confidence, RadiusStatistic, confidence
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.radius.fit import Fit, fit_law, maximise
from contactlens.tracks.radius.measure import _with_longer_blocks, detection_noise, measure_interval, prepare, stated
from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.radius.plan import observations_of
from contactlens.tracks.radius.ridge import highest_fit
from contactlens.tracks.radius.statistics import discrepancies, onset_profile
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import simulate_arrays
from contactlens.tracks.simulation.regimes import PUBLISHED_BENCHMARK
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.simulation.simulate import simulate

SMALL = RadiusConfig(tracks=None, simulations=45, predictive=9, shuffles=1, samples=64, workers=1)


def test_statistic_has_uniform_p_values_on_a_linear_experiment() -> None:
    """A biased, shrunken and noisy estimate of the truth: the p-value of each truth is uniform nevertheless."""
    rng = np.random.default_rng(1)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.uniform(4.2, 5.0, count)
        other = rng.standard_normal(count)
        estimate = 1.0 + 0.7 * truth + 0.05 * other + 0.06 * rng.standard_normal(count)
        return truth, np.column_stack([estimate, other])

    p = []
    for _ in range(40):
        statistic = RadiusStatistic.fitted(*drawn(96))
        p += [statistic.below(e, t[None])[0] for t, e in zip(*drawn(100), strict=True)]
    for level in (0.5, 0.8, 0.95):
        assert (np.abs(np.array(p) - 0.5) < level / 2).mean() == pytest.approx(level, abs=0.03)


def test_an_estimate_unlike_the_simulated_ones_gets_a_wider_interval() -> None:
    """Data whose second parameter lies 8 SD off: the weights' own error is what their statistic is wrong by."""
    rng = np.random.default_rng(4)
    p, widths = [], []
    for _ in range(400):
        truth, other = rng.uniform(4.2, 5.0, 60), rng.standard_normal(60)
        estimate = np.column_stack([truth + 0.2 * other + 0.1 * rng.standard_normal(60), other])
        statistic = RadiusStatistic.fitted(truth, estimate)
        for away in (0.0, 8.0):
            own = np.array([4.6 + 0.2 * away + 0.1 * rng.standard_normal(), away])
            found = confidence(statistic, own, 4.1, 5.1)
            widths.append(found.quantile(0.975) - found.quantile(0.025))
        p.append(statistic.below(own, np.array([4.6]))[0])
    assert (np.abs(np.array(p) - 0.5) < 0.475).mean() == pytest.approx(0.95, abs=0.04)
    assert np.nanmedian(widths[1::2]) > 1.3 * np.nanmedian(widths[0::2])


def test_data_that_tell_nothing_exclude_no_radius() -> None:
    """Where T is as rare at every radius, above all or below all; where it is not, the other side's end stays."""
    grid = np.linspace(3.0, 5.0, 201)
    for level in (0.99, 0.01):
        told = Confidence(grid, np.full(201, level)).within_bounds()
        assert told.quantile(0.025) == -np.inf and told.quantile(0.975) == np.inf
    too_large = Confidence(grid, 0.02 * np.clip((4.5 - grid) / 1.5, 0, 1)).within_bounds()
    assert too_large.quantile(0.025) == -np.inf and too_large.quantile(0.975) == pytest.approx(4.425, abs=0.01)
    inside = Confidence(grid, np.clip((4.5 - grid), 0, 1))
    np.testing.assert_array_equal(inside.within_bounds().below, inside.below)


def test_confidence_is_open_below_where_nothing_is_excluded() -> None:
    grid = np.linspace(3.0, 5.0, 201)
    open_below = Confidence(grid, np.clip((5.0 - grid) / 2, 0, 0.8))
    assert open_below.quantile(0.1) == -np.inf
    assert open_below.quantile(0.5) == pytest.approx(4.0, abs=0.02)


def test_a_copy_agrees_and_a_stranger_in_one_group_is_named() -> None:
    rng = np.random.default_rng(2)
    simulated = {name: rng.standard_normal((99, 5)) for name in ("levels", "motion")}
    alike = discrepancies({"levels": np.zeros(5), "motion": np.zeros(5)}, simulated)
    assert min(p for p, _ in alike.values()) > 0.5
    found = discrepancies({"levels": np.zeros(5), "motion": np.full(5, 4.0)}, simulated)
    assert found["motion"][0] == pytest.approx(0.01) and found["motion"][1] > 5
    assert found["levels"][0] > 0.5


def test_a_model_that_holds_is_refused_as_often_as_min_p_says_over_all_groups() -> None:
    """Six groups, unlike in size and tails: the smallest p is at most 0.05 in 5 % of all cases, not in 26 %."""
    rng = np.random.default_rng(3)
    sizes = (3, 7, 10, 13, 60, 18)
    cases = 400
    smallest = []
    for _ in range(cases):
        drawn = {str(k): rng.standard_t(8, size=(100, k)) * rng.gamma(4.0, 0.25, size=(100, 1)) for k in sizes}
        found = discrepancies({k: x[0] for k, x in drawn.items()}, {k: x[1:] for k, x in drawn.items()})
        smallest.append(min(p for p, _ in found.values()))
    refused = np.mean(np.array(smallest) <= 0.05)
    assert 0.05 - 3 * np.sqrt(0.05 * 0.95 / cases) < refused < 0.05 + 3 * np.sqrt(0.05 * 0.95 / cases)


def test_onset_profile_is_read_off_the_frames_around_an_onset() -> None:
    signal = np.zeros((1, 40))
    signal[0, 20:25] = 5.0
    distance = np.arange(40.0)[None]
    profile = onset_profile(distance, signal, 1.0)
    assert profile[12] == 20.0 and profile[0] == 8.0 and profile[-1] == 26.0


def test_too_few_tracks_and_a_dead_signal_are_refused() -> None:
    few = experiment(4, 40, seed=1)
    with pytest.raises(InputError, match="4 tracks with a signal"):
        prepare(few, REPORTER, SMALL, seed=0)
    dead = experiment(10, 40, seed=1)
    with pytest.raises(InputError, match="the same in every frame"):
        prepare(replace(dead, signal=np.ones_like(dead.signal)), REPORTER, SMALL, seed=0)


def test_a_detection_limit_hides_what_lies_below_what_is_seldom_missed() -> None:
    rng = np.random.default_rng(5)
    signal = rng.uniform(10.0, 110.0, (20, 50))
    assert detection_noise(signal) == 0.0  # no value stands for many
    cut = np.where(rng.random(signal.shape) < 0.5, 0.0, signal)
    cut[0, 0] = np.nan
    assert detection_noise(cut) == pytest.approx(15.0 / 12**0.5, rel=0.1)
    assert detection_noise(np.zeros((20, 50))) == 0.0


@pytest.mark.slow
def test_a_signal_that_is_often_exactly_at_its_limit_is_measured_or_refused_by_its_checks() -> None:
    """Weak signals set to 0, as where no spot is found: no noise of 0, and a threshold near the true one."""
    vectors = experiment(24, 161, seed=9, radius=200.0, noise=0.0)
    signal = np.where(vectors.signal < np.nanquantile(vectors.signal, 0.5), 0.0, vectors.signal)
    cut = Observations(vectors.distance[:, :, None], signal, 30.0, "scalar", vectors.group)
    interval = measure_interval(prepare(cut, REPORTER, SMALL, seed=0), SMALL)
    assert interval.prepared.likelihood.least_noise > 0 and np.isfinite(interval.fit.theta).all()
    assert 120.0 < stated(interval, 0.95).estimate < 300.0


@pytest.mark.slow
def test_a_fit_on_a_side_peak_is_left_for_the_ridge_s_top() -> None:
    """Bursts four times too long and a radius far too large, from where a short search does not come back."""
    observations = experiment(24, 161, seed=8, radius=130.0)
    likelihood = prepare(observations, REPORTER, SMALL, seed=0).likelihood
    good, prior = fit_law(likelihood)
    start = good.theta.copy()
    start[[likelihood.names.index(name) for name in ("log_radius", "log_k_off")]] += 0.9, -1.4
    side = maximise(likelihood, prior, start, rounds=1, evaluations=3)
    fit, ridge = highest_fit(likelihood, side, prior, (np.log(5.0), np.log(1500.0)))
    assert side.log_likelihood.sum() < good.log_likelihood.sum() - 5
    assert fit.log_likelihood.sum() > good.log_likelihood.sum() - 0.5
    assert ridge.value.max() < fit.log_likelihood.sum() + prior.log_density(fit.theta) + 0.5


@pytest.mark.slow
def test_a_radius_below_what_noise_and_motion_resolve_is_an_upper_bound() -> None:
    """The published benchmark's regime, small: 30 nm, 40 nm of noise per axis and locus, the noise 5 % off."""
    config = replace(PUBLISHED_BENCHMARK, n_tracks=40, n_frames=201)
    observations = observations_of(simulate_arrays(config, 5))
    reporter = Reporter(config.ms2_ramp_s, config.ms2_dwell_s, config.polymerase_signal)
    noise = 1.05 * float(config.separation_noise_nm[0])
    settings = replace(SMALL, localisation_noise_nm=noise, between_substeps=True)
    answer = stated(measure_interval(prepare(observations, reporter, settings, seed=0), settings), 0.95)
    assert answer.is_bound and answer.low == 0 and 30.0 < answer.high < 400.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vector", "distance"])
def test_the_interval_holds_the_true_radius(kind: str) -> None:
    observations = experiment(24, 161, seed=8, radius=130.0, kind=kind)
    settings = replace(SMALL, completions=3)
    interval = measure_interval(prepare(observations, REPORTER, settings, seed=0), settings)
    answer = stated(interval, 0.95)
    assert answer.low < 130.0 < answer.high
    assert answer.high / answer.low < 1.8
    p = interval.calibration.p_values
    assert 0.8 < (np.abs(p - 0.5) < 0.475).mean() <= 1.0


@pytest.mark.slow
def test_a_scalar_driver_has_a_threshold() -> None:
    """The distance as a scalar that is known at the frames: its threshold is near the radius."""
    vectors = experiment(24, 161, seed=9, radius=200.0, noise=0.0)
    scalar = Observations(vectors.distance[:, :, None], vectors.signal, 30.0, "scalar", vectors.group)
    answer = stated(measure_interval(prepare(scalar, REPORTER, SMALL, seed=0), SMALL), 0.95)
    assert 130.0 < answer.estimate < 270.0


@pytest.mark.slow
def test_the_command_writes_everything_and_the_same_bytes_again(tmp_path: Path) -> None:
    simulate(SimulationConfig(n_tracks=16, n_frames=121), seed=3).write(tmp_path / "tracks")
    settings = ["simulations=45", "predictive=9", "shuffles=1"]
    flags = [word for setting in settings for word in ("--set", f"tracks.radius.{setting}")]
    for name, workers in (("one", 1), ("two", 2)):
        more = ["--out", str(tmp_path / name), *flags, "--set", f"tracks.radius.workers={workers}"]
        done = CliRunner().invoke(app, ["tracks", "radius", str(tmp_path / "tracks"), *more])
        assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert {"verdict.json", "posterior.parquet", "hazard.csv", "laws.csv", "checks.csv", "calibration.csv"} <= names
    for name in sorted(names):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    verdict = json.loads((tmp_path / "one/verdict.json").read_text())
    assert verdict["tracks_used"] == 16 and verdict["sentence"] and verdict["verdict"]
    draws = pd.read_parquet(tmp_path / "one/posterior.parquet")
    assert np.allclose(draws["radius"] ** 3 * draws["k_on_per_min"], draws["radius_cubed_k_on"])
    assert list(pd.read_csv(tmp_path / "one/laws.csv")["law"]) == ["none", "step", "gaussian", "logistic", "monotone"]


def test_bursts_of_fewer_than_three_polymerases_are_counted_as_polymerases() -> None:
    """A fit whose bursts load two each, 6 times in 1000 s, asks for blocks of three of them; bursts of 30 do not."""
    prepared = prepare(experiment(10, 241, seed=1), REPORTER, SMALL, seed=0)
    names, block = prepared.likelihood.names, prepared.likelihood.response.frames_per_block

    def blocks(k_off: float) -> int:
        theta = np.zeros(len(names))
        given = {"log_mean_rate": 0.012, "log_k_off": k_off, "log_amplitude": 1.0, "log_unit": 1 / 0.024}
        for name, value in given.items():
            theta[names.index(name)] = np.log(value)
        fit = Fit("step", names, theta, np.zeros(10), np.eye(len(names)), np.ones(10))
        return _with_longer_blocks(prepared, fit).likelihood.response.frames_per_block

    assert blocks(0.012) == int(np.ceil(3 / (0.006 * 30.0))) == 17
    assert blocks(0.0008) == max(block, int(np.ceil(3 / (0.024 * 30.0)))) == 5
