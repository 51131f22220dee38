"""The distance gate: how much of a frame's input the rest of the model may see."""

import math

import torch
from torch import Tensor, nn

from contactlens.tracks.models.config import GateConfig


class DistanceGate(nn.Module):
    """`sigmoid(alpha (radius - distance))` with both parameters learned.

    The radius is a logistic function of its parameter, so it stays inside its bounds with a gradient everywhere; alpha
    is the exponential of its own. Distances and the radius share one unit, so a midpoint is a length.
    """

    low: Tensor
    high: Tensor

    def __init__(self, config: GateConfig, driver_scale: float) -> None:
        super().__init__()
        low, high = config.radius_bounds
        fraction = (config.radius_init - low) / (high - low)
        self.register_buffer("low", torch.tensor(float(low)))
        self.register_buffer("high", torch.tensor(float(high)))
        self.radius_logit = nn.Parameter(torch.tensor(math.log(fraction / (1 - fraction))))
        self.log_alpha = nn.Parameter(torch.tensor(math.log(config.sharpness / driver_scale)))

    @property
    def radius(self) -> Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(self.radius_logit)

    @property
    def alpha(self) -> Tensor:
        return self.log_alpha.exp()

    def forward(self, distance: Tensor) -> Tensor:
        """Gate values in (0, 1), of `distance`'s shape."""
        return torch.sigmoid(self.alpha * (self.radius - distance))
