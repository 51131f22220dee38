"""How long the promoter stays on and off: segments of equal state, dwell times, and the rates that these imply.

Imaging starts and stops without regard to the promoter, so a segment at an edge of the observed frames is longer than
it looks. Edges are censored here, never dropped as if they were short: dwell times are exponential maximum likelihood
under censoring, length distributions are product-limit estimates (Kaplan and Meier, J. Am. Stat. Assoc. 1958).
What is decoded is counted as expected from the posterior over paths, and lengths are those of a path drawn from it: a
threshold, whichever, would cut or join segments. Everything is a `Metric`, a table of sums per track, so that intervals
resample tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.calibration.bootstrap import Metric, Resamples, difference, ratio
from contactlens.tracks.evaluation.state_posterior import StatePosterior
from contactlens.tracks.evaluation.table import TRUTH

STATES = ("off", "on")  # the index is the state
EXACT = "truth_exact"
HOUR_S = 3600.0
Array = np.ndarray


class DwellCounts(NamedTuple):
    """What dwell times are estimated from.

    time_s: (N, 2) time that each track was followed while off and while on
    ends: (N, 2) how often it was seen to leave off and on meanwhile
    frame_interval_s: of the frames that this was seen in; None where the switching times themselves are known
    """

    time_s: Array
    ends: Array
    frame_interval_s: float | None

    def of_tracks(self, rows: Array) -> "DwellCounts":
        return self._replace(time_s=self.time_s[rows], ends=self.ends[rows])


def segments(state: Array, observed: Array) -> pd.DataFrame:
    """Maximal runs of observed frames of equal state: track (row), state (0, 1), start (frame), frames, begun, ended.

    begun, ended: whether the switch before, after the segment was seen. It was not at a track's edge, nor beside a
    frame that is missing.

    state, observed: (N, T)
    """
    N, T = observed.shape
    code = np.where(observed, state.astype(np.int64), -1)
    change = np.ones((N, T), dtype=bool)
    change[:, 1:] = code[:, 1:] != code[:, :-1]
    track, start = np.nonzero(change)
    frames = np.diff(np.append(track * T + start, N * T))
    kind = code[track, start]
    begun = (start > 0) & (np.append(-1, kind[:-1]) >= 0)
    ended = (start + frames < T) & (np.append(kind[1:], -1) >= 0)
    columns = {"track": track, "state": kind, "start": start, "frames": frames, "begun": begun, "ended": ended}
    return pd.DataFrame(columns)[kind >= 0].reset_index(drop=True)


def frame_dwell(found: pd.DataFrame, n_tracks: int, frame_interval_s: float) -> DwellCounts:
    """Dwell of segments seen in frames: each step to an observed next frame follows the state for one interval."""
    place = found["track"].to_numpy() * 2 + found["state"].to_numpy()
    time_s, ends = (
        np.bincount(place, weights, minlength=2 * n_tracks).reshape(-1, 2)
        for weights in (frame_interval_s * _followed(found), found["ended"].to_numpy(dtype=np.float64))
    )
    return DwellCounts(time_s, ends, frame_interval_s)


def expected_dwell(posterior: StatePosterior, observed: Array, frame_interval_s: float) -> DwellCounts:
    """`frame_dwell` of the paths of a posterior, in the mean over these; observed: (N, T) bool."""
    step = observed[:, :-1] & observed[:, 1:]
    on = np.where(step, posterior.on[:, :-1], 0.0).sum(axis=1)
    time_s = frame_interval_s * np.stack([step.sum(axis=1) - on, on], axis=1)
    ends = np.stack([np.where(step, one, 0.0).sum(axis=1) for one in (posterior.up, posterior.down)], axis=1)
    return DwellCounts(time_s, ends, frame_interval_s)


def interval_dwell(intervals: pd.DataFrame, track_ids: Sequence[str], start_s: Array, end_s: Array) -> DwellCounts:
    """Dwell of on-intervals (track_id, start_s, end_s) whose times are known, from `start_s` to `end_s` (N,) each."""
    row = pd.Index(track_ids).get_indexer(pd.Index(intervals["track_id"]))
    kept = intervals[row >= 0]
    row = row[row >= 0]
    begin, end = (kept[column].to_numpy(dtype=np.float64) for column in ("start_s", "end_s"))
    first, last = start_s[row], end_s[row]
    inside = np.clip(np.minimum(end, last) - np.maximum(begin, first), 0, None)
    sums = (inside, (begin > first) & (begin <= last), (end > first) & (end <= last))
    on, started, stopped = (np.bincount(row, values, minlength=len(track_ids)) for values in sums)
    time_s = np.stack([end_s - start_s - on, on], axis=1)
    return DwellCounts(time_s, np.stack([started, stopped], axis=1), None)


def dwell_metrics(counts: DwellCounts) -> dict[str, Metric]:
    """mean_off_s, mean_on_s, k_on_per_s, k_off_per_s, on_share, switches_per_h (either way).

    Mean dwell times are time followed by ends, the maximum likelihood of exponential dwell times under censoring.
    Switches between two frames are not seen, so that dwell times seen in frames are too long. The rates are free of
    that: they are those of the two-state process in continuous time which, looked at once a frame, leaves each state
    as often (the matrix logarithm of its transition matrix, as in Lammers et al., PNAS 2020). NaN where no state was
    followed, no end was seen (dwell times), or switching is faster than frames can tell (rates).
    """
    sums = np.concatenate([counts.time_s, counts.ends], axis=1)
    values = {
        "mean_off_s": lambda total: ratio(total[..., 0], total[..., 2]),
        "mean_on_s": lambda total: ratio(total[..., 1], total[..., 3]),
        "k_on_per_s": lambda total: _rates(total, counts.frame_interval_s)[..., 0],
        "k_off_per_s": lambda total: _rates(total, counts.frame_interval_s)[..., 1],
        "on_share": lambda total: ratio(total[..., 1], total[..., 0] + total[..., 1]),
        "switches_per_h": lambda total: HOUR_S * ratio(total[..., 2:].sum(axis=-1), total[..., :2].sum(axis=-1)),
    }
    return {name: Metric(sums, value) for name, value in values.items()}


def survival_metric(found: pd.DataFrame, n_tracks: int, state: int, longest: int) -> Metric:
    """Share of segments of one state that last more than n frames, n = 0 ... longest: (longest + 1,).

    The product-limit estimate over segments whose beginning was seen. Beyond the longest age that any was followed to
    it stays where it is.
    """
    counted = found[(found["state"] == state) & found["begun"]]
    place = counted["track"].to_numpy() * (longest + 1) + _followed(counted)
    ended, all_ = (
        np.bincount(place, weights, minlength=n_tracks * (longest + 1)).reshape(n_tracks, -1)
        for weights in (counted["ended"].to_numpy(dtype=np.float64), np.ones(len(counted)))
    )

    def value(total: Array) -> Array:
        ends, followed = total[..., : longest + 1], total[..., longest + 1 :]
        at_risk = np.cumsum(followed[..., ::-1], axis=-1)[..., ::-1]
        return np.cumprod(1 - ends / np.where(at_risk > 0, at_risk, 1), axis=-1)

    return Metric(np.concatenate([ended, all_], axis=1), value)


def length_metric(survival: Metric, edges: Array, frame_interval_s: float) -> Metric:
    """Density (1/s) of segment lengths in the bins edges[i] <= frames < edges[i + 1], (bins,)."""
    width_s = np.diff(edges) * frame_interval_s

    def value(total: Array) -> Array:
        longer = survival.value(total)[..., edges - 1]
        return (longer[..., :-1] - longer[..., 1:]) / width_s

    return Metric(survival.sums, value)


def length_distance(first: Metric, second: Metric) -> Metric:
    """Largest difference between two distributions of segment lengths, given by their survival (Kolmogorov)."""
    gap = difference(first, second)
    return Metric(gap.sums, lambda total: np.abs(gap.value(total)).max(axis=-1))


def length_edges(longest: int, bins: int) -> Array:
    """Edges (frames) of at most `bins` bins from 1 to `longest`, of about equal width on a logarithmic axis."""
    return np.unique(np.round(np.geomspace(1, longest + 1, bins + 1)).astype(np.int64))


@dataclass(frozen=True)
class StateSegments:
    """Segments of the truth and of a path of each model (`segments`, by name) on N tracks, the dwell that is counted
    (of a model, as expected) and the resamples of these tracks."""

    found: dict[str, pd.DataFrame]
    counts: dict[str, DwellCounts]
    n_tracks: int
    frame_interval_s: float
    resamples: Resamples

    @classmethod
    def of(
        cls,
        truth: Array,
        posteriors: Mapping[str, StatePosterior],
        observed: Array,
        frame_interval_s: float,
        resamples: Resamples,
    ) -> "StateSegments":
        """truth, observed: (N, T) bool; posteriors: of each model."""
        N, dt = len(observed), frame_interval_s
        paths = {TRUTH: truth} | {name: one.path for name, one in posteriors.items()}
        found = {name: segments(path, observed) for name, path in paths.items()}
        counts = {TRUTH: frame_dwell(found[TRUTH], N, dt)}
        counts |= {name: expected_dwell(one, observed, dt) for name, one in posteriors.items()}
        return cls(found, counts, N, dt, resamples)

    @cached_property
    def longest(self) -> int:
        return max(int(found["frames"].max()) for found in self.found.values())

    @cached_property
    def survival(self) -> dict[tuple[str, str], Metric]:
        return {
            (name, state): survival_metric(found, self.n_tracks, code, self.longest)
            for name, found in self.found.items()
            for code, state in enumerate(STATES)
        }

    def length_table(self, most_bins: int) -> pd.DataFrame:
        """model, state, left_s, right_s, density (1/s), low, high."""
        dt = self.frame_interval_s
        edges = length_edges(self.longest, most_bins)
        sides_s = (edges - 0.5) * dt  # a segment of n frames lasted n frames on average, give or take one
        tables = []
        for (name, state), survival in self.survival.items():
            density = self.resamples.interval(length_metric(survival, edges, dt))
            columns = {"model": name, "state": state, "left_s": sides_s[:-1], "right_s": sides_s[1:]}
            columns |= {"density": density.estimate, "low": density.low, "high": density.high}
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)

    def dwell(self, exact: DwellCounts | None) -> dict[str, dict[str, Metric]]:
        """`dwell_metrics` of the truth, of each model beside it, and of the true switching times where given."""
        metrics = {name: dwell_metrics(counts) for name, counts in self.counts.items()}
        truth = metrics[TRUTH]
        for name in (name for name in self.found if name != TRUTH):
            own = metrics[name]
            distances = {
                f"length_distance_{state}": length_distance(self.survival[name, state], self.survival[TRUTH, state])
                for state in STATES
            }
            metrics[name] = own | {f"{key}_minus_{TRUTH}": difference(own[key], truth[key]) for key in own} | distances
        if exact is not None:
            metrics[EXACT] = dwell_metrics(exact)
        return metrics


def _followed(found: pd.DataFrame) -> Array:
    """Steps from a frame of the segment to an observed next one: all of them where its end was seen."""
    return found["frames"].to_numpy() - 1 + found["ended"].to_numpy()


def _rates(total: Array, frame_interval_s: float | None) -> Array:
    """(..., 2) k_on and k_off per second of totals (..., 4): time off, time on, ends off, ends on."""
    per_s = ratio(total[..., 2:], total[..., :2])
    if frame_interval_s is None:
        return per_s
    left = per_s.sum(axis=-1, keepdims=True) * frame_interval_s  # 1 - exp(-(k_on + k_off) dt)
    with np.errstate(invalid="ignore", divide="ignore"):
        correction = np.where(left > 0, -np.log1p(-left) / left, 1.0)
    return np.where(left < 1, per_s * correction, np.nan)
