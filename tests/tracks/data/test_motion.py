"""The fitted motion against the integral it stands for, exact Gaussian paths, and the simulator's polymers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from contactlens.base.errors import InputError
from contactlens.tracks.data.motion import Motion, fit_motion
from contactlens.tracks.data.track_set import Driver, TrackSet
from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import simulate

ROUSE = SimulationConfig(n_tracks=80, n_frames=301, contact_radius_nm=1e-3)


@pytest.mark.parametrize("trap", [1e-3, 0.3, 2.0, 50.0])
@pytest.mark.parametrize("exponent", [0.1, 0.37, 0.5])
def test_covariance_is_the_integral_of_the_heat_kernels(trap: float, exponent: float) -> None:
    motion = Motion(3.0, 600.0, exponent, trap, 0.0)

    def beyond(x: float) -> float:
        return quad(lambda y: -np.expm1(-1 / y**2) * np.exp(-trap * y**2), x, np.inf, limit=200, epsabs=1e-13)[0]

    for lag in (0.0, 1.0, 30.0, 600.0, 3e4):
        expected = 3 * beyond(max((lag / 600) ** exponent, 1e-9)) / beyond(1e-9)
        assert motion.covariance(np.array([lag]))[0] == pytest.approx(expected, abs=1e-7)


def test_amplitude_plateau_and_noise_are_the_ends_of_the_msd() -> None:
    motion = Motion(4e4, 900.0, 0.4, 0.5, 25.0)
    assert motion.msd(np.array([1e-6]))[0] / 1e-6**0.4 == pytest.approx(motion.amplitude, rel=1e-2)
    assert motion.msd(np.array([1e7]))[0] == pytest.approx(motion.plateau_nm2, rel=1e-3)
    assert motion.msd(np.array([30.0]), noise=True)[0] - motion.msd(np.array([30.0]))[0] == pytest.approx(6 * 625)
    assert motion.trap_rate_per_s == pytest.approx(0.5 ** (1 / 0.8) / 900)


@pytest.mark.slow
def test_a_rouse_chain_has_exponent_one_half_and_its_noise_and_plateau() -> None:
    """Where a straight line through the MSD reads 0.42."""
    fit = fit_motion(simulate(replace(ROUSE, missing_fraction=0.1), 1), 20, 0)
    assert fit.best.exponent == pytest.approx(0.5, abs=0.035)
    assert fit.interval("exponent")[0] < 0.5 < fit.interval("exponent")[1]
    assert fit.interval("noise_nm")[0] < 30 < fit.interval("noise_nm")[1]
    lag = np.array([150.0, 600.0])
    true = 6 * (ROUSE.chain.covariance(np.zeros(1)) - ROUSE.chain.covariance(lag))
    np.testing.assert_allclose(fit.best.msd(lag), true, rtol=0.07)
    assert fit.best.plateau_nm2 == pytest.approx(6 * ROUSE.chain.axis_variance_nm2, rel=0.15)
    assert "no trap seen" in fit.summary()


def test_a_viscoelastic_chain_with_known_noise_has_its_exponent() -> None:
    config = replace(ROUSE, msd_exponent=0.37, msd_amplitude_nm2_per_sqrt_s=6200.0)
    fit = fit_motion(simulate(config, 2), 20, 0, noise_nm=30.0)
    assert fit.best.noise_nm == 30
    assert fit.best.exponent == pytest.approx(0.37, abs=0.025)


def test_a_trap_is_told_from_a_smaller_exponent() -> None:
    fit = fit_motion(simulate(replace(ROUSE, confinement_time_s=300.0), 3), 20, 0)
    assert fit.best.exponent == pytest.approx(0.5, abs=0.06)
    low, high = fit.interval("trap_rate_per_s")
    assert 0.85 * low < 1 / 300 < 1.15 * high  # 20 replicates tell the ends no better
    assert "trap of" in fit.summary()


def test_a_rerun_gives_the_same_table() -> None:
    simulated = simulate(replace(ROUSE, n_tracks=20, n_frames=61), 4)
    first, again = fit_motion(simulated, 5, 1), fit_motion(simulated, 5, 1)
    assert first == again
    table = first.table().set_index("quantity")
    assert list(table.index[:2]) == ["exponent", "amplitude_nm2_per_s^exponent"]
    assert (table["low"] <= table["high"]).all()


def test_what_cannot_be_fitted_is_refused() -> None:
    simulated = simulate(replace(ROUSE, n_tracks=2, n_frames=5), 5)
    with pytest.raises(InputError, match="noise"):
        fit_motion(simulated, 2, 0, noise_nm=-1.0)
    with pytest.raises(InputError, match="0 to 2 frames"):
        alone = simulated.frames[simulated.frames["frame"] == 0]
        fit_motion(replace(simulated, frames=alone), 2, 0)
    frames = simulated.frames.drop(columns=["ep_x_nm", "ep_y_nm", "ep_z_nm"])
    distances = TrackSet(frames, 30.0, Driver("distance", "E-P distance", "nm"), "a.u.", "a lab")
    with pytest.raises(InputError, match="vectors"):
        fit_motion(distances, 2, 0)
