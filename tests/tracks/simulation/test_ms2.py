import numpy as np
from scipy import integrate

from contactlens.tracks.simulation.ms2 import burst_response, polymerase_response, signal_of
from contactlens.tracks.simulation.promoter import Events


def test_one_polymerase_ramps_stays_and_leaves() -> None:
    lag = np.array([-1.0, 0.0, 14.0, 28.0, 100.0, 139.9, 140.0])
    np.testing.assert_allclose(polymerase_response(lag, 28.0, 140.0), [0, 0, 0.5, 1, 1, 1, 0])


def test_burst_response_is_the_convolution_of_on_probability_and_ramp() -> None:
    k = 1 / 180
    for lag in (-10.0, 5.0, 28.0, 77.0, 140.0, 200.0, 600.0):
        expected, _ = integrate.quad(
            lambda s, lag=lag: np.exp(-k * s) * polymerase_response(np.array(lag - s), 28.0, 140.0),
            0,
            max(lag, 0),
            points=[p for p in (lag - 28, lag - 140) if 0 < p < lag],
        )
        np.testing.assert_allclose(burst_response(np.array([lag]), 28.0, 140.0, k), expected, atol=1e-6)


def test_signal_is_the_sum_over_polymerases() -> None:
    rng = np.random.default_rng(0)
    track, time = rng.integers(0, 3, 200), rng.uniform(-150, 1200, 200)
    fast = signal_of(Events(track, time), 3, 41, 30.0, 28.0, 140.0)
    lag = np.arange(41) * 30.0 - time[:, None]
    slow = np.zeros((3, 41))
    np.add.at(slow, track, polymerase_response(lag, 28.0, 140.0))
    np.testing.assert_allclose(fast, slow, atol=1e-12)
