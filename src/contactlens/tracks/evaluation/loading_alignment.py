"""How well found loading times agree with the true ones: one-to-one matches within a tolerance, against controls.

A found time is right where a true one lies within the tolerance and is not taken by another found time. The controls
have as many times as the network on each track: drawn uniformly (`rate_matched_random`), or the network's own, turned
around the track by a random time (`circular_shift`), which keeps their bursts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contactlens.calibration.bootstrap import Metric, difference, interval, resample_counts
from contactlens.tracks.data.promoter_truth import observed_span
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.simulation.promoter import Events

NETWORK = "network"
LEAST_TURN = 0.1  # of a track: a smaller turn would leave the control nearly aligned
SCORES = ("precision", "recall", "f1")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class AlignmentConfig:
    """tolerance_frames: tolerances, the main one first
    max_lag_frames, lag_step_frames: delays that are tried on the validation split, both ways
    bootstrap_replicates, confidence: of the intervals, by track
    """

    tolerance_frames: tuple[float, ...] = (1.0, 0.5, 2.0)
    max_lag_frames: float = 2.0
    lag_step_frames: float = 0.25
    bootstrap_replicates: int = 1000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not self.tolerance_frames or min(self.tolerance_frames) <= 0:
            raise ValueError("alignment.tolerance_frames must be one or more positive numbers")
        if self.max_lag_frames < 0 or self.lag_step_frames <= 0:
            raise ValueError("alignment.max_lag_frames must not be negative, lag_step_frames must be positive")
        if self.bootstrap_replicates < 1 or not 0 < self.confidence < 1:
            raise ValueError("alignment: needs bootstrap_replicates of at least 1 and confidence in (0, 1)")

    @property
    def lags(self) -> list[float]:
        """Delays to try, in frames, from none outwards: of equal ones the smallest is taken."""
        steps = np.arange(1, int(self.max_lag_frames / self.lag_step_frames) + 1) * self.lag_step_frames
        return sorted([0.0, *steps, *-steps], key=abs)


class LoadingTimes(NamedTuple):
    """true: loading times of the tracks, s after each one's frame 0; found: those of each model, by its name
    duration_s: (N,) time of each track's last frame; times outside [0, duration] don't count."""

    true: Events
    found: Mapping[str, Events]
    duration_s: NDArray[np.float64]


@dataclass(frozen=True)
class LoadingAlignment:
    """metrics: model, metric, estimate, low, high. Metrics are `f1_within_30s`, precision and recall alike, and for the
    network `<metric>_minus_<other model>`.
    per_track: model, track, true, found, matched (within the main tolerance).
    lags: model, lag_s, f1 on the validation split within the main tolerance.
    lag_s: by model, the smallest delay with the highest f1 there, by which its test times were moved. It is known to
        about the tolerance.
    """

    metrics: pd.DataFrame
    per_track: pd.DataFrame
    lags: pd.DataFrame
    lag_s: dict[str, float]

    TABLES = ("metrics", "per_track", "lags")


def true_loading(track_set: TrackSet, track_ids: Sequence[str]) -> tuple[Events, NDArray[np.float64]]:
    """Loading times of the named tracks, in s after each one's frame 0, and the time (N,) of each one's last frame.

    Raises ValueError where the track set has no truth.
    """
    if track_set.truth is None:
        raise ValueError("these tracks have no true loading times")
    start, end = observed_span(track_set, track_ids)
    table = track_set.truth.pol2_loading
    track = pd.Index(track_ids).get_indexer(pd.Index(table["track_id"]))
    kept = track >= 0
    time = table["time_s"].to_numpy(dtype=np.float64)[kept] - start[track[kept]]
    return _within(Events(track[kept], time), end - start), end - start


def matched(found: Events, true: Events, tolerance_s: float, n_tracks: int) -> Ints:
    """(n_tracks,) largest number of one-to-one matches no further apart than the tolerance.

    Both are sorted by track and time. Taking the earliest pair that fits is optimal, as all tolerances are equal; all
    tracks walk along their times together.
    """
    rows = np.arange(n_tracks)
    i, j = (np.searchsorted(events.track, rows) for events in (found, true))
    i_end, j_end = (np.searchsorted(events.track, rows, side="right") for events in (found, true))
    matches = np.zeros(n_tracks, dtype=np.int64)
    while (alive := rows[(i < i_end) & (j < j_end)]).size:
        late = found.time_s[i[alive]] - true.time_s[j[alive]]
        hit = np.abs(late) <= tolerance_s
        matches[alive] += hit
        i[alive] += hit | (late < 0)
        j[alive] += hit | (late > 0)
    return matches


def rate_matched_random(events: Events, duration_s: NDArray[np.float64], rng: np.random.Generator) -> Events:
    """As many times on each track, uniform over it."""
    return _sorted(Events(events.track, rng.uniform(0, duration_s[events.track])))


def circular_shift(events: Events, duration_s: NDArray[np.float64], rng: np.random.Generator) -> Events:
    """Each track's times turned around the track by a random time."""
    turn = rng.uniform(LEAST_TURN, 1 - LEAST_TURN, size=duration_s.size) * duration_s
    return _sorted(Events(events.track, (events.time_s + turn[events.track]) % duration_s[events.track]))


