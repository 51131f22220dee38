"""Convolutions in either order of memory against torch's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.tracks.models.convolution import FrameConv, PointwiseConv, channels_together, joined


def pair(kernel_size: int) -> tuple[FrameConv, nn.Conv1d]:
    ours = FrameConv(6, 4, kernel_size).double()
    theirs = nn.Conv1d(6, 4, kernel_size, padding=kernel_size // 2).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("kernel_size", [1, 4, 5])
@pytest.mark.parametrize("order", [channels_together, Tensor.contiguous])
def test_result_and_gradients_are_those_of_torch(kernel_size: int, order: object) -> None:
    torch.manual_seed(0)
    ours, theirs = pair(kernel_size)
    x = torch.randn(3, 6, 17, dtype=torch.float64, requires_grad=True)
    expected = theirs(x)
    given = ours(order(x))  # type: ignore[operator]
    torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(expected)
    for mine, reference in zip(
        torch.autograd.grad(given, (x, *ours.parameters()), upstream),
        torch.autograd.grad(expected, (x, *theirs.parameters()), upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)


def test_the_order_in_memory_is_kept() -> None:
    x = channels_together(torch.randn(2, 6, 9))
    assert x.shape == (2, 6, 9) and x.mT.is_contiguous()
    assert FrameConv(6, 4, 5)(x).mT.is_contiguous()
    assert FrameConv(6, 4, 5)(x.contiguous()).is_contiguous()


@pytest.mark.parametrize("order", [channels_together, Tensor.contiguous])
def test_joined_channels_lie_as_the_first_part(order: object) -> None:
    first, second = torch.randn(2, 3, 9), torch.randn(2, 4, 9)
    together = joined([order(first), second])  # type: ignore[operator]
    assert torch.equal(together, torch.cat([first, second], dim=1))
    assert together.stride() == order(together).stride()  # type: ignore[operator]


def test_a_pointwise_convolution_is_one_of_one_frame_with_its_derivatives() -> None:
    torch.manual_seed(0)
    layer = PointwiseConv(5, 3).double()
    x = torch.randn(2, 5, 7, dtype=torch.float64, requires_grad=True)
    parameters = (x, layer.weight, layer.bias)
    expected = F.conv1d(*parameters)
    torch.testing.assert_close(layer(x), expected)
    upstream = torch.randn_like(expected)
    found = torch.autograd.grad(layer(x), parameters, upstream)
    torch.testing.assert_close(found, torch.autograd.grad(expected, parameters, upstream))
