"""Paths given noisy frames against the Gaussian conditional in closed form."""

from dataclasses import replace

import numpy as np
import pytest

from contactlens.tracks.evaluation.conditional_simulator import ConditionalSimulator, why_not
from contactlens.tracks.simulation.config import SimulationConfig

SMALL = SimulationConfig(
    n_tracks=1,
    n_frames=12,
    substeps_per_frame=4,
    beads=60,
    loci=(20, 40),
    k_off_per_s=1 / 60,
    burn_in_bursts=1.0,
    localisation_noise_nm=(20.0, 60.0, 150.0),
)
DRAWS = 20_000


def test_paths_have_the_mean_and_covariance_of_the_conditional_gaussian() -> None:
    simulator = ConditionalSimulator(SMALL)
    rng = np.random.default_rng(0)
    measured = 150 * rng.standard_normal((3, SMALL.n_frames))
    observed = np.ones(SMALL.n_frames, dtype=bool)
    observed[[3, 7, 8]] = False
    paths = simulator.paths(measured, observed, DRAWS, rng)
    step_s = SMALL.frame_interval_s / SMALL.substeps_per_frame
    times = (np.arange(paths.shape[2]) - SMALL.burn_in_frames * SMALL.substeps_per_frame) * step_s
    seen_s = np.flatnonzero(observed) * SMALL.frame_interval_s
    covariance = SMALL.chain.covariance
    prior, cross, own = (
        covariance(np.abs(a[:, None] - b).ravel()).reshape(len(a), len(b))
        for a, b in ((times, times), (times, seen_s), (seen_s, seen_s))
    )
    for axis, noise in enumerate(SMALL.separation_noise_nm):
        gain = cross @ np.linalg.inv(own + noise**2 * np.eye(len(seen_s)))
        mean, left = gain @ measured[axis, observed], prior - gain @ cross.T
        sd = np.sqrt(np.diag(left))
        assert np.abs((paths[:, axis].mean(axis=0) - mean) / sd).max() < 5 / np.sqrt(DRAWS)
        correlation = np.cov(paths[:, axis].T) / np.outer(sd, sd) - left / np.outer(sd, sd)
        assert np.abs(correlation).max() < 7 / np.sqrt(DRAWS)


def test_without_noise_a_path_runs_through_what_was_measured() -> None:
    simulator = ConditionalSimulator(replace(SMALL, localisation_noise_nm=(0.0, 0.0, 0.0)))
    rng = np.random.default_rng(1)
    measured = 150 * rng.standard_normal((3, SMALL.n_frames))
    paths = simulator.paths(measured, np.ones(SMALL.n_frames, dtype=bool), 5, rng)
    np.testing.assert_allclose(paths[:, :, simulator.places], np.broadcast_to(measured, (5, 3, 12)), atol=0.05)


@pytest.mark.parametrize(
    ("name", "value"), [("exposure_s", 5.0), ("drift_nm_per_s", 0.1), ("crosstalk_to_separation", 0.01)]
)
def test_what_stands_against_it_is_named(name: str, value: float) -> None:
    config = replace(SMALL, **{name: value})
    reason = why_not(config)
    assert reason is not None
    with pytest.raises(ValueError, match=reason):
        ConditionalSimulator(config)
    assert why_not(SMALL) is None
