"""Statistics by which simulated experiments and the data are compared; each group names one part of the model."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
SIGNAL_LAGS = (1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 30)
COUPLING_FRAMES = range(-10, 11, 2)
DISTANCE_LEVELS = (0.03, 0.08, 0.16, 0.3, 0.5)
ONSET_FRAMES = range(-12, 7)


def signal_statistics(signal: Floats) -> dict[str, Floats]:
    """Groups of statistics of the signal (N, T) alone, NaN where missing."""
    mean, sd = np.nanmean(signal), np.nanstd(signal)
    z = (signal - mean) / sd
    lagged = [np.nanmean(z[:, lag:] * z[:, :-lag]) for lag in SIGNAL_LAGS if lag < signal.shape[1] - 2]
    quantiles = np.nanquantile(signal, [0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.97, 0.995])
    steps = np.diff(signal, axis=1)
    thirds = [np.nanmean(part) for part in np.array_split(signal, 3, axis=1)]
    tops = [np.nanquantile(part, 0.95) for part in np.array_split(signal, 3, axis=1)]
    per_track = np.nanmean(signal, axis=1)
    busiest = np.nanquantile(signal, 0.9, axis=1)
    return {
        "MS2 levels": np.array([mean, sd, *quantiles]),
        "MS2 in time": np.array([*lagged, np.nanstd(steps) / sd, np.nanmean((np.abs(steps) / sd) ** 3)]),
        "MS2 over the experiment": np.array([thirds[0] - thirds[2], thirds[1] - mean, tops[0] - tops[2]]),
        "MS2 between cells": np.concatenate(
            [np.quantile(per_track, [0.05, 0.25, 0.75, 0.95]), np.quantile(busiest, [0.05, 0.25, 0.75])]
        ),
    }


def coupling_statistics(distance: Floats, signal: Floats, levels: Floats) -> dict[str, Floats]:
    """How the signal goes with the measured distance (N, T) at each lag: mean signal, less the overall mean, given
    that the distance lies between two of `levels`."""
    mean = np.nanmean(signal)
    edges = np.concatenate([[-np.inf], levels, [np.inf]])
    t = signal.shape[1]
    values = []
    for lag in COUPLING_FRAMES:
        d = distance[:, max(0, -lag) : t - max(0, lag)]
        y = signal[:, max(0, lag) : t - max(0, -lag)]
        for low, high in pairwise(edges):
            chosen = (d >= low) & (d < high) & np.isfinite(y)
            values.append(y[chosen].sum() / (chosen.sum() + 5.0) - mean * chosen.sum() / (chosen.sum() + 5.0))
    return {"MS2 given distance": np.array(values)}


def onset_profile(distance: Floats, signal: Floats, threshold: float) -> Floats:
    """Mean distance around onsets, at ONSET_FRAMES from the first frame above `threshold`: three frames before and
    two from it on must lie on their sides of it. NaN where there is no onset."""
    above = np.where(np.isnan(signal), np.nan, signal > threshold)
    t = signal.shape[1]
    onset = np.zeros(signal.shape, dtype=bool)
    if t > 5:
        before = (above[:, : t - 4] == 0) & (above[:, 1 : t - 3] == 0) & (above[:, 2 : t - 2] == 0)
        onset[:, 3 : t - 1] = before & (above[:, 3 : t - 1] == 1) & (above[:, 4:] == 1)
    track, frame = np.nonzero(onset)
    profile = []
    for lag in ONSET_FRAMES:
        inside = (frame + lag >= 0) & (frame + lag < t)
        values = distance[track[inside], frame[inside] + lag]
        profile.append(np.nanmean(values) if np.isfinite(values).any() else np.nan)
    return np.array(profile)


def motion_statistics(driver: Floats) -> dict[str, Floats]:
    """Of a measured separation (N, T, C): its distribution, and its displacements over growing lags."""
    distance = np.linalg.norm(driver, axis=2) if driver.shape[2] == 3 else driver[:, :, 0]
    quantiles = np.nanquantile(distance, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    t = driver.shape[1]
    lags = [lag for lag in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89) if lag < t // 2]
    moved = [np.log(np.nanmean((driver[:, lag:] - driver[:, :-lag]) ** 2)) for lag in lags]
    halves = [np.nanmean(part) for part in np.array_split(distance, 2, axis=1)]
    between = np.nanstd(np.nanmean(distance, axis=1))
    return {"motion": np.array([*np.log(quantiles), *moved, np.log(halves[0] / halves[1]), np.log(between)])}


def discrepancy(observed: Floats, simulated: Floats) -> tuple[float, float]:
    """(p, ratio) of one group: the share of experiments at least as far from the others as the data are, and the data's
    distance over the median one. simulated: (S, K); each is compared with the mean and SD of the rest."""
    everything = np.vstack([observed[None], simulated])
    distances = np.empty(len(everything))
    for i in range(len(everything)):
        rest = np.delete(everything, [0, i], axis=0)
        sd = rest.std(axis=0) + 1e-9 * (np.abs(rest).max(axis=0) + 1e-12)
        distances[i] = np.mean(np.minimum(((everything[i] - rest.mean(axis=0)) / sd) ** 2, 60.0))
    p = (1 + np.sum(distances[1:] >= distances[0])) / len(everything)
    return float(p), float(distances[0] / np.median(distances[1:]))
