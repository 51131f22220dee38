"""The selective scan of Mamba: a linear recurrence whose rates depend on the input.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t,    y_t = <h_t, C_t> + D u_t

Source: Gu & Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023 (arXiv 2312.00752), with
their simplified (Euler) discretisation of B.

Shapes throughout: u, delta (B, L, D); A (D, N), negative; B, C (B, L, N); D (D,); y (B, L, D). `reverse` runs it from
the last position to the first.
"""

import functools
import importlib
import importlib.util
import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

MAMBA_SSM = "mamba_ssm.ops.selective_scan_interface"
TIMED = (4096, 512, 16)  # positions, d_inner, d_state
VERIFIED = (70, 40, 5)  # the same of the input on which a kernel is checked: over two chunks, blocks not filled
TOLERANCE = 1e-3  # of a kernel's outputs and gradients, relative to the reference's norm
Backend = Literal["auto", "reference", "numba", "triton", "mamba_ssm"]


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    reverse: bool = False,
    backend: Backend = "auto",
) -> Tensor:
    """y (B, L, D), differentiable in every argument.

    All back ends agree to 1e-4 in float32; `reference` takes any dtype and can be differentiated twice. `auto` takes
    the fastest that applies: in float32 on a GPU `triton`, or `mamba_ssm` where it can be imported and `fastest_of`
    the two, and on a CPU `numba`; otherwise the reference. A GPU kernel that differs from the reference on this machine
    (`agrees_with_reference`) is not taken.
    """
    chosen = fastest_backend(u.device.type, u.dtype) if backend == "auto" else backend
    if chosen == "reference":
        return scan_reference(u, delta, A, B, C, D, reverse)
    if chosen == "numba":
        return _NumbaScan.apply(u, delta, A, B, C, D, reverse)
    if chosen == "triton":
        from contactlens.dna.models.caduceus.scan_triton import scan_triton

        return scan_triton(u, delta, A, B, C, D, reverse)
    return _scan_mamba_ssm(u, delta, A, B, C, D, reverse)


@functools.cache
def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@functools.cache
def _works(module: str) -> bool:
    """Whether a package that is compiled for one CUDA and one torch can be imported here; one warning where not."""
    if not _installed(module.partition(".")[0]):
        return False
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken build raises what it likes
        warnings.warn(f"{module} is installed and can't be imported ({error}); another scan is used", stacklevel=2)
        return False
    return True


