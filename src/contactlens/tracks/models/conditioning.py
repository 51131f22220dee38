"""MS2 as a condition of the decoder: pooled to a short context, so that no single frame can be read off it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SignalContext(nn.Module):
    """Mean of the standardised signal in `frames` equal parts of the track, projected: -> (B, channels, frames).

    A part without an observed frame is 0. signal (B, T), observed (B, T).
    """

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.frames = frames
        self.project = nn.Conv1d(2, channels, 1)
        self.relu = nn.ReLU()

    def forward(self, signal: Tensor, observed: Tensor) -> Tensor:
        seen = observed.to(signal.dtype)
        total, share = F.adaptive_avg_pool1d(torch.stack([signal * seen, seen], dim=1), self.frames).unbind(dim=1)
        mean = total / share.clamp(min=torch.finfo(share.dtype).eps)
        return self.relu(self.project(torch.stack([mean, share], dim=1)))
