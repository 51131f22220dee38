"""Depthwise convolution, bias and SiLU in one pass on the CPU, float32: small steps that memory would else bound.

x, y: (Bt, L, D); taps: (K, D), the last one the present position's; bias: (D,). `reverse` looks ahead instead of back.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from contactlens.dna.models.caduceus.scan_numba import negative_exp, use_threads

Array = np.ndarray
_ONE, _ZERO = np.float32(1), np.float32(0)


@njit(inline="always", fastmath=True)
def _sigmoid(x: Any) -> Any:
    e = negative_exp(-abs(x))
    return (_ONE if x >= _ZERO else e) / (_ONE + e)


@njit(inline="always", fastmath=True)
def _convolve(x: Array, taps: Array, bias: Array, b: int, t: int, reverse: bool, out: Array) -> None:
    K, L = taps.shape[0], x.shape[1]
    for d in range(x.shape[2]):
        out[d] = bias[d]
    for k in range(K):
        place = t + (K - 1 - k) if reverse else t - (K - 1 - k)
        if 0 <= place < L:
            for d in range(x.shape[2]):
                out[d] += taps[k, d] * x[b, place, d]


@njit(parallel=True, fastmath=True, cache=True)
def _forward(x: Array, taps: Array, bias: Array, reverse: bool, y: Array) -> None:
    batch, L, D = y.shape
    for b in prange(batch):
        out = np.empty(D, np.float32)
        for t in range(L):
            _convolve(x, taps, bias, b, t, reverse, out)
            for d in range(D):
                y[b, t, d] = out[d] * _sigmoid(out[d])


@njit(parallel=True, fastmath=True, cache=True)
def _backward(
    gy: Array, x: Array, taps: Array, bias: Array, reverse: bool, gx: Array, g_taps: Array, g_bias: Array
) -> None:
    """g_taps (Bt, K, D) and g_bias (Bt, D) per sequence; all three gradients come in as zeros."""
    batch, L, D = gy.shape
    K = taps.shape[0]
    for b in prange(batch):
        out = np.empty(D, np.float32)
        for t in range(L):
            _convolve(x, taps, bias, b, t, reverse, out)
            for d in range(D):
                s = _sigmoid(out[d])
                out[d] = gy[b, t, d] * s * (_ONE + out[d] * (_ONE - s))
                g_bias[b, d] += out[d]
            for k in range(K):
                place = t + (K - 1 - k) if reverse else t - (K - 1 - k)
                if 0 <= place < L:
                    for d in range(D):
                        gx[b, place, d] += out[d] * taps[k, d]
                        g_taps[b, k, d] += out[d] * x[b, place, d]


def forward(x: Array, taps: Array, bias: Array, reverse: bool, threads: int) -> Array:
    use_threads(threads)
    y = np.empty(x.shape, np.float32)
    _forward(x, taps, bias, reverse, y)
    return y


def backward(gy: Array, x: Array, taps: Array, bias: Array, reverse: bool, threads: int) -> tuple[Array, Array, Array]:
    """Gradients of x (Bt, L, D), taps (K, D) and bias (D,)."""
    use_threads(threads)
    batch, _, D = gy.shape
    gx = np.zeros(gy.shape, np.float32)
    g_taps, g_bias = np.zeros((batch, len(taps), D), np.float32), np.zeros((batch, D), np.float32)
    _backward(gy, x, taps, bias, reverse, gx, g_taps, g_bias)
    return gx, g_taps.sum(axis=0), g_bias.sum(axis=0)
