"""The short convolution against torch's own, on either path, with gradients."""

import pytest
import torch
import torch.nn.functional as F

from contactlens.dna.models.caduceus.convolution import depthwise, depthwise_silu

D, K = 12, 4


def expected(x, weight, bias, reverse):
    """A causal convolution is torch's padded by K - 1 on both sides, cut to its first L outputs."""
    x = x.flip(1) if reverse else x
    y = F.silu(F.conv1d(x.mT, weight, bias, padding=K - 1, groups=D)[..., : x.shape[1]].mT)
    return y.flip(1) if reverse else y


def arguments(L, dtype, with_bias):
    torch.manual_seed(L)
    x, weight = torch.randn(3, L, D, dtype=dtype), torch.randn(D, 1, K, dtype=dtype)
    bias = torch.randn(D, dtype=dtype) if with_bias else None
    return [one if one is None else one.requires_grad_() for one in (x, weight, bias)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("L", [1, 3, 50])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_values_and_gradients_are_those_of_torch(dtype, tolerance, L, with_bias, reverse):
    mine, theirs = arguments(L, dtype, with_bias), arguments(L, dtype, with_bias)
    found, wanted = depthwise_silu(*mine, reverse), expected(*theirs, reverse)
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
    weights = torch.randn(found.shape, dtype=dtype)
    (found * weights).sum().backward()
    (wanted * weights).sum().backward()
    for one, other in zip(mine, theirs, strict=True):
        if one is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=20 * tolerance, atol=20 * tolerance)


def test_an_input_with_gaps_in_memory_gives_the_same():
    x, weight, bias = arguments(20, torch.float32, True)
    wide = torch.randn(3, 20, 2 * D)
    wide[..., :D] = x.detach()
    assert torch.equal(depthwise_silu(wide[..., :D], weight, bias, False), depthwise_silu(x, weight, bias, False))


def test_no_output_sees_what_comes_after_it():
    x, weight, _ = arguments(20, torch.float64, False)
    changed = x.detach().clone()
    changed[:, 10] += 1
    for reverse, seen in ((False, range(10, 14)), (True, range(7, 11))):
        moved = (depthwise(changed, weight, reverse) != depthwise(x, weight, reverse)).any(0).any(-1)
        assert moved.nonzero().flatten().tolist() == list(seen)
