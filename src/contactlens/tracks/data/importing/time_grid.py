"""From time stamps to frame numbers."""

import numpy as np
import pandas as pd

MOST_FRAMES = 1_000_000  # a track longer than this is taken for a wrong time stamp
JITTER = 0.2  # of a frame: how far a time may lie from its frame before the grid is doubted


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


def frame_numbers(track: pd.Series, time_s: pd.Series, interval_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Frame of each row, counted from the first in time of its track, and its offset from the grid.

    Returns the frames (whole float64) and the offsets in fractions of a frame (0 = on the grid), each
    measured from the median of its track, so that a late first frame does not shift all others.
    """
    start = time_s.groupby(track, sort=False).transform("min")
    position = (time_s - start) / interval_s
    frame = position.round()
    offset = position - frame
    offset -= offset.groupby(track, sort=False).transform("median")
    return frame.to_numpy(), offset.to_numpy()
