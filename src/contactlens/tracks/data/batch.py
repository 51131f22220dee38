"""Tracks as tensors: padded to one length, with a mask of the frames that were observed."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrackBatch:
    """N tracks of at most T frames, in the units of the data.

    driver: (N, C, T) x, y, z and distance, or one scalar; the gate reads the last channel
    signal: (N, T) MS2 intensity
    observed: (N, T) bool; False where a frame is missing or beyond the track's end (driver and signal are 0 there)
    track_ids, groups: N names each
    frame_interval_s: seconds between frames
    state: (N, T) 1 where the promoter is on at the frame's time, else 0; None where that is not known
    """

    driver: Tensor
    signal: Tensor
    observed: Tensor
    track_ids: list[str]
    groups: list[str]
    frame_interval_s: float
    state: Tensor | None = None

    def __len__(self) -> int:
        return len(self.track_ids)

    def to(self, device: torch.device | str) -> "TrackBatch":
        return replace(
            self,
            driver=self.driver.to(device),
            signal=self.signal.to(device),
            observed=self.observed.to(device),
            state=None if self.state is None else self.state.to(device),
        )

    def select(self, index: list[int] | Tensor) -> "TrackBatch":
        """The tracks at `index` (integers), in that order."""
        rows = torch.as_tensor(index, dtype=torch.long)
        device_rows = rows.to(self.driver.device)
        return replace(
            self,
            driver=self.driver[device_rows],
            signal=self.signal[device_rows],
            observed=self.observed[device_rows],
            state=None if self.state is None else self.state[device_rows],
            track_ids=[self.track_ids[i] for i in rows.tolist()],
            groups=[self.groups[i] for i in rows.tolist()],
        )
