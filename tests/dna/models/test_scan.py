import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from contactlens.dna.models.caduceus import scan
from contactlens.dna.models.caduceus.operations import Operations
from contactlens.dna.models.caduceus.scan import (
    agrees_with_reference,
    fastest_backend,
    fastest_of,
    scan_reference,
    selective_scan,
)
from contactlens.dna.models.caduceus.scan_numba import CHUNK, negative_exp

NAMES = ("u", "delta", "A", "B", "C", "D")
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 3 * CHUNK + 2), st.integers(1, 140), st.integers(1, 9))


def inputs(shape: tuple[int, int, int, int], dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
    """u, delta, A, B, C, D of (batch, length, channels, states), as they come in a network."""
    batch, L, width, N = shape
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    values = [normal(batch, L, width), F.softplus(normal(batch, L, width) - 2), -torch.exp(normal(width, N))]
    values += [normal(batch, L, N), normal(batch, L, N), normal(width)]
    return [value.to(dtype).requires_grad_() for value in values]


def scanned(arguments: list[Tensor], reverse: bool, backend: str) -> tuple[Tensor, list[Tensor]]:
    """y, and the gradients of a fixed random functional of it."""
    y = selective_scan(*arguments, reverse=reverse, backend=backend)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)
    wanted = [value for value in arguments if value.requires_grad]
    return y.detach(), list(torch.autograd.grad((y * weight).sum(), wanted))


