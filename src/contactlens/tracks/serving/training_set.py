"""What a model of tracks was trained on, and how far new tracks are from it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from contactlens.expectations.drift import Quantity, drift_table
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet

Array = np.ndarray
LENGTH = "frames per track"


@dataclass(frozen=True)
class TrainingSet:
    """source: of the track set; tracks, groups, frames: in the training split; held_out: tracks in the others"""

    source: str
    tracks: int
    groups: int
    frames: int
    held_out: int
    quantities: list[Quantity]

    @classmethod
    def of(cls, track_set: TrackSet, train: list[str], seed: int) -> "TrainingSet":
        """The named tracks of a set, with the rest of it held out."""
        frames = track_set.frames
        inside = frames["track_id"].isin(train)
        quantities = [
            Quantity.of(name, unit, own, _per_track(frames[~inside], track_set)[name, unit], seed)
            for (name, unit), own in _per_track(frames[inside], track_set).items()
        ]
        return cls(
            source=track_set.source,
            tracks=len(train),
            groups=int(frames.loc[inside, "group"].nunique()),
            frames=int(inside.sum()),
            held_out=int(frames.loc[~inside, "track_id"].nunique()),
            quantities=quantities,
        )

    def drift(self, track_set: TrackSet) -> pd.DataFrame:
        """New tracks beside the training set: see `drift_table`. Quantities that the new tracks lack are left out."""
        return drift_table(self.quantities, _per_track(track_set.frames, track_set))


def _per_track(frames: pd.DataFrame, track_set: TrackSet) -> dict[tuple[str, str], list[Array]]:
    """Values of each track by the name and unit of the quantity: the driver, the signal, how long tracks are."""
    driver = track_set.driver
    columns = {(driver.name, driver.unit): driver.gate_column}
    if track_set.signal_unit is not None:
        columns[SIGNAL_COLUMN, track_set.signal_unit] = SIGNAL_COLUMN
    tracks = [rows for _, rows in frames.groupby("track_id", sort=False)]
    values = {key: [rows[column].to_numpy(dtype=np.float64) for rows in tracks] for key, column in columns.items()}
    lengths = [np.array([1.0 + np.ptp(rows["frame"].to_numpy())]) for rows in tracks]
    return {**values, (LENGTH, "frames"): lengths}
