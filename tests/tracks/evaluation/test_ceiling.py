"""The ceiling against distributions in closed form, and against tracks that the simulator drew."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from contactlens.calibration.metrics import coverage
from contactlens.calibration.scores import Gaussian
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.ceiling import DrawnSignal, ceiling_of, why_no_ceiling
from contactlens.tracks.evaluation.config import CeilingConfig
from contactlens.tracks.evaluation.signal import observed_signal
from contactlens.tracks.models.tasks import task_named
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import simulate

BASE = SimulationConfig(n_tracks=12, n_frames=60, substeps_per_frame=5, beads=60, loci=(20, 40), missing_fraction=0.1)
ALWAYS_ON = replace(BASE, contact_law="none", k_on_per_s=1.0, k_off_per_s=1e-9, start="stationary", burn_in_bursts=0.0)
NEVER_ON = replace(BASE, k_on_per_s=1e-12)
ASKED = CeilingConfig(tracks=12, samples=400)


def scored(config: SimulationConfig, asked: CeilingConfig = ASKED, seed: int = 0) -> tuple[np.ndarray, DrawnSignal]:
    """The signal of tracks of `config`, and their ceiling."""
    tracks = simulate(config, seed)
    batch = batch_of(tracks)
    ceiling = ceiling_of(batch, tracks, asked, seed)
    return observed_signal(batch.select(list(ceiling.rows))), ceiling.form


def shot_noise_density(config: SimulationConfig, y: np.ndarray) -> np.ndarray:
    """Of the signal of a promoter that is always on: polymerases come at one rate and stay for the dwell time, so the
    log of the characteristic function is rate times the integral of exp(iu response) - 1 (Campbell), less the noise's.
    """
    u = np.linspace(0, 8 / config.ms2_noise, 801)
    ramp_s, plateau_s = config.ms2_ramp_s, config.ms2_dwell_s - config.ms2_ramp_s
    share = (np.arange(400) + 0.5) / 400
    on_ramp = np.exp(1j * u[:, None] * share).mean(axis=1) - 1
    log = config.loading_rate_per_s * (ramp_s * on_ramp + plateau_s * (np.exp(1j * u) - 1))
    characteristic = np.exp(log - (config.ms2_noise * u) ** 2 / 2)
    return np.trapezoid((characteristic * np.exp(-1j * u * y[:, None])).real, u, axis=1) / np.pi


@pytest.mark.slow
def test_of_a_promoter_that_is_always_on_it_is_the_shot_noise_in_closed_form() -> None:
    y, form = scored(ALWAYS_ON)
    exact = -np.log(shot_noise_density(ALWAYS_ON, y))
    assert form.nll(y).mean() == pytest.approx(exact.mean(), abs=0.004)
    rate, ramp_s, dwell_s = ALWAYS_ON.loading_rate_per_s, ALWAYS_ON.ms2_ramp_s, ALWAYS_ON.ms2_dwell_s
    assert form.mean.mean() == pytest.approx(rate * (dwell_s - ramp_s / 2), rel=0.01)
    variance = rate * (dwell_s - ramp_s * 2 / 3) + ALWAYS_ON.ms2_noise**2
    assert (form.sd**2).mean() == pytest.approx(variance, rel=0.02)


def test_of_a_promoter_that_never_switches_on_it_is_the_noise() -> None:
    y, form = scored(NEVER_ON, CeilingConfig(tracks=12, samples=3))
    noise = Gaussian(np.zeros_like(y), np.full_like(y, NEVER_ON.ms2_noise))
    for name in ("nll", "crps", "pit"):
        np.testing.assert_allclose(getattr(form, name)(y), getattr(noise, name)(y), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(form.sd, noise.sd)


def test_scores_of_draws_are_those_of_the_mixture_and_unbiased() -> None:
    """The draws are of two values with even chances: the exact mixture is known, and few draws of it are enough."""
    rng = np.random.default_rng(0)
    n = 20_000
    y = 5 * rng.integers(0, 2, n) + rng.standard_normal(n)
    form = DrawnSignal.of(5.0 * rng.integers(0, 2, (40, n)), noise=1.0)
    exact = -np.log((norm.pdf(y) + norm.pdf(y - 5)) / 2)
    assert form.nll(y).mean() == pytest.approx(exact.mean(), abs=0.003)

    def apart(gap: np.ndarray | float, sd: float) -> np.ndarray:
        return gap * (2 * norm.cdf(gap / sd) - 1) + 2 * sd * norm.pdf(gap / sd)

    crps = (apart(y, 1.0) + apart(y - 5, 1.0)) / 2 - (apart(0.0, 2**0.5) + apart(5.0, 2**0.5)) / 4
    assert form.crps(y).mean() == pytest.approx(crps.mean(), abs=0.01)


@pytest.mark.slow
def test_where_contact_decides_it_is_calibrated_and_knows_the_less_the_noisier_the_driver() -> None:
    """One and the same seed gives the same motion, promoters and signals, whatever the noise of the positions."""
    fast = replace(BASE, n_tracks=40, n_frames=80, contact_radius_nm=150.0, k_off_per_s=1 / 60)
    asked = CeilingConfig(tracks=40, samples=150)
    scores = []
    for noise_nm in (0.0, 400.0):
        y, form = scored(replace(fast, localisation_noise_nm=(noise_nm,) * 3), asked)
        scores.append((form.nll(y).mean(), form.crps(y).mean()))
        assert coverage(form.pit(y), 0.9) == pytest.approx(0.9, abs=0.025)
    constant = DrawnSignal.of(np.tile(np.random.default_rng(0).choice(y, 400)[:, None], (1, len(y))), fast.ms2_noise)
    scores.append((constant.nll(y).mean(), constant.crps(y).mean()))
    for score in zip(*scores, strict=True):
        assert list(score) == sorted(score)
        assert score[-1] > score[0] + 0.05


def test_a_track_has_the_same_draws_whatever_the_others() -> None:
    tracks = simulate(BASE, 3)
    batch = batch_of(tracks)
    few, all_ = (ceiling_of(batch, tracks, CeilingConfig(tracks=n, samples=20), 3) for n in (3, 12))
    last = int(batch.observed[-1].sum())
    np.testing.assert_array_equal(few.form.mean[-last:], all_.form.mean[-last:])
    assert list(few.rows) == [0, 6, 11] and list(all_.rows) == list(range(12))


def test_what_has_no_ceiling_says_why() -> None:
    tracks, driver = simulate(replace(BASE, n_tracks=2), 0), task_named("ep_to_ms2")
    imported = replace(tracks, source="a microscope", truth=None)

    def reason(tracks: TrackSet = tracks, task: str = "ep_to_ms2", asked: CeilingConfig = ASKED) -> str | None:
        return why_no_ceiling(task_named(task), tracks, asked)

    assert why_no_ceiling(driver, tracks, ASKED) is None
    assert "not known" in str(reason(imported))
    assert "driver alone" in str(reason(task="epms2_to_ms2"))
    assert "asked" in str(reason(asked=replace(ASKED, tracks=0)))
    assert "noise" in str(reason(simulate(replace(BASE, n_tracks=2, ms2_noise=0.1), 0)))
    assert "drift" in str(reason(simulate(replace(BASE, n_tracks=2, drift_nm_per_s=0.1), 0)))
