"""Mean squared displacement of the separation over the lag, and the power law it follows."""

from typing import NamedTuple

import numpy as np

from contactlens.base.errors import InputError
from contactlens.calibration.bootstrap import percentile_interval, resample_counts, resampled_ratio
from contactlens.tracks.data.track_set import VECTOR_COLUMNS, TrackSet


class Msd(NamedTuple):
    """K lags.

    lag_s (K,); msd, low, high (K,): estimate and bootstrap interval, in `unit`
    pairs (K,): pairs of frames at that lag
    resamples (B, K): the MSD of each bootstrap resample of the tracks
    """

    lag_s: np.ndarray
    msd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    pairs: np.ndarray
    resamples: np.ndarray
    unit: str
    level: float


class PowerLaw(NamedTuple):
    """MSD = prefactor * (lag / 1 s)**exponent; low, high: bootstrap interval of the exponent."""

    exponent: float
    low: float
    high: float
    prefactor: float


def mean_squared_displacement(
    track_set: TrackSet,
    max_lag: int,
    n_bootstrap: int,
    seed: int,
    level: float = 0.95,
    of_distance: bool = False,
) -> Msd:
    """Time-averaged MSD of the separation (or of the scalar driver) at lags of 1 to max_lag frames.

    MSD(k) = mean of |x(t + k) - x(t)|^2 over all pairs of observed frames k apart, of all tracks. x is the
    separation vector where it is known, else the distance; with `of_distance` always the distance, which a
    turning nucleus does not change. The interval resamples whole tracks. Lags without any pair are left out.

    Raises InputError where no track has two frames at most `max_lag` apart, or a count is out of range.
    """
    if max_lag < 1:
        raise InputError(f"{track_set.source}: the longest lag must be at least one frame, not {max_lag}")
    if n_bootstrap < 1 or seed < 0:
        raise InputError(f"bootstrap: needs at least 1 replicate and a seed from 0, got {n_bootstrap} and {seed}")
    vector = track_set.driver.kind == "vector" and not of_distance
    x = positions(track_set, VECTOR_COLUMNS if vector else [track_set.driver.gate_column])
    squares, pairs = _sums_per_track(x, min(max_lag, max(1, x.shape[1] - 1)))  # (N, K) each
    reached = pairs.sum(axis=0) > 0
    if not reached.any():
        raise InputError(f"{track_set.source}: no track has two frames at most {max_lag} apart")
    squares, pairs = squares[:, reached], pairs[:, reached]
    resamples = resampled_ratio(squares, pairs, resample_counts(len(squares), n_bootstrap, seed))
    found = percentile_interval(squares.sum(axis=0) / pairs.sum(axis=0), resamples, level)
    return Msd(
        lag_s=(np.flatnonzero(reached) + 1) * track_set.frame_interval_s,
        msd=found.estimate,
        low=found.low,
        high=found.high,
        pairs=pairs.sum(axis=0).astype("int64"),
        resamples=resamples,
        unit=f"{track_set.driver.unit}^2",
        level=level,
    )


def fit_power_law(msd: Msd, min_lag_s: float, max_lag_s: float) -> PowerLaw:
    """Least-squares line through log MSD over log lag, for lags within [min_lag_s, max_lag_s].

    Localisation noise adds a constant to the MSD and so lowers the exponent at short lags; confinement
    lowers it at long ones: fit where neither rules. The interval is that of the bootstrap over tracks.

    Raises InputError where fewer than two lags of positive MSD lie in the range.
    """
    used = (msd.lag_s >= min_lag_s) & (msd.lag_s <= max_lag_s) & (msd.msd > 0)
    if used.sum() < 2:
        raise InputError(f"power law: {used.sum()} lags between {min_lag_s:g} and {max_lag_s:g} s, two are needed")
    log_lag = np.log(msd.lag_s[used])
    exponent, intercept = np.polyfit(log_lag, np.log(msd.msd[used]), 1)
    resampled = msd.resamples[:, used]
    defined = (resampled > 0).all(axis=1)
    exponents = np.polyfit(log_lag, np.log(resampled[defined]).T, 1)[0] if defined.any() else np.array([np.nan])
    found = percentile_interval(exponent, exponents, msd.level)
    return PowerLaw(float(exponent), float(found.low), float(found.high), float(np.exp(intercept)))


def _sums_per_track(x: np.ndarray, max_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of squared displacements and number of pairs of each track at each lag, (N, max_lag) each."""
    squares = np.zeros((len(x), max_lag))
    pairs = np.zeros((len(x), max_lag))
    for lag in range(1, max_lag + 1):
        squared = ((x[:, lag:] - x[:, :-lag]) ** 2).sum(axis=2)  # (N, T - lag)
        squares[:, lag - 1] = np.nansum(squared, axis=1)
        pairs[:, lag - 1] = (~np.isnan(squared)).sum(axis=1)
    return squares, pairs


def positions(track_set: TrackSet, columns: list[str]) -> np.ndarray:
    """(N, T, C) positions, NaN at missing frames; frame 0 is each track's first."""
    frames = track_set.frames
    track = frames.groupby("track_id", sort=False).ngroup().to_numpy()
    frame = frames["frame"].to_numpy()
    frame = frame - frames["frame"].groupby(track).transform("min").to_numpy()
    x = np.full((track.max() + 1, frame.max() + 1, len(columns)), np.nan)
    x[track, frame] = frames[columns].to_numpy()
    return x
