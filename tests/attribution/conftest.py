"""Small models on x (B, C, T) whose dependence on time is of a known kind."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

T = 45


class StridedNet(nn.Module):
    """Pooling and interpolation with an odd length: what a U-Net does to the reach of a frame."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 8, 3, padding=1)
        self.deep = nn.Conv1d(8, 8, 3, padding=1)
        self.last = nn.Conv1d(16, 2, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        skip = self.relu1(self.first(x * observed[:, None]))
        deep = self.relu2(self.deep(F.avg_pool1d(skip, 2, ceil_mode=True)))
        return self.last(torch.cat([F.interpolate(deep, size=x.size(-1), mode="linear"), skip], dim=1))


class PooledNet(StridedNet):
    """The same, scaled by a mean over the whole track: every frame depends on every frame."""

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return super().forward(x, observed) * torch.tanh(x.mean(dim=(1, 2)))[:, None, None]


class FilterNet(nn.Module):
    """Causal filter: the sum over c and lag of kernel[c, lag] x[c, t - lag]; output 1 is twice that."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)

    def forward(self, x: Tensor) -> Tensor:
        out = F.conv1d(F.pad(x, (self.kernel.size(1) - 1, 0)), self.kernel.flip(1)[None])
        return torch.cat([out, 2 * out], dim=1)


@pytest.fixture
def strided() -> nn.Module:
    torch.manual_seed(0)
    return StridedNet().double()


@pytest.fixture
def pooled() -> nn.Module:
    torch.manual_seed(0)
    return PooledNet().double()


@pytest.fixture
def fir() -> FilterNet:
    torch.manual_seed(1)
    return FilterNet(torch.randn(2, 6, dtype=torch.float64))


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(2, 3, T, dtype=torch.float64)


@pytest.fixture
def observed() -> Tensor:
    mask = torch.ones(2, T, dtype=torch.bool)
    mask[1, 30:] = False
    return mask
