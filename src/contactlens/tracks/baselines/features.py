"""Windowed features of the driver for the boosted trees: how near, how long ago, how soon after."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from contactlens.tracks.baselines.frames import Array, Frames


@dataclass(frozen=True)
class FeatureConfig:
    """lag_frames: offsets at which the distance itself is read, positive into the past, negative into the
    future.
    window_frames: lengths of the windows before (with the present frame) and after each frame.
    contact_quantiles: quantiles of the driver below which a frame counts as contact.
    """

    lag_frames: list[int]
    window_frames: list[int]
    contact_quantiles: list[float]


def windowed_features(frames: Frames, config: FeatureConfig, thresholds: Array, signal_radius: float | None) -> Array:
    """(N * T, F) float32 in frame order of each track; NaN where a window holds nothing.

    thresholds: contact thresholds in driver units. signal_radius: where the task has MS2 as an input, the
    distance below which it may be seen; None where it has not.
    """
    distance = pd.DataFrame(frames.distance.T)  # (T, N): pandas rolls down columns
    columns = [distance.shift(lag) for lag in config.lag_frames]
    series = [(distance < threshold).astype(float).where(distance.notna()) for threshold in thresholds]
    if signal_radius is not None:
        seen = pd.DataFrame(np.where(frames.distance < signal_radius, frames.signal, np.nan).T)
        series.append(seen)
        columns += [seen, *_nearest(seen), *(_reversed(part) for part in _nearest(_reversed(seen)))]
    for window in config.window_frames:
        for values in (distance, *series):
            columns += _means(values, window)
        columns += _minima(distance, window)
    return np.stack([column.to_numpy(dtype=np.float32).T.ravel() for column in columns], axis=1)


def _reversed(values: pd.DataFrame) -> pd.DataFrame:
    return values[::-1].reset_index(drop=True)


def _means(values: pd.DataFrame, window: int) -> list[pd.DataFrame]:
    """Mean over the window ending at each frame, and over the one that starts right after it."""
    after = _reversed(_reversed(values).rolling(window, min_periods=1).mean())
    return [values.rolling(window, min_periods=1).mean(), after.shift(-1)]


def _minima(values: pd.DataFrame, window: int) -> list[pd.DataFrame]:
    after = _reversed(_reversed(values).rolling(window, min_periods=1).min())
    return [values.rolling(window, min_periods=1).min(), after.shift(-1)]


def _nearest(seen: pd.DataFrame) -> list[pd.DataFrame]:
    """The last value seen at or before each frame, and how many frames ago."""
    at = pd.DataFrame(np.arange(len(seen))[:, None] + np.zeros(seen.shape[1])).where(seen.notna())
    return [seen.ffill(), (at.ffill() - np.arange(len(seen))[:, None]).abs()]
