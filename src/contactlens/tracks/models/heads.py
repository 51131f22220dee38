"""Heads that turn per-frame features into a probabilistic prediction."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def soft_clip(value: Tensor, low: float, high: float) -> Tensor:
    """`value` held inside (low, high) smoothly: the identity well inside, with a gradient everywhere."""
    value = high - F.softplus(high - value)
    return low + F.softplus(value - low)


class GaussianHead(nn.Module):
    """Mean and log-variance per frame, in units of the standardised signal: (B, C, T) -> (B, 2, T)."""

    def __init__(self, in_channels: int, logvar_bounds: tuple[float, float]) -> None:
        super().__init__()
        self.project = nn.Conv1d(in_channels, 2, 1)
        self.logvar_bounds = logvar_bounds

    def forward(self, features: Tensor) -> Tensor:
        mean, logvar = self.project(features).unbind(dim=1)
        return torch.stack([mean, soft_clip(logvar, *self.logvar_bounds)], dim=1)
