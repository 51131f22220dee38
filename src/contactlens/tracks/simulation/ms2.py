"""MS2: the fluorescence of nascent RNA, one polymerase at a time.

A polymerase's signal rises while it transcribes the stem loops, stays while it transcribes the rest of the gene, and
vanishes when it leaves (Garcia et al., Curr. Biol. 2013; Larson et al., Science 2011).
"""

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.promoter import Events

Floats = NDArray[np.float64]


def polymerase_response(lag_s: Floats, ramp_s: float, dwell_s: float) -> Floats:
    """Share of a polymerase's full signal at `lag_s` after it was loaded: ramp, plateau, nothing."""
    lag = np.asarray(lag_s, dtype=np.float64)
    return np.where((lag >= 0) & (lag < dwell_s), np.minimum(lag / ramp_s, 1.0), 0.0)


def burst_response(lag_s: Floats, ramp_s: float, dwell_s: float, k_off_per_s: float) -> Floats:
    """Mean number of full polymerase signals at `lag_s` after a burst began, per unit of loading rate (s).

    The convolution of the probability exp(-k_off s) that the promoter is still on with `polymerase_response`, in
    closed form: the response is a ramp from 0, less a ramp from `ramp_s`, less a step at `dwell_s`.
    """
    k = k_off_per_s

    def step(t: Floats) -> Floats:
        t = np.clip(t, 0, None)
        return -np.expm1(-k * t) / k

    def ramp(t: Floats) -> Floats:
        t = np.clip(t, 0, None)
        return (t + np.expm1(-k * t) / k) / k / ramp_s

    lag = np.asarray(lag_s, dtype=np.float64)
    return ramp(lag) - ramp(lag - ramp_s) - step(lag - dwell_s)


def signal_of(
    loading: Events, n_tracks: int, n_frames: int, frame_interval_s: float, ramp_s: float, dwell_s: float
) -> Floats:
    """(n_tracks, n_frames) sum of the responses of all loaded polymerases, in units of one polymerase."""
    total = np.zeros(n_tracks * n_frames)
    first = np.ceil(loading.time_s / frame_interval_s).astype(np.int64)
    for later in range(int(np.ceil(dwell_s / frame_interval_s)) + 1):
        frame = first + later
        inside = (frame >= 0) & (frame < n_frames)
        response = polymerase_response(frame * frame_interval_s - loading.time_s, ramp_s, dwell_s)
        total += np.bincount(
            loading.track[inside] * n_frames + frame[inside], weights=response[inside], minlength=total.size
        )
    return total.reshape(n_tracks, n_frames)
