"""Noise, blur, drift, bleaching, background and cross-talk, each where nothing else hides it."""

from dataclasses import replace

import numpy as np
import pytest

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import simulate_arrays
from contactlens.tracks.simulation.exposure import blurred_covariance

SMALL = SimulationConfig(n_tracks=300, n_frames=121, ms2_noise=0.0)
EXACT = replace(SMALL, localisation_noise_nm=(0.0, 0.0, 0.0))
SILENT = replace(SMALL, contact_radius_nm=1e-3)


def msd(position: np.ndarray, lag: int) -> tuple[float, float]:
    """MSD over the three axes, and its standard error over tracks."""
    per_track = ((position[:, :, lag:] - position[:, :, :-lag]) ** 2).sum(axis=1).mean(axis=1)
    return float(per_track.mean()), float(per_track.std() / np.sqrt(len(per_track)))


def test_noise_of_two_loci_adds_in_quadrature_on_each_axis_and_lifts_the_msd_by_a_plateau() -> None:
    noise = ((10.0, 20.0, 60.0), (30.0, 20.0, 80.0))
    config = replace(SMALL, localisation_noise_nm=noise)
    expected = np.sqrt(np.array([1000.0, 800.0, 10_000.0]))
    np.testing.assert_allclose(config.separation_noise_nm, expected)
    experiment = simulate_arrays(config, 1)
    added = experiment.separation_nm - experiment.true_separation_nm
    np.testing.assert_allclose(added.std(axis=(0, 2)), expected, rtol=0.02)
    for lag in (1, 5, 40):
        found, error = msd(experiment.separation_nm, lag)
        assert abs(found - msd(experiment.true_separation_nm, lag)[0] - 2 * (expected**2).sum()) < 4 * error


def test_blur_lowers_the_measured_msd_by_the_known_bias() -> None:
    config = replace(EXACT, exposure_s=20.0, n_tracks=600)
    experiment = simulate_arrays(config, 2)
    covariance = blurred_covariance(config.chain, 20.0, np.array([0.0, 30.0, 300.0]))
    for lag, expected in ((1, covariance[1]), (10, covariance[2])):
        found, error = msd(experiment.separation_nm, lag)
        assert abs(found - 6 * (covariance[0] - expected)) < 4 * error
    assert msd(experiment.separation_nm, 1)[0] < 0.8 * msd(experiment.true_separation_nm, 1)[0]


def test_drift_adds_a_parabola_to_the_msd() -> None:
    experiment = simulate_arrays(replace(EXACT, drift_nm_per_s=0.2, n_tracks=1000), 3)
    added = experiment.separation_nm - experiment.true_separation_nm
    assert np.abs(added.mean(axis=2)).max() < 1e-6
    found, error = msd(added, 100)
    assert abs(found - 3 * (0.2 * 3000) ** 2) < 4 * error


def test_signal_halves_in_the_bleaching_half_time() -> None:
    """Nearly always on: the mean signal without bleaching is P(on) x loading rate x (dwell - ramp / 2)."""
    dimer = replace(SMALL, beads=2, loci=(0, 1), substeps_per_frame=1)
    on = replace(dimer, contact_law="none", k_on_per_s=0.05, k_off_per_s=1e-3, n_tracks=1500)
    half_time_s = 900.0
    bleached = simulate_arrays(replace(on, bleaching_time_s=half_time_s / np.log(2)), 4).ms2.mean(axis=0)
    level = (140 - 14) / 6 * 0.05 / (0.05 + 1e-3)
    for halvings in (0, 1, 2, 3):
        assert bleached[30 * halvings] == pytest.approx(level / 2**halvings, rel=0.02)


def test_background_is_an_offset_that_differs_between_cells() -> None:
    signal = simulate_arrays(
        replace(SILENT, n_tracks=2000, n_frames=5, ms2_background=4.0, ms2_background_sd=1.5), 5
    ).ms2
    assert np.ptp(signal, axis=1).max() == 0
    assert signal.mean() == pytest.approx(4.0, abs=4 * 1.5 / np.sqrt(2000))
    assert signal.std() == pytest.approx(1.5, rel=0.06)


def test_crosstalk_to_ms2_is_the_point_spread_function_of_the_distance() -> None:
    """The promoter is silent: all signal and all correlation with the distance are the label's light."""
    experiment = simulate_arrays(replace(SILENT, crosstalk_to_ms2=6.0, crosstalk_width_nm=150.0), 6)
    true = np.linalg.norm(experiment.true_separation_nm, axis=1)
    np.testing.assert_allclose(experiment.ms2, 6 * np.exp(-(true**2) / (2 * 150.0**2)), atol=1e-6)
    assert np.corrcoef(experiment.ms2.ravel(), experiment.distance_nm.ravel())[0, 1] < -0.8


def test_crosstalk_to_separation_shortens_it_where_the_gene_is_bright() -> None:
    """A promoter that does not feel the distance: without cross-talk signal and distance are uncorrelated."""
    config = replace(EXACT, contact_law="none", k_on_per_s=1 / 200, n_tracks=600)
    plain, mixed = (simulate_arrays(replace(config, crosstalk_to_separation=c), 7) for c in (0.0, 0.02))
    shrunk = plain.separation_nm / (1 + 0.02 * plain.ms2[:, None, :])
    np.testing.assert_allclose(mixed.separation_nm, shrunk)
    correlation = [
        np.mean([np.corrcoef(m, d)[0, 1] for m, d in zip(e.ms2, e.distance_nm, strict=True)]) for e in (plain, mixed)
    ]
    assert abs(correlation[0]) < 0.06
    assert correlation[1] < -0.2
