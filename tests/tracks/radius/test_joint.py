"""Groups that share a radius and rate: the joint likelihood, the test of sharing, and what it is for."""

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
from contactlens.tracks.radius.calibrate import Calibration, Confidence, Experiments, RadiusStatistic
from contactlens.tracks.radius.compare import LawRow
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.radius.fit import Penalty
from contactlens.tracks.radius.groups import group_fits, sharing_test, summed
from contactlens.tracks.radius.joint import JointLikelihood, JointPenalty, Sharing
from contactlens.tracks.radius.measure import prepare
from contactlens.tracks.radius.model.laws import contact_rate
from contactlens.tracks.radius.model.observations import pooled
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import simulate

SMALL = RadiusConfig(tracks=None, simulations=45, predictive=9, shuffles=1, samples=64, workers=1)


@pytest.fixture(scope="module")
def joint() -> JointLikelihood:
    """Two groups of unlike size, the second with loading that differs between cells."""
    first, second = (
        prepare(experiment(n, 60, seed=seed, radius=130.0), REPORTER, SMALL, seed=seed).likelihood
        for n, seed in ((8, 1), (10, 2))
    )
    second = replace(second, loading_sd=0.4, loading_information=np.full(10, 20.0))
    return JointLikelihood(Sharing((first.exposure.grid, second.exposure.grid)), (first, second))


@pytest.fixture(scope="module")
def theta() -> np.ndarray:
    own = [np.log(0.02), np.log(1 / 200), -2.0, -1.2, 0.05, -1.0]
    return np.array([np.log(140.0), np.log(0.004), *own, *(x + 0.1 for x in own)])


def test_every_group_has_the_same_radius_and_rate_in_contact(joint: JointLikelihood, theta: np.ndarray) -> None:
    parts = [joint.sharing.part(theta, g) for g in range(2)]
    rates = [contact_rate("step", p[:3], g.exposure.grid) for p, g in zip(parts, joint.groups, strict=True)]
    assert rates[0] == pytest.approx(rates[1], rel=1e-9)
    assert rates[0] == pytest.approx(joint.sharing.k_on(theta[None])[0], rel=1e-9)
    assert parts[0][0] == parts[1][0] == theta[0]
    np.testing.assert_allclose(joint.sharing.joined(parts, np.array([1.0, 3.0])), theta, rtol=1e-12)


def test_it_is_the_sum_of_the_groups_with_their_derivatives(joint: JointLikelihood, theta: np.ndarray) -> None:
    logs, scores = joint(theta)
    own = [group(joint.sharing.part(theta, g))[0] for g, group in enumerate(joint.groups)]
    np.testing.assert_allclose(logs, np.concatenate(own))
    step = 1e-5
    for i in range(len(theta)):
        near = [theta + s * np.eye(len(theta))[i] for s in (step, -step)]
        for g in range(2):
            slope = np.subtract(*(joint.sharing.part(t, g) for t in near)) / (2 * step)
            np.testing.assert_allclose(joint.sharing.jacobian(theta, g)[:, i], slope, atol=1e-7)
        ahead, behind = (joint(t, False)[0].sum() for t in near)
        assert scores[:, i].sum() == pytest.approx((ahead - behind) / (2 * step), rel=0.02, abs=0.02), joint.names[i]


def test_the_penalty_is_that_of_the_separate_fits(joint: JointLikelihood, theta: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    groups = tuple(Penalty(rng.normal(size=8), rng.uniform(0.5, 2.0, 8)) for _ in range(2))
    prior = JointPenalty(joint.sharing, groups)
    apart = sum(p.log_density(joint.sharing.part(theta, g)) for g, p in enumerate(groups))
    assert prior.log_density(theta) == pytest.approx(apart)
    step, slope = 1e-6, prior.gradient(theta)
    for i in range(len(theta)):
        ahead, behind = (prior.log_density(theta + s * np.eye(len(theta))[i]) for s in (step, -step))
        assert slope[i] == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-4), joint.names[i]


def test_loading_of_a_track_is_fitted_only_in_groups_where_it_differs(
    joint: JointLikelihood, theta: np.ndarray
) -> None:
    assert (joint.amplitude_steps[:8] == 0).all() and (joint.amplitude_steps[8:] > 0).all()
    offset = np.concatenate([np.zeros(8), np.linspace(-0.3, 0.4, 10)])
    moved = joint.with_amplitude(np.exp(offset))
    slope, step = moved.amplitude_slope(moved(theta)[1], offset), 1e-5
    assert (slope[:8] == 0).all()
    for i in range(8, 18):
        values = []
        for s in (step, -step):
            at = offset + s * np.eye(18)[i]
            there = joint.with_amplitude(np.exp(at))
            values.append(float(there(theta, False)[0].sum() - there.amplitude_penalty(at).sum()))
        assert slope[i] == pytest.approx((values[0] - values[1]) / (2 * step), rel=2e-3, abs=2e-3)
    assert moved.common(offset)[:8].max() == 0 and moved.common(offset)[8:] == pytest.approx(0.05)


