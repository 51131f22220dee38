"""The selective scan on a GPU: float32, forward and backward, as Triton kernels.

One program takes a block of channels of one sequence from chunk to chunk; within a chunk the recurrence is an
associative scan over steps, as composing two steps h -> a h + x gives a step of the same form. The forward pass keeps
the state at the start of every chunk alone, and the backward pass recomputes the chunk from there, so memory grows as
L / CHUNK states. Sums over channels are formed per block and added in a fixed order: the same bytes on every run.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK, BLOCK, WARPS = 32, 16, 8


@triton.jit
def _then(a, x, a_later, x_later):
    """h -> a h + x, then h -> a_later h + x_later, as one such step."""
    return a_later * a, a_later * x + x_later


@triton.jit
def _places(first, L, REVERSE: tl.constexpr, CHUNK: tl.constexpr):
    """Positions of the steps from `first` on, and which of them exist."""
    step = first + tl.arange(0, CHUNK)
    return (L - 1 - step if REVERSE else step), step < L


@triton.jit
def _load(matrix, rows, exists, columns, width):
    """A tile of a row-major matrix, zero outside it."""
    inside = exists[:, None] & (columns < width)[None, :]
    return tl.load(matrix + rows[:, None] * width + columns[None, :], mask=inside, other=0.0)


@triton.jit
def _store(matrix, rows, exists, columns, width, value):
    inside = exists[:, None] & (columns < width)[None, :]
    tl.store(matrix + rows[:, None] * width + columns[None, :], value, mask=inside)


@triton.jit
def _row(tile, index, CHUNK: tl.constexpr):
    """One step of a tile (CHUNK, N, BLOCK)."""
    return tl.sum(tl.where(tl.arange(0, CHUNK)[:, None, None] == index, tile, 0.0), axis=0)


@triton.jit
def _states(step, drive, b, rates, start):
    """The state after each step of a chunk (CHUNK, N, BLOCK), from that before it; absent steps change nothing."""
    a = tl.exp(step[:, None, :] * rates[None, :, :])
    a, h = tl.associative_scan((a, drive[:, None, :] * b[:, :, None]), 0, _then)
    return h + a * start[None, :, :]


@triton.jit
def _forward(
    u, delta, A, B, C, D, y, starts, L, width, N, chunks,
    REVERSE: tl.constexpr, KEEP: tl.constexpr, STATES: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """u, delta, y (Bt, L, width); A (N, width); B, C (Bt, L, N); D (width,); starts (Bt, chunks or 0, N, width)."""
    sequence = tl.program_id(0).to(tl.int64)
    d, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, STATES)
    wide, narrow = sequence * L * width, sequence * L * N
    rates = _load(A, n, n < N, d, width)
    skip = tl.load(D + d, mask=d < width, other=0.0)
    h = tl.zeros((STATES, BLOCK), tl.float32)
    for chunk in range(chunks):
        if KEEP:
            _store(starts + (sequence * chunks + chunk) * N * width, n, n < N, d, width, h)
        t, exists = _places(chunk * CHUNK, L, REVERSE, CHUNK)
        step, x = _load(delta + wide, t, exists, d, width), _load(u + wide, t, exists, d, width)
        b, c = _load(B + narrow, t, exists, n, N), _load(C + narrow, t, exists, n, N)
        states = _states(step, step * x, b, rates, h)
        _store(y + wide, t, exists, d, width, tl.sum(states * c[:, :, None], axis=1) + skip[None, :] * x)
        h = _row(states, CHUNK - 1, CHUNK)


@triton.jit
def _backward(
    gy, u, delta, A, B, C, D, starts, gu, gdelta, gA, gB, gC, gD, L, width, N, chunks,
    REVERSE: tl.constexpr, FULL: tl.constexpr, STATES: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients, that of u alone unless FULL.

    gA (Bt, N, width) and gD (Bt, width) are per sequence, gB and gC (blocks, Bt, L, N) per block of channels. `flow` is
    the gradient of the state; it runs from the last step to the first with the decay of the step after.
    """
    sequence, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    d, n = block * BLOCK + tl.arange(0, BLOCK), tl.arange(0, STATES)
    wide, narrow = sequence * L * width, sequence * L * N
    partial = (block * tl.num_programs(0) + sequence) * L * N
    rates = _load(A, n, n < N, d, width)
    skip = tl.load(D + d, mask=d < width, other=0.0)
    later_flow, g_rates = tl.zeros((STATES, BLOCK), tl.float32), tl.zeros((STATES, BLOCK), tl.float32)
    g_skip = tl.zeros((BLOCK,), tl.float32)
    for done in range(chunks):
        chunk = chunks - 1 - done
        t, exists = _places(chunk * CHUNK, L, REVERSE, CHUNK)
        after, after_exists = _places(chunk * CHUNK + 1, L, REVERSE, CHUNK)
        step, g = _load(delta + wide, t, exists, d, width), _load(gy + wide, t, exists, d, width)
        b, c = _load(B + narrow, t, exists, n, N), _load(C + narrow, t, exists, n, N)
        a = tl.exp(_load(delta + wide, after, after_exists, d, width)[:, None, :] * rates[None, :, :])
        a, flow = tl.associative_scan((a, g[:, None, :] * c[:, :, None]), 0, _then, reverse=True)
        flow += a * later_flow[None, :, :]
        later_flow = _row(flow, 0, CHUNK)
        g_drive = tl.sum(flow * b[:, :, None], axis=1)
        _store(gu + wide, t, exists, d, width, g * skip[None, :] + g_drive * step)
        if FULL:
            x = _load(u + wide, t, exists, d, width)
            drive = step * x
            start = _load(starts + (sequence * chunks + chunk) * N * width, n, n < N, d, width)
            states = _states(step, drive, b, rates, start)
            _store(gC + partial, t, exists, n, N, tl.sum(g[:, None, :] * states, axis=2))
            _store(gB + partial, t, exists, n, N, tl.sum(flow * drive[:, None, :], axis=2))
            kept = flow * (states - drive[:, None, :] * b[:, :, None])  # states less what entered: what decayed
            _store(gdelta + wide, t, exists, d, width, tl.sum(kept * rates[None, :, :], axis=1) + g_drive * x)
            g_rates += tl.sum(kept * step[:, None, :], axis=0)
            g_skip += tl.sum(g * x, axis=0)
    if FULL:
        _store(gA + sequence * N * width, n, n < N, d, width, g_rates)
        tl.store(gD + sequence * width + d, g_skip, mask=d < width)


