"""The selective scan on the CPU: float32, forward and backward, compiled by numba.

Channels are worked on in blocks that fit the vector registers, blocks and sequences in parallel. The forward pass keeps
the state at the start of every chunk of positions alone, and the backward pass recomputes the chunk from there, so
memory grows as L / CHUNK states. Sums over channels are formed per block and added in a fixed order: the same bytes
whatever the number of threads.
"""

from typing import Any

import numpy as np
import torch
from numba import config, njit, prange, set_num_threads
from numba.core import types
from numba.extending import intrinsic

BLOCK, CHUNK = 128, 16
Array = np.ndarray
_F = np.float32
_LOG2E, _LOWEST = _F(1.44269504), _F(-126.0)
_EXP2 = tuple(_F(c) for c in (0.00132647272, 0.00967151264, 0.0555073374, 0.240222421, 0.693146978, 1.0))


@intrinsic
def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """Reinterpret an int32 as a float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), build


@njit(inline="always", fastmath=True)
def negative_exp(x: Any) -> Any:
    """exp(x) for x <= 0 to 2e-7, without a call, so that the loop around it is vectorised; exp(0) is 1.

    2**n is put together from its bits, 2**f for |f| <= 1/2 is the polynomial of degree 5 closest to it (to 1e-7).
    """
    x = max(x * _LOG2E, _LOWEST)
    n = np.floor(x + _F(0.5))
    f = x - n
    p = _EXP2[0]
    for c in _EXP2[1:]:
        p = p * f + c
    return p * _float_of_bits((np.int32(n) + np.int32(127)) << np.int32(23))  # type: ignore[call-arg]


@njit(parallel=True, fastmath=True, cache=True)
def _forward(
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    reverse: bool,
    y: Array,
    starts: Array,
) -> None:
    """u, delta, y: (Bt, L, Dm); A: (N, Dm); B, C: (Bt, L, N); D: (Dm,); starts: (Bt, chunks or 0, N, Dm)."""
    batch, L, width = u.shape
    N = A.shape[0]
    blocks = (width + BLOCK - 1) // BLOCK
    keep = starts.shape[1] > 0
    for task in prange(batch * blocks):
        b, first = task // blocks, (task % blocks) * BLOCK
        w = min(BLOCK, width - first)
        h = np.zeros((N, w), dtype=np.float32)
        a_rate = A[:, first : first + w].copy()
        step, drive, out = np.zeros(w, np.float32), np.zeros(w, np.float32), np.zeros(w, np.float32)
        for s in range(L):
            t = L - 1 - s if reverse else s
            if keep and s % CHUNK == 0:
                starts[b, s // CHUNK, :, first : first + w] = h
            for d in range(w):
                step[d] = delta[b, t, first + d]
                drive[d] = step[d] * u[b, t, first + d]
                out[d] = D[first + d] * u[b, t, first + d]
            for n in range(N):
                b_n, c_n = B[b, t, n], C[b, t, n]
                for d in range(w):
                    h[n, d] = negative_exp(step[d] * a_rate[n, d]) * h[n, d] + drive[d] * b_n
                    out[d] += c_n * h[n, d]
            for d in range(w):
                y[b, t, first + d] = out[d]


@njit(parallel=True, fastmath=True, cache=True)
def _backward(
    gy: Array,
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    reverse: bool,
    starts: Array,
    gu: Array,
    gdelta: Array,
    gA: Array,
    gB: Array,
    gC: Array,
    gD: Array,
) -> None:
    """Gradients; gA (Bt, N, Dm) and gD (Bt, Dm) per sequence, gB and gC (blocks, Bt, L, N) per block of channels."""
    batch, L, width = u.shape
    N = A.shape[0]
    blocks = (width + BLOCK - 1) // BLOCK
    chunks = (L + CHUNK - 1) // CHUNK
    for task in prange(batch * blocks):
        b, k = task // blocks, task % blocks
        first = k * BLOCK
        w = min(BLOCK, width - first)
        a_rate = A[:, first : first + w].copy()
        states = np.zeros((CHUNK + 1, N, w), dtype=np.float32)
        decays = np.zeros((CHUNK, N, w), dtype=np.float32)
        gh = np.zeros((N, w), dtype=np.float32)
        g_rate = np.zeros((N, w), dtype=np.float32)
        step, x, drive = np.zeros(w, np.float32), np.zeros(w, np.float32), np.zeros(w, np.float32)
        g, g_drive, g_step = np.zeros(w, np.float32), np.zeros(w, np.float32), np.zeros(w, np.float32)
        g_skip = np.zeros(w, np.float32)
        for chunk in range(chunks - 1, -1, -1):
            begin, end = chunk * CHUNK, min(L, (chunk + 1) * CHUNK)
            states[0] = starts[b, chunk, :, first : first + w]
            for s in range(begin, end):
                t = L - 1 - s if reverse else s
                i = s - begin
                for d in range(w):
                    step[d] = delta[b, t, first + d]
                    drive[d] = step[d] * u[b, t, first + d]
                for n in range(N):
                    b_n = B[b, t, n]
                    for d in range(w):
                        decay = negative_exp(step[d] * a_rate[n, d])
                        decays[i, n, d] = decay
                        states[i + 1, n, d] = decay * states[i, n, d] + drive[d] * b_n
            for s in range(end - 1, begin - 1, -1):
                t = L - 1 - s if reverse else s
                i = s - begin
                for d in range(w):
                    step[d] = delta[b, t, first + d]
                    x[d] = u[b, t, first + d]
                    g[d] = gy[b, t, first + d]
                    drive[d] = step[d] * x[d]
                    g_skip[d] += g[d] * x[d]
                g_drive[:] = 0
                g_step[:] = 0
                for n in range(N):
                    b_n, c_n = B[b, t, n], C[b, t, n]
                    gb, gc = _F(0), _F(0)
                    for d in range(w):
                        flow = gh[n, d] + g[d] * c_n
                        gc += g[d] * states[i + 1, n, d]
                        gb += flow * drive[d]
                        g_drive[d] += flow * b_n
                        flow = flow * decays[i, n, d]
                        gh[n, d] = flow
                        flow = flow * states[i, n, d]
                        g_step[d] += flow * a_rate[n, d]
                        g_rate[n, d] += flow * step[d]
                    gB[k, b, t, n] = gb
                    gC[k, b, t, n] = gc
                for d in range(w):
                    gu[b, t, first + d] = g[d] * D[first + d] + g_drive[d] * step[d]
                    gdelta[b, t, first + d] = g_step[d] + g_drive[d] * x[d]
        gA[b, :, first : first + w] = g_rate
        gD[b, first : first + w] = g_skip


@njit(parallel=True, fastmath=True, cache=True)
def _backward_input(gy: Array, delta: Array, A: Array, B: Array, C: Array, D: Array, reverse: bool, gu: Array) -> None:
    """The gradient of u alone, which needs no state: the scan run the other way with B and C exchanged."""
    batch, L, width = gy.shape
    N = A.shape[0]
    blocks = (width + BLOCK - 1) // BLOCK
    for task in prange(batch * blocks):
        b, first = task // blocks, (task % blocks) * BLOCK
        w = min(BLOCK, width - first)
        gh = np.zeros((N, w), dtype=np.float32)
        a_rate = A[:, first : first + w].copy()
        step, g, g_drive = np.zeros(w, np.float32), np.zeros(w, np.float32), np.zeros(w, np.float32)
        for s in range(L):
            t = s if reverse else L - 1 - s
            for d in range(w):
                step[d] = delta[b, t, first + d]
                g[d] = gy[b, t, first + d]
                g_drive[d] = _F(0)
            for n in range(N):
                b_n, c_n = B[b, t, n], C[b, t, n]
                for d in range(w):
                    flow = gh[n, d] + g[d] * c_n
                    g_drive[d] += flow * b_n
                    gh[n, d] = flow * negative_exp(step[d] * a_rate[n, d])
            for d in range(w):
                gu[b, t, first + d] = g[d] * D[first + d] + g_drive[d] * step[d]


def use_threads(threads: int) -> None:
    """As many threads as torch has, which may have been given more than numba starts.

    Numba's first call starts its pool, and tells the OpenMP runtime, which torch shares, to use all processors: torch
    gets its own number back.
    """
    set_num_threads(min(threads, config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def forward(
    u: Array, delta: Array, A: Array, B: Array, C: Array, D: Array, *, reverse: bool, keep: bool, threads: int
) -> tuple[Array, Array]:
    """y (Bt, L, Dm) and, if `keep`, the states at chunk starts (Bt, chunks, N, Dm); all arrays float32, contiguous.

    u, delta: (Bt, L, Dm); A: (Dm, N); B, C: (Bt, L, N); D: (Dm,)
    """
    use_threads(threads)
    batch, L, width = u.shape
    chunks = -(-L // CHUNK) if keep else 0
    starts = np.empty((batch, chunks, A.shape[1], width), dtype=np.float32)
    y = np.empty_like(u)
    _forward(u, delta, np.ascontiguousarray(A.T), B, C, D, reverse, y, starts)
    return y, starts


def backward(
    gy: Array,
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    starts: Array,
    *,
    reverse: bool,
    threads: int,
) -> tuple[Array, ...]:
    """Gradients of u, delta, A, B, C, D in their own shapes, from that of y and the kept states."""
    use_threads(threads)
    batch, L, width = u.shape
    N, blocks = A.shape[1], -(-width // BLOCK)
    gu, gdelta = np.empty_like(u), np.empty_like(u)
    gA, gD = np.empty((batch, N, width), np.float32), np.empty((batch, width), np.float32)
    gB, gC = np.empty((blocks, batch, L, N), np.float32), np.empty((blocks, batch, L, N), np.float32)
    rates = np.ascontiguousarray(A.T)
    _backward(gy, u, delta, rates, B, C, D, reverse, starts, gu, gdelta, gA, gB, gC, gD)
    return gu, gdelta, gA.sum(axis=0).T, gB.sum(axis=0), gC.sum(axis=0), gD.sum(axis=0)


def backward_input(
    gy: Array, delta: Array, A: Array, B: Array, C: Array, D: Array, *, reverse: bool, threads: int
) -> Array:
    """The gradient of u (Bt, L, Dm) where nothing else needs one."""
    use_threads(threads)
    gu = np.empty_like(gy)
    _backward_input(gy, delta, np.ascontiguousarray(A.T), B, C, D, reverse, gu)
    return gu
