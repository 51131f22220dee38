"""The log odds of a state at every frame."""

from torch import Tensor, nn

from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.heads.distribution import SignalScale


class BernoulliHead(nn.Module):
    """Log odds that the promoter is on, per frame: (B, C, T) -> (B, 1, T)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.project = PointwiseConv(in_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.project(features)

    def in_units(self, prediction: Tensor, scale: SignalScale) -> Tensor:
        """The log odds themselves, which have no unit."""
        return prediction
