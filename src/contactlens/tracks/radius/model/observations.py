"""What the measurement reads: the driver and the signal of every track, on the grid of the frames."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Kind = Literal["vector", "distance", "scalar"]


@dataclass(frozen=True)
class Observations:
    """N tracks of at most T frames; frame 0 is each track's first, NaN marks a frame that was not observed.

    driver: (N, T, C): the separation along x, y, z (nm; C = 3), its length (nm; C = 1) or another scalar (C = 1)
    signal: (N, T) MS2, a.u.
    frame_interval_s: seconds between frames
    group: (N,) index of each track's group (experiment, embryo, condition)
    """

    driver: Floats
    signal: Floats
    frame_interval_s: float
    kind: Kind
    group: NDArray[np.int64]

    def __post_init__(self) -> None:
        n, t = self.signal.shape
        columns = 3 if self.kind == "vector" else 1
        if self.driver.shape != (n, t, columns) or self.group.shape != (n,):
            raise ValueError(f"driver {self.driver.shape} and group {self.group.shape} do not fit signal {(n, t)}")

    @property
    def n_tracks(self) -> int:
        return self.signal.shape[0]

    @property
    def n_frames(self) -> int:
        return self.signal.shape[1]

    @property
    def distance(self) -> Floats:
        """(N, T) measured distance, or the scalar driver itself."""
        return np.linalg.norm(self.driver, axis=2) if self.kind == "vector" else self.driver[:, :, 0]

    def only(self, tracks: NDArray[np.int64]) -> "Observations":
        """The named tracks."""
        return Observations(
            self.driver[tracks], self.signal[tracks], self.frame_interval_s, self.kind, self.group[tracks]
        )

    def with_signal(self, signal: Floats) -> "Observations":
        """The same driver with another signal, which is missing where the present one is."""
        observed = np.where(np.isnan(self.signal), np.nan, signal)
        return Observations(self.driver, observed, self.frame_interval_s, self.kind, self.group)


def pooled(groups: list[Observations]) -> Observations:
    """The tracks of all, one after the other; shorter ones end in frames that were not observed.

    Raises ValueError where their kinds or frame intervals differ.
    """
    first, frames = groups[0], max(o.n_frames for o in groups)
    if any((o.kind, o.frame_interval_s) != (first.kind, first.frame_interval_s) for o in groups):
        raise ValueError("tracks of different drivers or frame intervals can't be pooled")
    driver = [np.pad(o.driver, ((0, 0), (0, frames - o.n_frames), (0, 0)), constant_values=np.nan) for o in groups]
    signal = [np.pad(o.signal, ((0, 0), (0, frames - o.n_frames)), constant_values=np.nan) for o in groups]
    group = np.concatenate([o.group for o in groups])
    return Observations(np.concatenate(driver), np.concatenate(signal), first.frame_interval_s, first.kind, group)
