"""What an import understood, in the numbers by which a user sees that a unit, a column or a time is wrong."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


class Understood(NamedTuple):
    """interval_s: between frames; duration_s: of the longest track and of the set
    tracks, groups: counts
    missing: share of the frames between the first and last of each track that were not observed
    longest_gap: most frames in a row that are missing; finest_step: fewest frames between two observed ones
    driver, signal: minimum, 5 %, median, 95 % and maximum, in their units; signal is None where none was imaged
    """

    interval_s: float
    duration_s: float
    tracks: int
    groups: int
    missing: float
    longest_gap: int
    finest_step: int
    driver: tuple[float, ...]
    signal: tuple[float, ...] | None
    driver_name: str
    driver_unit: str
    signal_unit: str | None

    def __str__(self) -> str:
        gap_s = self.longest_gap * self.interval_s
        lines = [
            f"frame interval {self.interval_s:g} s; longest track {span(self.duration_s)}; {self.tracks:,} tracks in "
            f"{self.groups:,} groups",
            f"missing frames: {100 * self.missing:.1f} % between the ends of the tracks; longest gap "
            f"{self.longest_gap:,} frames ({span(gap_s)})",
            f"{self.driver_name}: {_quantiles(self.driver)} {self.driver_unit} (lowest, 5 %, median, 95 %, highest)",
        ]
        if self.signal is not None:
            lines.append(f"signal: {_quantiles(self.signal)} {self.signal_unit}")
        return "\n".join(lines)


def understand(track_set: TrackSet) -> Understood:
    """The numbers of a track set that show how it was understood."""
    frames = track_set.frames
    by_track = frames.groupby("track_id", sort=False)
    time, frame = by_track["time_s"], by_track["frame"]
    spans = frame.max() - frame.min() + 1
    steps = frame.diff().dropna()
    return Understood(
        interval_s=track_set.frame_interval_s,
        duration_s=float((time.max() - time.min()).max()),
        tracks=len(spans),
        groups=frames["group"].nunique(),
        missing=float(1 - len(frames) / spans.sum()),
        longest_gap=int(steps.max() - 1) if len(steps) else 0,
        finest_step=int(np.gcd.reduce(steps.to_numpy(dtype=np.int64))) if len(steps) else 1,
        driver=_of(frames[track_set.driver.gate_column]),
        signal=_of(frames[SIGNAL_COLUMN]) if track_set.has_signal else None,
        driver_name=track_set.driver.name,
        driver_unit=track_set.driver.unit,
        signal_unit=track_set.signal_unit,
    )


def _of(values: pd.Series) -> tuple[float, ...]:
    return tuple(float(value) for value in values.quantile(list(QUANTILES)))


def _quantiles(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def span(seconds: float) -> str:
    """A span of time as people say it.

    >>> span(45), span(1770), span(9000)
    ('45 s', '29.5 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.4g} s"
    return f"{seconds / 60:.4g} min" if seconds < 7200 else f"{seconds / 3600:.4g} h"
