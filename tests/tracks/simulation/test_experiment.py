"""The regimes of promoter and loading, against closed forms of their processes."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import stats

from contactlens.tracks.data.motion import Motion
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import (
    CHUNK,
    Experiment,
    sampler_of,
    simulate_arrays,
    stationary_on_fraction,
)

SMALL = SimulationConfig(n_tracks=150, n_frames=121)
TELEGRAPH = replace(SMALL, contact_law="none", beads=2, loci=(0, 1), substeps_per_frame=1, k_on_per_s=1 / 200)


def off_times(experiment: Experiment, before_s: float) -> np.ndarray:
    """Times between bursts of one track, of those that began before `before_s`."""
    bursts = experiment.bursts
    same = bursts.track[1:] == bursts.track[:-1]
    off = (bursts.start_s[1:] - bursts.end_s[:-1])[same]
    return off[bursts.end_s[:-1][same] < before_s]


def test_needs_no_pandas_pydantic_or_torch() -> None:
    """Each is refused as if it were not installed; pydantic checks the settings where it is."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pandas', 'pydantic', 'torch', 'numba', 'pyarrow']));"
        "import contactlens.tracks.simulation.experiment, contactlens.tracks.simulation.regimes"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_same_seed_same_arrays_whether_the_sampler_is_given_or_made() -> None:
    config = replace(SMALL, n_tracks=CHUNK + 5, n_frames=21)
    first, again = simulate_arrays(config, 3), simulate_arrays(config, 3, sampler_of(config))
    np.testing.assert_array_equal(first.separation_nm, again.separation_nm)
    np.testing.assert_array_equal(first.ms2, again.ms2)
    assert first.ms2.shape == (CHUNK + 5, 21)
    assert np.all(np.diff(first.bursts.track) >= 0)
    begun = first.candidates.time_s[first.bursts.candidate]
    np.testing.assert_array_equal(begun, first.bursts.start_s)
    np.testing.assert_array_equal(first.candidates.track[first.bursts.candidate], first.bursts.track)


def test_a_fitted_motion_can_take_the_place_of_the_polymer() -> None:
    motion = Motion(axis_variance_nm2=2e4, relaxation_s=500.0, exponent=0.4, trap=0.5, noise_nm=0.0)
    config = replace(SMALL, n_tracks=400)
    path = simulate_arrays(config, 3, sampler_of(config, motion)).true_separation_nm
    for lag in (1, 10, 60):
        per_track = ((path[:, :, lag:] - path[:, :, :-lag]) ** 2).sum(axis=1).mean(axis=1)
        expected = motion.msd(np.array([lag * 30.0]))[0]
        assert abs(per_track.mean() - expected) < 4 * per_track.std() / np.sqrt(400)
    with pytest.raises(ValueError, match="exponentials"):
        sampler_of(replace(config, exposure_s=1.0), motion)


def test_what_is_measured_differently_leaves_path_and_promoter_as_they_were() -> None:
    plain = simulate_arrays(SMALL, 4)
    changes = {"exposure_s": 5.0, "drift_nm_per_s": 0.1, "ms2_background": 3.0, "loading_cv_between_tracks": 0.5}
    changed = simulate_arrays(replace(SMALL, **changes, crosstalk_to_ms2=1.0), 4)
    np.testing.assert_array_equal(changed.true_separation_nm, plain.true_separation_nm)
    np.testing.assert_array_equal(changed.bursts.start_s, plain.bursts.start_s)
    assert not np.allclose(changed.separation_nm, plain.separation_nm, atol=1.0)


def test_promoter_on_says_at_each_frame_whether_a_burst_covers_it() -> None:
    experiment = simulate_arrays(replace(SMALL, n_tracks=10), 5)
    bursts, time = experiment.bursts, experiment.time_s
    for track in range(10):
        own = bursts.track == track
        covered = (bursts.start_s[own, None] <= time) & (time < bursts.end_s[own, None])
        np.testing.assert_array_equal(experiment.promoter_on[track], covered.any(axis=0))


@pytest.mark.parametrize("start", ["off", "stationary"])
def test_long_bursts_are_stationary_from_the_first_frame(start: str) -> None:
    """Without a dependence on distance P(on) = k_on / (k_on + k_off) at every frame, on- and off-times exponential."""
    config = replace(TELEGRAPH, n_tracks=2000, k_on_per_s=1 / 4000, k_off_per_s=1 / 3000, start=start)
    experiment = simulate_arrays(config, 6)
    expected = 3000 / 7000
    assert stationary_on_fraction(config) == pytest.approx(expected, rel=1e-6)
    on = experiment.promoter_on[:, [0, 60, 120]].mean(axis=0)
    assert (np.abs(on - expected) < 4 * np.sqrt(expected * (1 - expected) / 2000)).all()
    bursts = experiment.bursts
    length = (bursts.end_s - bursts.start_s)[bursts.start_s < 0]
    assert stats.kstest(length, stats.expon(scale=3000).cdf).pvalue > 1e-3