def evaluate_alignment(
    validation: LoadingTimes, test: LoadingTimes, frame_interval_s: float, config: AlignmentConfig, seed: int
) -> LoadingAlignment:
    """Score the network, the other models and the controls on the test tracks.

    Every model's times, those of `network` among them, are first moved by the delay that fits best on the validation
    tracks. All share one set of resampled tracks.
    """
    lags = _lag_table(validation, frame_interval_s, config)
    best = lags.loc[lags.groupby("model", sort=False)["f1"].idxmax()]
    lag_s = dict(zip(best["model"], best["lag_s"].astype(float), strict=True))
    found = {name: _moved(events, lag_s[name], test.duration_s) for name, events in test.found.items()}
    rng = np.random.default_rng(seed)
    for control in (rate_matched_random, circular_shift):
        found[control.__name__] = control(found[NETWORK], test.duration_s, rng)
    counts = {
        tolerance: {name: _counts(events, test, tolerance * frame_interval_s) for name, events in found.items()}
        for tolerance in config.tolerance_frames
    }
    metrics: dict[str, dict[str, Metric]] = {name: {} for name in found}
    for tolerance, tables in counts.items():
        for name, table in tables.items():
            metrics[name] |= _scores(table, f"within_{tolerance * frame_interval_s:g}s")
    for other in (name for name in found if name != NETWORK):
        metrics[NETWORK] |= {
            f"{score}_minus_{other}": difference(metrics[NETWORK][score], metric)
            for score, metric in metrics[other].items()
        }
    resampled = resample_counts(test.duration_s.size, config.bootstrap_replicates, seed)
    rows = [
        (name, metric, *map(float, interval(value, resampled, config.confidence)))
        for name, scores in metrics.items()
        for metric, value in scores.items()
    ]
    return LoadingAlignment(
        metrics=pd.DataFrame(rows, columns=["model", "metric", "estimate", "low", "high"]),
        per_track=_per_track(counts[config.tolerance_frames[0]]),
        lags=lags,
        lag_s=lag_s,
    )


def _lag_table(validation: LoadingTimes, frame_interval_s: float, config: AlignmentConfig) -> pd.DataFrame:
    tolerance_s = config.tolerance_frames[0] * frame_interval_s
    rows = [
        (name, lag * frame_interval_s, _f1(_counts(moved, validation, tolerance_s).sum(axis=0)))
        for name, events in validation.found.items()
        for lag in config.lags
        for moved in [_moved(events, lag * frame_interval_s, validation.duration_s)]
    ]
    return pd.DataFrame(rows, columns=["model", "lag_s", "f1"])


def _counts(found: Events, times: LoadingTimes, tolerance_s: float) -> NDArray[np.float64]:
    """(N, 3) of each track: matches, found, true."""
    N = times.duration_s.size
    sizes = [np.bincount(events.track, minlength=N) for events in (found, times.true)]
    return np.stack([matched(found, times.true, tolerance_s, N), *sizes], axis=1).astype(np.float64)


def _f1(total: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * total[..., 0] / np.maximum(total[..., 1] + total[..., 2], 1)


def _scores(counts: NDArray[np.float64], suffix: str) -> dict[str, Metric]:
    """Precision, recall and F1 of all tracks' times together; 0 where there is nothing to count."""
    values = (
        lambda total: total[..., 0] / np.maximum(total[..., 1], 1),
        lambda total: total[..., 0] / np.maximum(total[..., 2], 1),
        _f1,
    )
    return {f"{score}_{suffix}": Metric(counts, value) for score, value in zip(SCORES, values, strict=True)}


def _per_track(counts: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    tables = {
        name: pd.DataFrame(table.astype(np.int64), columns=["matched", "found", "true"]).rename_axis("track")
        for name, table in counts.items()
    }
    return pd.concat(tables, names=["model"]).reset_index()[["model", "track", "true", "found", "matched"]]


def _moved(events: Events, lag_s: float, duration_s: NDArray[np.float64]) -> Events:
    return _within(Events(events.track, events.time_s + lag_s), duration_s)


def _within(events: Events, duration_s: NDArray[np.float64]) -> Events:
    return _sorted(events.keep((events.time_s >= 0) & (events.time_s <= duration_s[events.track])))


def _sorted(events: Events) -> Events:
    order = np.lexsort((events.time_s, events.track))
    return Events(events.track[order], events.time_s[order])
