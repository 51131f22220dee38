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


class BernoulliHead(nn.Module):
    """Log odds that the promoter is on, per frame: (B, C, T) -> (B, 1, T)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.project = nn.Conv1d(in_channels, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.project(features)


def gaussian_in_units(prediction: Tensor, signal_mean: Tensor, signal_sd: Tensor) -> Tensor:
    """A standardised mean and log-variance (B, 2, T) in the signal's unit, and the log of its square."""
    mean = signal_mean + signal_sd * prediction[:, 0]
    logvar = prediction[:, 1] + 2 * signal_sd.log()
    return torch.stack([mean, logvar], dim=1)
