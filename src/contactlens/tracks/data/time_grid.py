"""From time stamps to frames: the interval, movies with a clock of their own, pauses. Import and checks share it."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.tracks.data.config import JITTER

MOST_FRAMES = 1_000_000  # a track longer than this is taken for a wrong time stamp
OWN_INTERVAL = 0.1  # how far, as a share, a movie's interval may differ from that of the set
SHORTEST_PAUSE = 1.2  # frames; a pause makes a step longer, never shorter
LEAST_TIMES = 3  # on either side of a pause


def infer_interval(track: pd.Series, time_s: pd.Series) -> float | None:
    """The frame interval in seconds that the time stamps show; None where no track has two times.

    A step of the first quartile is taken for one frame: that allows three of four steps to jump over missing
    frames, and some to be wrong. The median of the steps about as long is free of the quartile's bias under
    jitter; it counts the frames of all steps, and those near a whole number give the interval.
    """
    rows = pd.DataFrame({"track": pd.factorize(track)[0], "time_s": time_s}).sort_values(["track", "time_s"])
    steps = rows.groupby("track")["time_s"].diff()
    steps = steps[steps > 0]
    if steps.empty:
        return None
    quartile = steps.quantile(0.25, interpolation="lower")
    single = steps[steps < 1.5 * quartile].median()
    frames = (steps / single).round()
    near = (steps / single - frames).abs() < JITTER
    return float(f"{steps[near].sum() / frames[near].sum():.7g}")


class Clock(NamedTuple):
    """position: of each row in frames, up to a constant per track, on its movie's own clock.

    intervals: seconds, of the movies whose clock differs from the set's
    pauses: (movie, start s, seconds beyond whole frames)
    """

    position: pd.Series
    intervals: dict[str, float]
    pauses: list[tuple[str, float, float]]

    def __str__(self) -> str:
        said = []
        if self.intervals:
            low, high = min(self.intervals.values()), max(self.intervals.values())
            said.append(f"{len(self.intervals)} movies have frame intervals of their own, {low:g} to {high:g} s")
        for (start, extra), movies in Counter((start, extra) for _, start, extra in self.pauses).most_common(3):
            said.append(f"a pause of {extra:g} s after {start:g} s, in {movies} movies")
        if len({pause[1:] for pause in self.pauses}) > 3:
            said.append("and more pauses")
        return "; ".join(said)


def read_clock(track: pd.Series, movie: pd.Series, time_s: pd.Series, interval_s: float) -> Clock:
    """Where each time lies on a grid of `interval_s`, or of its movie's own clock where that alone fits.

    A movie whose times leave the grid may have an interval of its own, up to 10 % from the set's, and pauses: steps
    longer than a whole number of frames, after which its tracks are on the grid again. Where neither fits all of its
    times, they stay as they are, for the caller to refuse.
    """
    position = time_s / interval_s
    intervals: dict[str, float] = {}
    pauses: list[tuple[str, float, float]] = []
    stray = np.abs(offsets(track, position)) > JITTER
    for name in movie[stray].drop_duplicates():
        rows = movie == name
        own = infer_interval(track[rows], time_s[rows])
        if own is None or not abs(own / interval_s - 1) <= OWN_INTERVAL:
            continue
        for candidate, found in _readings(time_s[rows], own, interval_s):
            if (np.abs(offsets(track[rows], candidate)) <= JITTER).all():
                position[rows] = candidate
                pauses += [(str(name), start, extra) for start, extra in found]
                if abs(own / interval_s - 1) > 1e-3:
                    intervals[str(name)] = own
                break
    return Clock(position, intervals, pauses)


def _readings(time_s: pd.Series, own: float, interval_s: float) -> list[tuple[pd.Series, list[tuple[float, float]]]]:
    """The movie's times in frames, under ever more allowances, each with the pauses that it takes for granted."""
    found: list[tuple[pd.Series, list[tuple[float, float]]]] = [(time_s / own, [])]
    for interval in dict.fromkeys((interval_s, own)):
        shift, pauses = _pauses(time_s, interval)
        if pauses:
            found.append(((time_s - shift) / interval, pauses))
    return found


def _pauses(time_s: pd.Series, interval_s: float) -> tuple[pd.Series, list[tuple[float, float]]]:
    """What pauses before each time add to it beyond whole frames, and their (start, addition) in seconds."""
    times = np.unique(time_s.to_numpy())
    steps = np.diff(times)
    extra = steps - np.floor(steps / interval_s + JITTER) * interval_s
    is_pause = (extra > JITTER * interval_s) & (steps > SHORTEST_PAUSE * interval_s)
    is_pause[: LEAST_TIMES - 1] = is_pause[len(is_pause) - LEAST_TIMES + 1 :] = False
    shift = np.concatenate([[0.0], np.cumsum(np.where(is_pause, extra, 0.0))])
    at = pd.Series(shift, index=times)
    return time_s.map(at), [(float(times[i]), float(extra[i])) for i in np.flatnonzero(is_pause)]


def frame_numbers(track: pd.Series, position: pd.Series) -> np.ndarray:
    """Frame of each row (whole float64), counted from the first in time of its track."""
    start = position.groupby(track, sort=False).transform("min")
    frame: np.ndarray = (position - start).round().to_numpy()
    return frame


def offsets(track: pd.Series, position: pd.Series) -> np.ndarray:
    """How far, in frames, each row lies from its frame, measured from the median of its track, so that a late first
    frame does not shift all others."""
    start = position.groupby(track, sort=False).transform("min")
    return from_middle(track, (position - start) - (position - start).round())


def from_middle(track: pd.Series, values: pd.Series) -> np.ndarray:
    """Each value less the median of its track: one of the track's own values, the lower of two in the middle."""
    middle = values.groupby(track, sort=False).quantile(0.5, interpolation="lower")
    found: np.ndarray = (values - track.map(middle)).to_numpy()
    return found
