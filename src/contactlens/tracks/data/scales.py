"""Groups of tracks whose distances are of different orders: a sign of two units in one file."""

import numpy as np
import pandas as pd

from contactlens.tracks.data.config import LARGEST_RATIO
from contactlens.tracks.data.track_set import DISTANCE_COLUMN

LEAST_FRAMES = 10  # of a group, before its median says anything


def group_medians(frames: pd.DataFrame) -> pd.Series:
    """Median distance (nm) of each group with enough frames and a positive median, sorted."""
    grouped = frames.groupby("group", sort=False)[DISTANCE_COLUMN]
    medians = grouped.median()[grouped.size() >= LEAST_FRAMES]
    return medians[medians > 0].sort_values()


def scale_ratios(frames: pd.DataFrame) -> pd.Series:
    """How many times smaller each group's median distance is than that of the middle group; by group."""
    medians = group_medians(frames)
    return medians.iloc[len(medians) // 2] / medians if len(medians) else medians


def groups_apart(frames: pd.DataFrame) -> tuple[list[str], list[str], float] | None:
    """Where the largest step between the groups' median distances exceeds 30-fold: the groups below and above, and
    the step; None where there is no such step.
    """
    medians = group_medians(frames)
    if len(medians) < 2:
        return None
    steps = np.diff(np.log(medians.to_numpy()))
    widest = int(steps.argmax())
    ratio = float(np.exp(steps[widest]))
    if ratio <= LARGEST_RATIO:
        return None
    names = [str(name) for name in medians.index]
    return names[: widest + 1], names[widest + 1 :], ratio