def error(ours: Tensor, exact: Tensor) -> float:
    return float((ours.double() - exact).norm() / exact.norm().clamp(min=1e-12))


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_an_impulse_decays_exponentially(backend: str) -> None:
    """One channel, one state, constant rates: y_t = delta b c exp(delta A (t - t0)) after t0, nothing before."""
    L, t0, step, rate = 12, 4, 0.3, -1.5
    u = torch.zeros(1, L, 1)
    u[0, t0] = 1
    one = torch.ones(1, L, 1)
    y = selective_scan(u, step * one, torch.full((1, 1), rate), 2 * one, 5 * one, torch.zeros(1), False, backend)
    t = torch.arange(L)
    expected = torch.where(t < t0, 0.0, step * 10 * torch.exp(step * rate * (t - t0)))
    torch.testing.assert_close(y[0, :, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_without_decay_it_is_a_running_sum(backend: str) -> None:
    u, delta, A, B, C, D = (value.detach() for value in inputs((2, 70, 5, 3)))
    y = selective_scan(u, delta, torch.zeros_like(A), B, C, D, True, backend)
    drive = torch.einsum("bld,bln->bldn", delta * u, B).flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(y, torch.einsum("bldn,bln->bld", drive, C) + D * u, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_reverse_is_the_scan_of_the_flipped_sequence(backend: str) -> None:
    u, delta, A, B, C, D = (value.detach() for value in inputs((2, 45, 7, 3)))
    flipped = selective_scan(u.flip(1), delta.flip(1), A, B.flip(1), C.flip(1), D, False, backend).flip(1)
    torch.testing.assert_close(selective_scan(u, delta, A, B, C, D, True, backend), flipped, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_reference_has_right_first_and_second_derivatives(reverse: bool) -> None:
    arguments = inputs((2, 4, 3, 2), torch.float64)

    def function(*values: Tensor) -> Tensor:
        return scan_reference(*values, reverse)

    assert torch.autograd.gradcheck(function, arguments)
    assert torch.autograd.gradgradcheck(function, arguments)


@given(shape=SHAPES, reverse=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_numba_agrees_with_the_reference(shape: tuple[int, int, int, int], reverse: bool, seed: int) -> None:
    arguments = inputs(shape, seed=seed)
    exact = [value.detach().double().requires_grad_() for value in arguments]
    expected, expected_gradients = scanned(exact, reverse, "reference")
    y, gradients = scanned(arguments, reverse, "numba")
    assert error(y, expected) < 1e-5
    for name, ours, theirs in zip(NAMES, gradients, expected_gradients, strict=True):
        assert ours.shape == theirs.shape
        assert error(ours, theirs) < 1e-4, name


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_of_the_input_alone_keeps_no_state(reverse: bool) -> None:
    arguments = inputs((2, 75, 70, 4))
    _, (expected, *_) = scanned(arguments, reverse, "reference")
    light = [arguments[0], *(value.detach() for value in arguments[1:])]
    y = selective_scan(*light, reverse=reverse, backend="numba")
    assert y.grad_fn.saved_tensors[-1].numel() == 0
    _, gradients = scanned(light, reverse, "numba")
    assert len(gradients) == 1
    assert error(gradients[0], expected.double()) < 1e-5


def test_other_subsets_of_gradients_are_right() -> None:
    arguments = inputs((1, 40, 6, 3))
    _, expected = scanned(arguments, False, "reference")
    for chosen in ([1], [2], [3, 4], [5], [0, 2]):
        some = [value if i in chosen else value.detach() for i, value in enumerate(arguments)]
        _, gradients = scanned(some, False, "numba")
        for i, gradient in zip(chosen, gradients, strict=True):
            assert error(gradient, expected[i].double()) < 1e-5


def test_kept_state_grows_linearly_and_is_a_fraction_of_all_states() -> None:
    kept = {
        L: selective_scan(*inputs((1, L, 10, 4)), backend="numba").grad_fn.saved_tensors[-1].numel()
        for L in (256, 1024, 4096)
    }
    assert kept == {L: L * 10 * 4 / CHUNK for L in kept}


@pytest.mark.parametrize("reverse", [False, True])
def test_number_of_threads_does_not_change_a_byte(reverse: bool) -> None:
    arguments = inputs((3, 90, 150, 5))
    results = []
    for threads in (1, 2, 64):
        torch.set_num_threads(threads)
        y, gradients = scanned(arguments, reverse, "numba")
        results.append([value.numpy().tobytes() for value in (y, *gradients)])
    assert results[0] == results[1] == results[2]


FIRST_SCAN = """
import torch
torch.set_num_threads(1)
from contactlens.dna.models.caduceus.scan import selective_scan
u, B = torch.rand(2, 9, 4), torch.rand(2, 9, 3)
selective_scan(u, u, -torch.rand(4, 3), B, B, u[0, 0], backend="numba")
assert torch.get_num_threads() == 1, torch.get_num_threads()
"""


@pytest.mark.slow
def test_the_first_compiled_call_leaves_torch_its_number_of_threads() -> None:
    # A process of its own, as numba starts its threads once.
    done = subprocess.run([sys.executable, "-c", FIRST_SCAN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_arguments_need_not_be_contiguous() -> None:
    u, delta, A, B, C, D = inputs((2, 33, 6, 3))
    mixed = torch.cat([B, C], dim=-1)
    b, c = mixed.split(3, dim=-1)
    y = selective_scan(u.transpose(1, 2).contiguous().transpose(1, 2), delta, A.T.contiguous().T, b, c, D)
    torch.testing.assert_close(y, scan_reference(u, delta, A, B, C, D), rtol=1e-4, atol=1e-5)


def test_numba_runs_only_where_it_applies() -> None:
    single, double = inputs((1, 5, 2, 2)), inputs((1, 5, 2, 2), torch.float64)
    assert "NumbaScan" in selective_scan(*single).grad_fn.name()
    y = selective_scan(*double)
    assert y.dtype == torch.float64
    assert "NumbaScan" not in y.grad_fn.name()


def test_a_second_derivative_of_a_compiled_scan_is_refused() -> None:
    arguments = inputs((1, 5, 2, 2))
    y = selective_scan(*arguments, backend="numba")
    (gradient,) = torch.autograd.grad(y.square().sum(), arguments[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scanned_in_float32(dtype: torch.dtype) -> None:
    arguments = [value.detach().to(dtype) for value in inputs((2, 50, 6, 3))]
    expected = scan_reference(*(value.float() for value in arguments))
    y = Operations().scan(*arguments, reverse=False)
    assert y.dtype == dtype
    assert torch.equal(y, Operations().scan(*(value.float() for value in arguments), reverse=False).to(dtype))
    torch.testing.assert_close(y.float(), expected, rtol=0.01, atol=0.01)


def test_arguments_of_several_dtypes_are_scanned_together() -> None:
    u, delta, A, B, C, D = (value.detach() for value in inputs((2, 50, 6, 3)))
    y = Operations().scan(u, delta, A, B.bfloat16(), C.bfloat16(), D, reverse=False)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, scan_reference(u, delta, A, B, C, D), rtol=0.05, atol=0.05)


def test_exponential_is_exact_at_zero_and_close_everywhere() -> None:
    x = -np.concatenate([np.linspace(0, 1, 2001), np.logspace(-8, 1.9, 2001)]).astype(np.float32)
    ours = np.array([negative_exp(value) for value in x])
    assert ours[0] == 1
    np.testing.assert_allclose(ours, np.exp(x.astype(np.float64)), rtol=0, atol=2e-7)
    assert 0 <= negative_exp(np.float32(-1e4)) < 1e-37


@pytest.mark.parametrize("reverse", [False, True])
def test_the_kernel_of_mamba_ssm_is_given_its_own_layout(reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the package's signature: positions last, forward only."""

    def selective_scan_fn(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        state, ys = torch.zeros(u.shape[0], *A.shape), []
        for t in range(u.shape[2]):
            drive = torch.einsum("bd,bn->bdn", delta[:, :, t] * u[:, :, t], B[:, :, t])
            state = torch.exp(torch.einsum("bd,dn->bdn", delta[:, :, t], A)) * state + drive
            ys.append(torch.einsum("bdn,bn->bd", state, C[:, :, t]) + D * u[:, :, t])
        return torch.stack(ys, dim=2)

    interface = types.ModuleType("mamba_ssm.ops.selective_scan_interface")
    interface.selective_scan_fn = selective_scan_fn
    for name, module in (("", types.ModuleType("m")), (".ops", types.ModuleType("o"))):
        monkeypatch.setitem(sys.modules, f"mamba_ssm{name}", module)
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    arguments = inputs((2, 17, 5, 3))
    expected, expected_gradients = scanned(arguments, reverse, "reference")
    y, gradients = scanned(arguments, reverse, "mamba_ssm")
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_fastest_is_found_by_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recurrence as a Python loop against compiled code, in either order; the random state stays as it was."""
    monkeypatch.setattr(scan, "TIMED", (512, 16, 4))
    before = torch.random.get_rng_state()
    assert fastest_of(("reference", "numba"), "cpu") == fastest_of(("numba", "reference"), "cpu") == "numba"
    assert fastest_of(("reference",), "cpu") == "reference"
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.fixture
def no_memory() -> Iterator[None]:
    """What is found out about packages is kept for a process; here it isn't."""
    cached = (scan._installed, scan._works, scan.agrees_with_reference)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()


def mamba_package(folder: Path, content: str) -> None:
    (folder / "mamba_ssm" / "ops").mkdir(parents=True)
    for name in ("__init__.py", "ops/__init__.py"):
        (folder / "mamba_ssm" / name).touch()
    (folder / "mamba_ssm" / "ops" / "selective_scan_interface.py").write_text(content)


@pytest.mark.parametrize("works", [True, False])
def test_mamba_ssm_is_timed_where_it_can_be_imported(
    works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_memory: None
) -> None:
    timed = []
    monkeypatch.setattr(scan, "fastest_of", lambda kernels, device: timed.append((kernels, device)) or kernels[-1])
    monkeypatch.setattr(scan, "agrees_with_reference", lambda backend, device: True)
    content = "selective_scan_fn = None\n" if works else "raise ImportError('undefined symbol: _ZN3c104cuda')\n"
    mamba_package(tmp_path, content)
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        chosen = [fastest_backend("cuda", torch.float32) for _ in range(3)]
    for name in [name for name in sys.modules if name.startswith("mamba_ssm")]:
        del sys.modules[name]
    assert fastest_backend("cpu", torch.float32) == "numba" and fastest_backend("cuda", torch.float64) == "reference"
    if works:
        assert chosen == ["mamba_ssm"] * 3 and not said
        assert timed and all(kernels[-1] == "mamba_ssm" and device == "cuda" for kernels, device in timed)
    else:
        assert set(chosen) <= {"triton", "reference"} and len(set(chosen)) == 1
        (warning,) = said
        assert "can't be imported (undefined symbol: _ZN3c104cuda); another scan is used" in str(warning.message)


class WrongScan(torch.autograd.Function):
    """Right forward, and a gradient of u that is 1 % too large."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, *others: Any) -> Tensor:
        ctx.save_for_backward(u, *others[:-1])
        ctx.reverse = others[-1]
        return scan_reference(u, *others)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        values = [value.detach().requires_grad_() for value in ctx.saved_tensors]
        with torch.enable_grad():
            first, *rest = torch.autograd.grad((scan_reference(*values, ctx.reverse) * gy).sum(), values)
        return 1.01 * first, *rest, None


def test_a_kernel_is_taken_if_it_agrees_with_the_reference(no_memory: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert agrees_with_reference("numba", "cpu")


def test_a_kernel_with_a_wrong_gradient_is_refused(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    monkeypatch.setattr(scan._NumbaScan, "apply", WrongScan.apply)
    with pytest.warns(UserWarning, match=r"the numba scan differs from the reference here by 0.01; another scan"):
        assert not agrees_with_reference("numba", "cpu")


def test_a_kernel_that_can_t_run_is_refused(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    def broken(*arguments: Tensor) -> Tensor:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(scan._NumbaScan, "apply", broken)
    with pytest.warns(UserWarning, match=r"the numba scan does not run here \(no kernel image is available\)"):
        assert not agrees_with_reference("numba", "cpu")
