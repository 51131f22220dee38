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


def discrepancies(observed: dict[str, Floats], simulated: dict[str, Floats]) -> dict[str, tuple[float, float]]:
    """(p, ratio) of each group. simulated: (S, K) of each group, of the same number of experiments.

    A group's distance is that of its K statistics from the other experiments, in SDs. ratio: the data's over the median
    one. p is for all groups together: the share of experiments whose most extreme group, whichever it is, is at least
    as extreme as this one of the data (single-step maxT; Westfall and Young, Resampling-Based Multiple Testing, 1993).
    Distances of different groups are compared by their logarithms, standardised over the experiments.
    """
    distance = {name: np.log(_distances(observed[name], simulated[name]) + 1e-12) for name in observed}
    extreme = {name: (d - d[1:].mean()) / (d[1:].std() + 1e-9) for name, d in distance.items()}
    largest = np.max([e[1:] for e in extreme.values()], axis=0)
    return {
        name: (
            float((1 + np.sum(largest >= extreme[name][0])) / (1 + largest.size)),
            float(np.exp(d[0] - np.median(d[1:]))),
        )
        for name, d in distance.items()
    }


def _distances(observed: Floats, simulated: Floats) -> Floats:
    """(1 + S,) mean squared difference from the mean of the other simulated experiments, in their SDs; data first."""
    middle, count = simulated.mean(axis=0), len(simulated)
    own, others = observed - middle, simulated - middle
    square = (others**2).sum(axis=0)
    mean = np.vstack([np.zeros_like(own), -others / (count - 1)])  # of the others
    variance = np.vstack([square / count, (square - others**2) / (count - 1)]) - mean**2
    sd = np.sqrt(np.maximum(variance, 0)) + 1e-9 * (np.abs(simulated).max(axis=0) + 1e-12)
    difference = (np.vstack([own, others]) - mean) / sd
    return np.asarray(np.mean(np.minimum(difference**2, 60.0), axis=1))