def fast_on_cpu(x: Tensor) -> bool:
    """Whether the compiled CPU kernels apply: float32 on a CPU, and numba installed."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and _installed("numba")


def fastest_backend(device_type: str, dtype: torch.dtype) -> Backend:
    """What `auto` takes there."""
    if dtype != torch.float32:
        return "reference"
    if device_type == "cuda":
        kernels: dict[Backend, bool] = {"triton": _installed("triton"), "mamba_ssm": _works(MAMBA_SSM)}
        there = tuple(name for name, works in kernels.items() if works and agrees_with_reference(name, device_type))
        return "reference" if not there else fastest_of(there, device_type)
    if device_type == "cpu" and _installed("numba"):
        return "numba"
    return "reference"


@functools.cache
def agrees_with_reference(backend: Backend, device_type: str) -> bool:
    """Whether y and all gradients are the reference's within `TOLERANCE` on a small input, in both directions.

    Compared once in a process; a kernel that differs, or that can't run, is warned about. Compilers and drivers differ
    between machines, and a wrong kernel would train without a complaint.
    """
    with torch.enable_grad():
        u, delta, A, B, C, D = inputs = [value.requires_grad_() for value in _example(*VERIFIED, device_type)]

        def outcome(scan: Backend, reverse: bool) -> list[Tensor]:
            y = selective_scan(u, delta, A, B, C, D, reverse, scan)
            weight = torch.linspace(-1.0, 1.0, y.numel(), device=device_type).reshape(y.shape)
            return [y.detach(), *torch.autograd.grad((y * weight).sum(), inputs)]

        try:
            errors = [
                float((ours - theirs).norm() / theirs.norm())
                for reverse in (False, True)
                for ours, theirs in zip(outcome(backend, reverse), outcome("reference", reverse), strict=True)
            ]
        except Exception as error:  # a compiler or a driver raises what it likes
            warnings.warn(f"the {backend} scan does not run here ({error}); another scan is used", stacklevel=2)
            return False
    if not max(errors) < TOLERANCE:  # NaN is no agreement
        message = f"the {backend} scan differs from the reference here by {max(errors):.1g}; another scan is used"
        warnings.warn(message, stacklevel=2)
        return False
    return True


def _example(L: int, width: int, N: int, device_type: str) -> list[Tensor]:
    """u, delta, A, B, C, D of one sequence, without a random number."""
    ramp = torch.linspace(0.01, 1.0, L * width, device=device_type).reshape(1, L, width)
    A = -torch.arange(1.0, N + 1, device=device_type).repeat(width, 1)
    values = (ramp, ramp / 10, A, ramp[..., :N], ramp[..., N : 2 * N], ramp[0, 0])
    return [value.clone() for value in values]


@functools.cache
def fastest_of(backends: tuple[Backend, ...], device_type: str) -> Backend:
    """That with the least median time forward and backward, batch 1, `TIMED`; timed once in a process, if several."""
    if len(backends) == 1:
        return backends[0]
    from torch.utils.benchmark import Timer

    with torch.enable_grad():
        u, delta, A, B, C, D = inputs = [value.requires_grad_() for value in _example(*TIMED, device_type)]

        def median_s(backend: Backend) -> float:
            def run() -> None:
                torch.autograd.grad(selective_scan(u, delta, A, B, C, D, backend=backend).sum(), inputs)

            run()  # compiles
            return float(Timer("run()", globals={"run": run}).blocked_autorange(min_run_time=0.1).median)

        return min(backends, key=median_s)


def scan_reference(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool = False
) -> Tensor:
    """The recurrence as it is written, position by position, in time and memory linear in L."""
    decay = torch.exp(delta.unsqueeze(-1) * A)  # (B, L, D, N)
    drive = (delta * u).unsqueeze(-1) * B.unsqueeze(2)  # (B, L, D, N)
    steps = list(zip(decay.unbind(1), drive.unbind(1), C.unbind(1), strict=True))
    state = torch.zeros_like(drive[:, 0])
    ys = []
    for a, x, c in reversed(steps) if reverse else steps:
        state = a * state + x
        ys.append((state * c.unsqueeze(1)).sum(-1))
    return torch.stack(ys[::-1] if reverse else ys, dim=1) + D * u


class _NumbaScan(torch.autograd.Function):
    """`scan_numba` under autograd; where u alone needs a gradient, no state is kept."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool
    ) -> Tensor:
        from contactlens.dna.models.caduceus import scan_numba

        arrays = [_array(value) for value in (u, delta, A, B, C, D)]
        keep = any(ctx.needs_input_grad[1:6])
        y, starts = scan_numba.forward(*arrays, reverse=reverse, keep=keep, threads=torch.get_num_threads())
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(u, delta, A, B, C, D, torch.from_numpy(starts))
            ctx.reverse, ctx.keep = reverse, keep
        return torch.from_numpy(y)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        from contactlens.dna.models.caduceus import scan_numba

        u, *others, starts = (_array(value) for value in ctx.saved_tensors)
        threads = torch.get_num_threads()
        if not ctx.keep:
            gu = scan_numba.backward_input(_array(gy), *others, reverse=ctx.reverse, threads=threads)
            return torch.from_numpy(gu), None, None, None, None, None, None
        arrays = (_array(gy), u, *others, starts)
        gradients = scan_numba.backward(*arrays, reverse=ctx.reverse, threads=threads)
        return *(torch.from_numpy(np.ascontiguousarray(g)) for g in gradients), None


def _array(value: Tensor) -> np.ndarray:
    return value.detach().contiguous().numpy()


def _scan_mamba_ssm(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool) -> Tensor:
    """The CUDA kernel of the mamba-ssm package, which puts positions last and knows no direction."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    def turned(value: Tensor) -> Tensor:
        return (value.flip(1) if reverse else value).transpose(1, 2).contiguous()

    y = selective_scan_fn(turned(u), turned(delta), A, turned(B), turned(C), D).transpose(1, 2)
    return y.flip(1) if reverse else y
