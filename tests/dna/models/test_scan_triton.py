"""The Triton kernels against the reference: on a GPU, or with TRITON_INTERPRET=1 on the CPU, statement by statement.

The interpreter of Triton 3.6 needs numpy < 2.4.
"""

import importlib.util
import os

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.dna.models.caduceus.scan import scan_reference

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
NAMES = ("u", "delta", "A", "B", "C", "D")
SHAPES = [(1, 1, 1, 1), (2, 5, 3, 2), (1, 33, 20, 5), (2, 70, 3, 3)]
LARGE = [(2, 32, 16, 16), (1, 1000, 100, 16), (3, 257, 512, 8)]  # too much for the interpreter

if importlib.util.find_spec("triton") is None or (DEVICE == "cpu" and not INTERPRETED):
    pytest.skip("needs triton, and a GPU or TRITON_INTERPRET=1", allow_module_level=True)


def inputs(shape: tuple[int, int, int, int]) -> list[Tensor]:
    batch, L, width, N = shape
    g = torch.Generator().manual_seed(0)
    values = [torch.randn(batch, L, width, generator=g), F.softplus(torch.randn(batch, L, width, generator=g) - 2)]
    values += [-torch.exp(torch.randn(width, N, generator=g)), torch.randn(batch, L, N, generator=g)]
    values += [torch.randn(batch, L, N, generator=g), torch.randn(width, generator=g)]
    return [value.to(DEVICE).requires_grad_() for value in values]


def gradients(y: Tensor, wanted: list[Tensor]) -> tuple[Tensor, ...]:
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    return torch.autograd.grad((y * weight.to(y.dtype)).sum(), wanted)


def error(ours: Tensor, exact: Tensor) -> float:
    return ((ours.double() - exact).norm() / exact.norm().clamp(min=1e-12)).item()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", SHAPES if INTERPRETED else SHAPES + LARGE, ids=str)
def test_kernels_agree_with_the_reference(shape: tuple[int, int, int, int], reverse: bool) -> None:
    from contactlens.dna.models.caduceus.scan_triton import scan_triton

    arguments = inputs(shape)
    exact = [value.detach().double().requires_grad_() for value in arguments]
    expected = scan_reference(*exact, reverse)
    y = scan_triton(*arguments, reverse)
    assert error(y, expected) < 1e-5
    for name, ours, theirs in zip(NAMES, gradients(y, arguments), gradients(expected, exact), strict=True):
        assert ours.shape == theirs.shape
        assert error(ours, theirs) < 1e-4 or theirs.norm() < 1e-6, name


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_of_the_input_alone_keeps_no_state(reverse: bool) -> None:
    from contactlens.dna.models.caduceus.scan_triton import scan_triton

    arguments = inputs((1, 37, 5, 3))
    light = [arguments[0], *(value.detach() for value in arguments[1:])]
    y = scan_triton(*light, reverse)
    assert y.grad_fn.saved_tensors[-1].numel() == 0
    expected, *_ = gradients(scan_reference(*arguments, reverse), arguments)
    assert error(gradients(y, light[:1])[0], expected.double()) < 1e-5


def test_runs_give_the_same_bytes_and_take_any_strides() -> None:
    from contactlens.dna.models.caduceus.scan_triton import scan_triton

    u, delta, A, B, C, D = inputs((2, 40, 6, 3))
    b, c = torch.cat([B, C], dim=-1).detach().split(3, dim=-1)
    strided = [u.detach().transpose(1, 2).contiguous().transpose(1, 2), delta, A, b, c, D]
    one, two = scan_triton(u, delta, A, B, C, D), scan_triton(*strided)
    assert torch.equal(one, two)
    wanted = [delta, A, D]
    for first, second in zip(gradients(one, wanted), gradients(two, wanted), strict=True):
        assert torch.equal(first, second)
