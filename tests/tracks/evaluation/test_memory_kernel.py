"""The memory of MS2 on the frame grid, against fine sums and the law of polymerases loaded at random."""

import numpy as np
import pytest

from contactlens.base.errors import InputError
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.simulation.ms2 import polymerase_response, signal_of
from contactlens.tracks.simulation.promoter import Bursts, load_polymerases


@pytest.mark.parametrize(("ramp_s", "dwell_s", "interval_s"), [(28, 140, 30), (28, 140, 20), (60, 60, 20), (5, 12, 30)])
def test_weights_are_the_response_seen_through_linear_interpolation(ramp_s: float, dwell_s: float, interval_s: float):
    kernel = memory_kernel(ramp_s, dwell_s, interval_s)
    step = 1e-3
    lag = np.arange(step / 2, dwell_s, step)
    response = polymerase_response(lag, ramp_s, dwell_s)
    share = np.maximum(0, 1 - np.abs(lag / interval_s - np.arange(len(kernel.mean))[:, None]))
    np.testing.assert_allclose(kernel.mean, step * share @ response, atol=1e-3)
    np.testing.assert_allclose(kernel.square, step * share @ response**2, atol=1e-3)
    assert kernel.mean.sum() == pytest.approx(dwell_s - ramp_s / 2)
    assert kernel.square.sum() == pytest.approx(dwell_s - 2 * ramp_s / 3)


def test_mean_and_variance_are_those_of_poisson_loading():
    """On from a moment between frames 9 and 10 to one between frames 19 and 20, in 40,000 tracks."""
    tracks, frames, interval_s, rate, rng = 40_000, 30, 20.0, 0.2, np.random.default_rng(0)
    start, end = rng.uniform(180, 200, size=tracks), rng.uniform(380, 400, size=tracks)
    burst = Bursts(np.arange(tracks), start, end, np.arange(tracks))
    loading = load_polymerases(burst, rate, frames * interval_s, rng)
    signal = signal_of(loading, tracks, frames, interval_s, ramp_s=28.0, dwell_s=140.0)
    kernel = memory_kernel(28.0, 140.0, interval_s)
    state = (np.arange(frames) >= 10) & (np.arange(frames) < 20)
    np.testing.assert_allclose(signal.mean(axis=0), rate * np.convolve(state, kernel.mean)[:frames], atol=0.15)
    assert signal[:, 18].var() == pytest.approx(rate * kernel.square.sum(), rel=0.03)


@pytest.mark.parametrize("values", [(0, 140, 30), (150, 140, 30), (28, 140, 0), (float("nan"), 140, 30)])
def test_impossible_times_are_refused(values: tuple[float, float, float]):
    with pytest.raises(InputError, match="memory_kernel"):
        memory_kernel(*values)