def test_slope_by_the_loading_of_one_groups_tracks(joint: JointLikelihood, theta: np.ndarray) -> None:
    group, own = joint.groups[1], joint.sharing.part(theta, 1)
    offset, step = np.linspace(-0.3, 0.4, 10), 1e-5
    moved = group.with_amplitude(np.exp(offset))
    values = []
    for s in (step, -step):
        there = group.with_amplitude(np.exp(offset + s))  # the tracks don't look at each other
        values.append(there(own, False)[0] - there.amplitude_penalty(offset + s))
    numeric = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(moved.amplitude_slope(moved(own)[1], offset), numeric, rtol=2e-3, atol=2e-3)


def test_sharing_is_judged_by_the_experiments_near_the_estimate() -> None:
    """Experiments far from the interval, with huge gains, don't count; p is the share that gains as much."""
    truth = np.linspace(3.0, 5.0, 201)[:, None]
    inside = (truth[:, 0] > 3.9) & (truth[:, 0] < 4.1)
    gain = np.where(inside, np.arange(201.0) - 100, 1000.0)
    grid = np.linspace(3.0, 5.0, 401)
    found = Confidence(grid, np.clip((4.1 - grid) / 0.2, 0, 1))
    statistic = RadiusStatistic(np.zeros(2), np.eye(2), 4.0, np.zeros(2), np.zeros(2), 10.0)
    calibration = Calibration(Experiments(truth, truth, gain), statistic, found, truth, truth[:, 0], truth[:, 0])
    few = sharing_test(calibration, 0.5)
    assert few.experiments == 39  # 19 lie within the interval
    wide = replace(calibration, confidence=Confidence(grid, np.clip((5.0 - grid) / 2, 0, 1)))
    flat = replace(wide, experiments=Experiments(truth, truth, np.arange(201.0)))
    test = sharing_test(flat, 190.0)
    near = np.arange(201)[(truth[:, 0] >= 3.05) & (truth[:, 0] <= 4.95)]
    assert test.experiments == len(near) and test.p == pytest.approx((1 + (near >= 190).sum()) / (1 + len(near)))


def test_laws_of_independent_groups_add_up() -> None:
    rows = [
        LawRow("gaussian", -10.0, 3.0, 0.0, 6.0, 1.0, -3.0, 5.0),
        LawRow("gaussian", -20.0, 5.0, 1.0, 9.0, 2.0, -1.0, 5.0),
    ]
    assert summed(rows) == LawRow("gaussian", -30.0, 8.0, 3.0, 13.0, 3.0, -2.0, 8.0)


def test_one_group_and_a_group_that_is_too_small_are_refused_by_name() -> None:
    one = replace(experiment(10, 40, seed=1), group=np.zeros(10, dtype=np.int64))
    with pytest.raises(InputError, match="one group of tracks \\(near\\)"):
        group_fits(one, ["near", "far"], REPORTER, SMALL, seed=0)
    small = replace(experiment(4, 40, seed=1), group=np.ones(4, dtype=np.int64))
    with pytest.raises(InputError, match="group far: radius: 4 tracks with a signal"):
        group_fits(
            pooled([replace(small, group=np.zeros(4, dtype=np.int64)), small]), ["far", "near"], REPORTER, SMALL, seed=0
        )


@pytest.mark.slow
def test_the_command_measures_groups_together_and_writes_the_same_bytes_again(tmp_path: Path) -> None:
    config = SimulationConfig(n_tracks=16, n_frames=61, n_groups=2, contact_radius_nm=130.0)
    simulate(config, seed=3).write(tmp_path / "tracks")
    settings = ["simulations=45", "predictive=9", "shuffles=1", "samples=64"]
    flags = [word for setting in settings for word in ("--set", f"tracks.radius.{setting}")]
    for name, workers in (("one", 1), ("two", 2)):
        more = ["--joint", "--out", str(tmp_path / name), *flags, "--set", f"tracks.radius.workers={workers}"]
        done = CliRunner().invoke(app, ["tracks", "radius", str(tmp_path / "tracks"), *more])
        assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert {"verdict.json", "groups.csv", "laws.csv", "checks.csv", "calibration.csv", "experiments.csv"} <= names
    for name in sorted(names):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    verdict = json.loads((tmp_path / "one/verdict.json").read_text())
    groups = pd.read_csv(tmp_path / "one/groups.csv")
    assert list(groups["group"]) == ["experiment_00", "experiment_01", "joint"]
    assert list(groups["tracks"]) == [8, 8, 16] and verdict["groups"] == ["experiment_00", "experiment_01"]
    assert 0 < verdict["sharing"]["p"] <= 1 and f"(p {verdict['sharing']['p']:.2g}" in " ".join(verdict["remarks"])
    shared = verdict["verdict"] != "not shared"
    assert (tmp_path / "one/posterior.parquet").is_file() == shared
    assert (verdict["estimate"] is not None) == shared
