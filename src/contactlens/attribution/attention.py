"""What the attention weights of a Transformer say about the frames that an output frame draws on."""

import torch
from torch import Tensor


def attention_rollout(attention: Tensor) -> Tensor:
    """Attention followed through all layers, (B, T_out, T_in); every row is a distribution over input frames.

    attention: (B, layers, heads, T, T), first layer first, the last axis the frame looked at

    Each layer mixes frames by the mean over its heads, and keeps as much again through its identity shortcut:
    A = (W + I) / 2; the rollout is the product of the A, the last layer's leftmost. It knows nothing of signs, values
    or the layers between, so it is a measure of mixing and not a share of the output. Source: Abnar and Zuidema,
    ACL 2020.

    Raises ValueError where `attention` is not of that shape or its rows do not sum to 1.
    """
    if attention.ndim != 5 or attention.size(-1) != attention.size(-2):
        raise ValueError(f"attention must be (B, layers, heads, T, T), got {tuple(attention.shape)}")
    total = attention.sum(dim=-1)
    if not torch.allclose(total, torch.ones_like(total), atol=1e-4):
        raise ValueError("attention: the weights of a frame must sum to 1")
    identity = torch.eye(attention.size(-1), dtype=attention.dtype, device=attention.device)
    mixing = (attention.mean(dim=2) + identity) / 2  # (B, layers, T, T)
    rollout = mixing[:, 0]
    for layer in mixing.unbind(dim=1)[1:]:
        rollout = layer @ rollout
    return rollout