def test_a_stationary_start_needs_no_burn_in_where_distance_says_nothing() -> None:
    config = replace(TELEGRAPH, n_tracks=4000, n_frames=3, start="stationary", burn_in_bursts=0.0, k_off_per_s=1 / 3000)
    on = simulate_arrays(config, 7).promoter_on[:, 0].mean()
    expected = 3000 / 3200
    assert abs(on - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


def test_several_steps_and_a_delay_make_a_gamma_distributed_off_time() -> None:
    config = replace(
        TELEGRAPH, n_tracks=400, n_frames=1001, activation_steps=5, activation_delay_s=70.0, k_on_per_s=1 / 60
    )
    off = off_times(simulate_arrays(config, 8), before_s=25_000.0)
    assert off.min() >= 70
    assert off.mean() == pytest.approx(370.0, rel=0.02)
    assert (off.std() / 300) ** 2 == pytest.approx(1 / 5, rel=0.06)


@pytest.mark.parametrize("start", ["off", "stationary"])
def test_several_steps_are_stationary_from_the_first_frame(start: str) -> None:
    config = replace(TELEGRAPH, n_tracks=4000, activation_steps=4, k_on_per_s=1 / 50, start=start)
    on = simulate_arrays(config, 9).promoter_on[:, [0, 120]].mean(axis=0)
    expected = 180 / 380
    assert (np.abs(on - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)).all()


def test_hysteresis_lets_bursts_begin_between_the_two_radii_alone() -> None:
    config = replace(SMALL, n_tracks=600, contact_radius_nm=80.0, k_on_per_s=1 / 3, substeps_per_frame=30)
    onset = {}
    for release in (80.0, 200.0):
        experiment = simulate_arrays(replace(config, release_radius_nm=release), 10)
        start = experiment.bursts.start_s
        frame = np.round(start / 30).astype(int)
        near = (frame >= 0) & (frame < 121) & (np.abs(start - 30 * frame) < 1)
        onset[release] = np.linalg.norm(
            experiment.true_separation_nm[experiment.bursts.track[near], :, frame[near]], axis=1
        )
    assert np.mean(onset[80.0] > 130) < 0.1  # within a second the loci move by some 60 nm
    assert np.mean(onset[200.0] > 130) > 0.15
    assert onset[200.0].max() < 300


@pytest.mark.parametrize("fano", [0.3, 3.0])
def test_loading_has_its_fano_factor_and_mean_from_the_first_moment(fano: float) -> None:
    """Of a renewal process: variance over mean tends to the squared CV of the waits; the mean is rate x time."""
    always_on = replace(TELEGRAPH, n_tracks=3000, n_frames=101, k_on_per_s=0.01, k_off_per_s=1e-9, start="stationary")
    config = replace(always_on, burn_in_bursts=0.0, loading_fano=fano, loading_rate_per_s=0.1)
    loading = simulate_arrays(config, 11).loading
    late = loading.keep(loading.time_s >= 0)
    counts = np.bincount(late.track, minlength=3000)
    assert counts.mean() == pytest.approx(300, rel=0.01)
    assert counts.var() / counts.mean() == pytest.approx(fano, rel=0.12)
    first = loading.time_s < -config.burn_in_frames * 30.0 + 20
    assert abs(first.sum() - 6000) < 4 * np.sqrt(6000 * max(fano, 1))


def test_cells_differ_in_loading_rate_by_its_coefficient_of_variation() -> None:
    config = replace(TELEGRAPH, n_tracks=4000, n_frames=31, k_on_per_s=0.1, loading_cv_between_tracks=0.7)
    experiment = simulate_arrays(config, 12)
    rate = experiment.loading_rate_per_s
    assert rate.mean() == pytest.approx(1 / 6, rel=0.04)
    assert rate.std() / rate.mean() == pytest.approx(0.7, rel=0.06)
    counts = np.bincount(experiment.loading.track, minlength=4000)
    assert np.corrcoef(rate, counts)[0, 1] > 0.9


def test_unresponsive_cells_never_switch_on() -> None:
    for start in ("off", "stationary"):
        config = replace(TELEGRAPH, n_tracks=1000, unresponsive_fraction=0.5, start=start)
        experiment = simulate_arrays(config, 13)
        assert abs(experiment.responsive.mean() - 0.5) < 4 * 0.5 / np.sqrt(1000)
        assert experiment.responsive[experiment.bursts.track].all()
        assert np.unique(experiment.bursts.track).size == experiment.responsive.sum()


def test_every_field_is_an_array_of_the_asked_tracks() -> None:
    experiment = simulate_arrays(replace(SMALL, n_tracks=7, missing_fraction=0.3), 14)
    shapes = {f.name: np.shape(getattr(experiment, f.name)) for f in fields(experiment)}
    assert shapes["separation_nm"] == shapes["true_separation_nm"] == (7, 3, 121)
    assert shapes["ms2"] == shapes["observed"] == experiment.distance_nm.shape == (7, 121)
    assert experiment.observed.mean() == pytest.approx(0.7, abs=0.06)
