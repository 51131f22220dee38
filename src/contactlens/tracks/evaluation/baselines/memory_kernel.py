"""The MS2 memory on the frame grid: what the promoter's state at each past frame adds to the signal."""

from typing import NamedTuple

import numpy as np
from scipy.integrate import quad

from contactlens.base.errors import InputError
from contactlens.tracks.simulation.ms2 import polymerase_response

Array = np.ndarray


class MemoryKernel(NamedTuple):
    """Weights of the promoter's state at the present frame and the ones before it.

    mean: (w,) s; with a loading rate of r polymerases per second, the mean signal is r * sum_k mean_k state_{t-k}
    square: (w,) s; the same of the squared response, which gives the variance by Poisson loading (Campbell's theorem)
    frame_interval_s: seconds between frames
    """

    mean: Array
    square: Array
    frame_interval_s: float


def memory_kernel(ramp_s: float, dwell_s: float, frame_interval_s: float) -> MemoryKernel:
    """The kernel of `polymerase_response` for a promoter state that is linear between frames.

    w = ceil(dwell / frame interval) + 1 frames; a state held for the whole step before its frame would need one
    frame less, but would place every switch half a frame late. `mean` sums to dwell - ramp / 2.

    Raises InputError unless 0 < ramp_s <= dwell_s and frame_interval_s > 0.
    """
    if not (0 < ramp_s <= dwell_s and frame_interval_s > 0):
        rule = "memory_kernel: needs 0 < ramp_s <= dwell_s and frame_interval_s > 0"
        raise InputError(f"{rule}, got {ramp_s}, {dwell_s} and {frame_interval_s}")
    taps = range(int(np.ceil(dwell_s / frame_interval_s)) + 1)

    def weights(power: int) -> Array:
        return np.array([_weight(tap, power, ramp_s, dwell_s, frame_interval_s) for tap in taps])

    return MemoryKernel(weights(1), weights(2), frame_interval_s)


def _weight(tap: int, power: int, ramp_s: float, dwell_s: float, frame_interval_s: float) -> float:
    """Integral (s) of the response's power with the linear interpolation's weight of the frame `tap` steps ago."""

    def integrand(lag_s: float) -> float:
        response = float(polymerase_response(np.array(lag_s), ramp_s, dwell_s))
        return response**power * max(0.0, 1 - abs(lag_s / frame_interval_s - tap))

    centre = tap * frame_interval_s
    first, last = max(0.0, centre - frame_interval_s), min(dwell_s, centre + frame_interval_s)
    kinks = [point for point in (centre, ramp_s) if first < point < last]
    return float(quad(integrand, first, last, points=kinks)[0])
