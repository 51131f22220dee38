"""The distance gate: how much of a frame's input the rest of the model may see."""

import math

import torch
from torch import Tensor, nn

from contactlens.base.settings import PositiveFloat, rule, settings


@settings
class GateConfig:
    """A gate that opens below a learned distance, `radius`: its midpoint.

    radius_init: where the radius starts, in the driver's unit
    radius_bounds: lowest and highest radius that can be learned, in the driver's unit
    sharpness: starting steepness of the gate, per `Scaling.driver_scale` (alpha = sharpness / driver_scale)
    """

    radius_init: float
    radius_bounds: tuple[float, float]
    sharpness: PositiveFloat

    @rule
    def _radius_lies_in_its_bounds(self) -> None:
        low, high = self.radius_bounds
        if not low < self.radius_init < high:
            raise ValueError(f"radius_init {self.radius_init} must lie inside radius_bounds ({low}, {high})")


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
