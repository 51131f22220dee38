"""Windowed features of the driver for the boosted trees: how near, how long ago, how soon after."""

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from contactlens.tracks.evaluation.baselines import HIDDEN, SignalView
from contactlens.tracks.evaluation.baselines.frames import Array, Frames
from contactlens.tracks.evaluation.config import FeatureConfig


def windowed_features(frames: Frames, config: FeatureConfig, thresholds: Array, view: SignalView = HIDDEN) -> Array:
    """(N * T, F) float32 in frame order of each track; NaN where a window holds nothing. Of vectors, the distance half
    way between frames has the features that the distance at the frames has.

    thresholds: contact thresholds in driver units; view: what may be read of MS2
    """
    given = [frames.distance] if frames.halfway is None else [frames.distance, frames.halfway]
    distances = [pd.DataFrame(one.T) for one in given]  # (T, N): pandas rolls down columns
    columns = [one.shift(lag) for one in distances for lag in config.lag_frames]
    series = [(one < threshold).astype(float).where(one.notna()) for one in distances for threshold in thresholds]
    if view.parts is not None:
        columns += [pd.DataFrame(part.T) for part in _part_means(frames, view.parts)]
    if view.radius is not None:
        visible = pd.DataFrame(np.where(frames.distance < view.radius, frames.signal, np.nan).T)
        series.append(visible)
        columns += [visible, *_nearest(visible), *(_reversed(part) for part in _nearest(_reversed(visible)))]
    for window in config.window_frames:
        for values in (*distances, *series):
            columns += _means(values, window)
        for one in distances:
            columns += _minima(one, window)
    return np.stack([column.to_numpy(dtype=np.float32).T.ravel() for column in columns], axis=1)


def _part_means(frames: Frames, parts: int) -> list[Array]:
    """Mean of MS2 (N, T) in the part of each frame, in the one before, in the one after and over the track; NaN in a
    part without an observed frame."""
    visible = torch.from_numpy(np.stack([frames.signal * frames.observed, frames.observed], axis=1))
    total, share = F.adaptive_avg_pool1d(visible, parts).numpy().swapaxes(0, 1)  # (N, parts) each
    mean = np.divide(total, share, out=np.full_like(total, np.nan), where=share > 0)
    T = frames.signal.shape[1]
    own = np.arange(T) * parts // T
    overall = np.repeat(np.nanmean(mean, axis=1, keepdims=True), T, axis=1)
    around = np.pad(mean, ((0, 0), (1, 1)), constant_values=np.nan)
    return [around[:, own + 1], around[:, own], around[:, own + 2], overall]


def _reversed(values: pd.DataFrame) -> pd.DataFrame:
    return values[::-1].reset_index(drop=True)


def _means(values: pd.DataFrame, window: int) -> list[pd.DataFrame]:
    """Mean over the window ending at each frame, and over the one that starts right after it."""
    after = _reversed(_reversed(values).rolling(window, min_periods=1).mean())
    return [values.rolling(window, min_periods=1).mean(), after.shift(-1)]


def _minima(values: pd.DataFrame, window: int) -> list[pd.DataFrame]:
    after = _reversed(_reversed(values).rolling(window, min_periods=1).min())
    return [values.rolling(window, min_periods=1).min(), after.shift(-1)]


def _nearest(visible: pd.DataFrame) -> list[pd.DataFrame]:
    """The last value seen at or before each frame, and how many frames ago."""
    at = pd.DataFrame(np.arange(len(visible))[:, None] + np.zeros(visible.shape[1])).where(visible.notna())
    return [visible.ffill(), (at.ffill() - np.arange(len(visible))[:, None]).abs()]
