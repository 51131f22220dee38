"""The grid, finer than the frames, on which polymerases are placed, and what each of its bins adds to the frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.ms2 import polymerase_response
from contactlens.tracks.simulation.promoter import Events

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LoadingGrid:
    """`bins_per_frame` bins in the interval that ends at each frame, from `lead_frames` before the first frame on.

    A polymerase loaded before the first frame is still seen, hence the lead. With T frames there are
    (lead_frames + T) * bins_per_frame bins, in order of time.

    ramp_s, dwell_s: of `ms2.polymerase_response`; they follow from the reporter's lengths and the elongation rate
    polymerase_signal: signal (a.u.) of one polymerase past the loops
    background: signal (a.u.) without any polymerase
    """

    frame_interval_s: float
    bins_per_frame: int
    ramp_s: float
    dwell_s: float
    polymerase_signal: float = 1.0
    background: float = 0.0

    def __post_init__(self) -> None:
        if self.bins_per_frame < 1:
            raise ValueError(f"grid.bins_per_frame must be at least 1, got {self.bins_per_frame}")
        if not 0 < self.ramp_s <= self.dwell_s:
            raise ValueError(f"grid.ramp_s must lie in (0, dwell_s], got {self.ramp_s} and {self.dwell_s}")
        for name in ("frame_interval_s", "polymerase_signal"):
            if getattr(self, name) <= 0:
                raise ValueError(f"grid.{name} must be positive, got {getattr(self, name)}")

    @property
    def lead_frames(self) -> int:
        """Frames before the present one in whose bins a polymerase may have been loaded that is still seen."""
        return int(np.ceil(self.dwell_s / self.frame_interval_s)) - 1

    def response(self) -> Floats:
        """(lead_frames + 1, bins_per_frame): signal (a.u.) at a frame of one polymerase in the middle of each bin of
        the same frame (row 0) and of the frames before it."""
        into_frame = (np.arange(self.bins_per_frame) + 0.5) / self.bins_per_frame
        lag = (np.arange(self.lead_frames + 1)[:, None] + 1 - into_frame) * self.frame_interval_s
        return self.polymerase_signal * polymerase_response(lag, self.ramp_s, self.dwell_s)

    def bin_times(self, n_frames: int) -> Floats:
        """Time (s after frame 0) of the middle of each bin, lead included: ((lead_frames + n_frames) * k,)."""
        first = -(self.lead_frames + 1) * self.bins_per_frame
        bins = np.arange(first, (n_frames - 1) * self.bins_per_frame)
        return (bins + 0.5) * self.frame_interval_s / self.bins_per_frame

    def place(self, expected: Floats) -> Events:
        """Events where the running sum of `expected` (N, T k), without the lead, passes a half, one and a half, ...

        A one in a bin is one event in the middle of it; fractions give as many events as they sum to.
        """
        passed = np.floor(np.cumsum(expected, axis=1) + 0.5).astype(np.int64)
        count: NDArray[np.int64] = np.diff(passed, axis=1, prepend=0)
        track, place = np.nonzero(count)
        repeats = count[track, place]
        n_frames = expected.shape[1] // self.bins_per_frame
        times = self.bin_times(n_frames)[self.lead_frames * self.bins_per_frame :]
        return Events(np.repeat(track, repeats), np.repeat(times[place], repeats))
