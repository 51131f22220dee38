"""Lag profiles: what attributions say about the response to an input some time ago."""

import numpy as np
from numpy.typing import NDArray

from contactlens.calibration.bootstrap import ratio

Floats = NDArray[np.float64]


def lag_sums(
    scores: Floats, frames: NDArray[np.int64], weight: Floats, valid: NDArray[np.bool_], max_lag: int
) -> tuple[Floats, Floats]:
    """Weighted sums of attributions at every lag t_out - t_in from -max_lag to max_lag frames, for one track.

    scores: (F, T) attribution of input frame t_in to output frame frames[f]
    weight: (T,) weight of each input frame
    valid: (T,) frames that count, as inputs and as outputs
    Gives the sums of weight x score and of weight, (2 max_lag + 1,) each.
    """
    lags = np.arange(-max_lag, max_lag + 1)
    inputs = frames[:, None] - lags[None, :]  # (F, L)
    inside = (inputs >= 0) & (inputs < len(weight))
    inputs = np.where(inside, inputs, 0)
    weights = np.where(inside & valid[inputs] & valid[frames][:, None], weight[inputs], 0.0)
    return (weights * np.take_along_axis(scores, inputs, axis=1)).sum(axis=0), weights.sum(axis=0)


def correlation(profile: Floats, truth: Floats) -> Floats:
    """Pearson correlation of each profile (..., L) with truth (L,); NaN where a profile is constant."""
    a = profile - profile.mean(axis=-1, keepdims=True)
    b = truth - truth.mean()
    return ratio(a @ b, np.linalg.norm(a, axis=-1) * np.linalg.norm(b))


def peak(profile: Floats, lags: Floats) -> Floats:
    """Lag of the largest value of each profile (..., L)."""
    return np.asarray(lags[np.nan_to_num(profile, nan=-np.inf).argmax(axis=-1)])


def mean_lag(profile: Floats, lags: Floats) -> Floats:
    """Mean lag of the positive part of each profile (..., L)."""
    positive = np.clip(profile, 0, None)
    return ratio(positive @ lags, positive.sum(axis=-1))


def acausal_share(profile: Floats, lags: Floats) -> Floats:
    """Share of the absolute attribution of each profile (..., L) at negative lags: later inputs."""
    size = np.abs(profile)
    return ratio(size[..., lags < 0].sum(axis=-1), size.sum(axis=-1))