def scan_triton(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool = False) -> Tensor:
    """y (Bt, L, D) of u, delta (Bt, L, D), A (D, N), B, C (Bt, L, N), D (D,); all float32 on one GPU."""
    return _TritonScan.apply(u, delta, A, B, C, D, reverse)


def _sizes(u: Tensor, N: int) -> tuple[tuple[int, int], dict[str, int]]:
    """The grid of programs, and the sizes that every kernel takes."""
    batch, L, width = u.shape
    sizes = {"L": L, "width": width, "N": N, "chunks": -(-L // CHUNK), "STATES": triton.next_power_of_2(N)}
    return (batch, -(-width // BLOCK)), sizes | {"CHUNK": CHUNK, "BLOCK": BLOCK, "num_warps": WARPS}


class _TritonScan(torch.autograd.Function):
    """The kernels under autograd; where u alone needs a gradient, no state is kept."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, reverse: bool
    ) -> Tensor:
        u, delta, rates, B, C, D = (value.contiguous() for value in (u, delta, A.T, B, C, D))
        grid, sizes = _sizes(u, A.shape[1])
        keep = any(ctx.needs_input_grad[1:6])
        starts = u.new_empty(len(u), sizes["chunks"] if keep else 0, *rates.shape)
        y = torch.empty_like(u)
        with torch.cuda.device_of(u):
            _forward[grid](u, delta, rates, B, C, D, y, starts, REVERSE=reverse, KEEP=keep, **sizes)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(u, delta, rates, B, C, D, starts)
            ctx.reverse, ctx.keep = reverse, keep
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, rates, B, C, D, starts = ctx.saved_tensors
        grid, sizes = _sizes(u, len(rates))
        gu = torch.empty_like(u)
        others = [torch.empty_like(u), u.new_empty(len(u), *rates.shape)]
        others += [u.new_empty(grid[1], *B.shape), u.new_empty(grid[1], *C.shape), u.new_empty(len(u), len(D))]
        if not ctx.keep:
            others = [gu] * 5  # never written
        arguments = (gy.contiguous(), u, delta, rates, B, C, D, starts, gu, *others)
        with torch.cuda.device_of(u):
            _backward[grid](*arguments, REVERSE=ctx.reverse, FULL=ctx.keep, **sizes)
        if not ctx.keep:
            return gu, None, None, None, None, None, None
        gdelta, gA, gB, gC, gD = others
        return gu, gdelta, gA.sum(0).T, gB.sum(0), gC.sum(0), gD.sum(0), None
