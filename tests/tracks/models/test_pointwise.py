import torch
from torch.nn import functional as F

from contactlens.tracks.models.pointwise import PointwiseConv


def test_it_is_a_convolution_of_one_frame_with_its_derivatives() -> None:
    torch.manual_seed(0)
    layer = PointwiseConv(5, 3).double()
    x = torch.randn(2, 5, 7, dtype=torch.float64, requires_grad=True)
    parameters = (x, layer.weight, layer.bias)
    expected = F.conv1d(*parameters)
    torch.testing.assert_close(layer(x), expected)
    upstream = torch.randn_like(expected)
    found = torch.autograd.grad(layer(x), parameters, upstream)
    torch.testing.assert_close(found, torch.autograd.grad(expected, parameters, upstream))
