"""The mixer's short convolution: depthwise, causal, followed by SiLU."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contactlens.dna.models.caduceus.scan import fast_on_cpu


def depthwise(x: Tensor, weight: Tensor, reverse: bool) -> Tensor:
    """x (B, L, D), weight (D, 1, K) -> (B, L, D) over the present and the K - 1 positions before it.

    `reverse` looks at those after it instead, with the taps in reverse order: the convolution of the flipped sequence.
    """
    L, K = x.shape[1], weight.shape[-1]
    padded = F.pad(x, (0, 0, 0, K - 1) if reverse else (0, 0, K - 1, 0))
    taps = weight[:, 0].unbind(-1)  # K of (D,)
    shifts = range(K - 1, -1, -1) if reverse else range(K)
    total = padded[:, shifts[0] : shifts[0] + L] * taps[0]
    for shift, tap in zip(shifts[1:], taps[1:], strict=True):
        total = torch.addcmul(total, padded[:, shift : shift + L], tap)
    return total


def depthwise_silu(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool) -> Tensor:
    """SiLU(depthwise(x) + bias), in one pass where it runs on a CPU in float32."""
    if fast_on_cpu(x):
        bias = torch.zeros_like(weight[:, 0, 0]) if bias is None else bias
        return _NumbaDepthwiseSilu.apply(x, weight, bias, reverse)
    total = depthwise(x, weight, reverse)
    return F.silu(total if bias is None else total + bias)


class _NumbaDepthwiseSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, reverse: bool) -> Tensor:
        from contactlens.dna.models.caduceus import conv_numba

        ctx.save_for_backward(x, weight, bias)
        ctx.reverse = reverse
        return torch.from_numpy(conv_numba.forward(*_arrays(x, weight, bias), reverse, torch.get_num_threads()))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor | None, ...]:
        from contactlens.dna.models.caduceus import conv_numba

        arrays = _arrays(*ctx.saved_tensors)
        gradient = gy.contiguous().numpy()
        gx, g_taps, g_bias = conv_numba.backward(gradient, *arrays, ctx.reverse, torch.get_num_threads())
        g_weight = torch.from_numpy(np.ascontiguousarray(g_taps.T)).unsqueeze(1)
        return torch.from_numpy(gx), g_weight, torch.from_numpy(g_bias), None


def _arrays(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, taps (K, D) and bias. x, half of a projection, is copied: a loop over strided channels is not vectorised."""
    return x.detach().contiguous().numpy(), weight.detach()[:, 0].T.contiguous().numpy(), bias.detach().numpy()
