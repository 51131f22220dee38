"""Transformer encoder over frames with rotary positions, so that any track length works, and its attention on view."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.tracks.models.backbone import Backbone, BackboneOutput

ROTARY_BASE = 1000.0  # wavelengths from 6 to at most 6,000 frames
EXPANSION = 2


def rotate(x: Tensor) -> Tensor:
    """Rotary positions: (..., T, D) with channels i and i + D/2 of frame t turned by the angle t ROTARY_BASE**(-2i/D).

    The inner product of a rotated query and a rotated key depends on their frames through the difference alone.
    Source: Su et al., Neurocomputing 568 (2024) 127063.
    """
    T, D = x.shape[-2:]
    frequency = ROTARY_BASE ** -(torch.arange(0, D, 2, device=x.device) / D)
    angle = torch.arange(T, device=x.device)[:, None] * frequency  # (T, D / 2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def spans(x: Tensor, block: int, halo: int) -> Tensor:
    """Blocks of frames with `halo` frames on either side, zero beyond the track: (B, T, ...) to (B, n, span, ...)."""
    T = x.size(1)
    beyond = [0, 0] * (x.ndim - 2)
    padded = F.pad(x, [*beyond, halo, halo + -T % block])
    return padded.unfold(1, block + 2 * halo, block).movedim(-1, 2)


def visible_keys(observed: Tensor, block: int, halo: int, window: int | None) -> Tensor:
    """(B n, 1, block, block + 2 halo) bool: the keys of its span that each query of a block sees.

    These are the observed frames at most `window` away (any distance where None) and the query's own frame, observed
    or not, so that no query is left without a key.
    """
    offset = torch.arange(block + 2 * halo, device=observed.device) - halo
    lag = offset - torch.arange(block, device=observed.device)[:, None]  # (block, span)
    near = torch.ones_like(lag, dtype=torch.bool) if window is None else lag.abs() <= window
    mask = spans(observed, block, halo).flatten(0, 1)[:, None, None]  # (B n, 1, 1, span)
    return (mask & near) | (lag == 0)


class RotaryAttention(nn.Module):
    """Multi-head self-attention over frames with rotary positions: (B, T, W) to (B, T, W)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)

    def _query_key_value(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, H, T, D) each, the first two rotated."""
        B, T, W = x.shape
        query, key, value = self.project_in(x).view(B, T, 3, self.heads, W // self.heads).permute(2, 0, 3, 1, 4)
        return rotate(query), rotate(key), value

    def forward(self, x: Tensor, visible: Tensor, block: int, halo: int) -> Tensor:
        """Attention within spans of frames; `visible` is that of `visible_keys` for the same block and halo."""
        B, T, _ = x.shape
        query, key, value = (part.transpose(1, 2) for part in self._query_key_value(x))  # (B, T, H, D)
        query, key, value = (
            spans(part, block, reach).flatten(0, 1).transpose(1, 2)  # (B n, H, span, D)
            for part, reach in ((query, 0), (key, halo), (value, halo))
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)  # (B n, H, block, D)
        joined = mixed.transpose(1, 2).flatten(2).view(B, -1, x.size(2))[:, :T]
        return self.project_out(joined)

    def weights(self, x: Tensor, visible: Tensor) -> Tensor:
        """The weights (B, H, T, T) of every frame's keys; `visible` (B, 1, T, T)."""
        query, key, _ = self._query_key_value(x)
        scores = query @ key.mT / query.size(-1) ** 0.5
        return scores.masked_fill(~visible, -torch.inf).softmax(dim=-1)


class TransformerLayer(nn.Module):
    """Attention, then two linear layers with a rectifier, each on normalised features around an identity shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = RotaryAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, EXPANSION * width)
        self.relu = nn.ReLU()
        self.contract = nn.Linear(EXPANSION * width, width)

    def forward(self, x: Tensor, visible: Tensor, block: int, halo: int) -> Tensor:
        x = x + self.attention(self.norm1(x), visible, block, halo)
        return x + self.contract(self.relu(self.expand(self.norm2(x))))


class Transformer(Backbone):
    """Encoder of `layers` pre-norm layers over frames (Vaswani et al., NeurIPS 2017; Xiong et al., ICML 2020).

    window: frames either side that a frame attends to, so that time and memory grow with T rather than its square and
        the reach of an output frame is finite; the whole track where None

    Raises ValueError where the width does not split into `heads` of an even number of channels.
    """

    has_attention = True

    def __init__(self, in_channels: int, width: int, layers: int, heads: int, window: int | None) -> None:
        super().__init__()
        if heads < 1 or width < 1 or width % (2 * heads):
            raise ValueError(f"width {width} must be a multiple of twice the {heads} heads")
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        if window is not None and window < 1:
            raise ValueError(f"window must be at least 1 frame or null, got {window}")
        self.window = window
        self.embed = nn.Linear(in_channels, width)
        self.layers = nn.ModuleList(TransformerLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def _blocks(self, T: int) -> tuple[int, int]:
        """Frames per block of queries, and how far beyond it keys lie."""
        return (T, 0) if self.window is None else (self.window, self.window)

    def forward(self, x: Tensor, observed: Tensor, context: None = None) -> BackboneOutput:
        """x (B, C, T), observed (B, T) bool -> features (B, width, T). A frame that is not observed is no key to the
        others. There is no decoder that a context, which every backbone is called with, could condition."""
        block, halo = self._blocks(x.size(-1))
        visible = visible_keys(observed, block, halo, self.window)
        x = self.embed(x.mT)  # (B, T, W)
        for layer in self.layers:
            x = layer(x, visible, block, halo)
        return BackboneOutput(self.norm(x).mT)

    def attention(self, x: Tensor, observed: Tensor) -> Tensor:
        """Weights of every layer and head, (B, layers, heads, T, T): the last axis is the frame looked at, and sums
        to 1. x and observed as for `forward`. Takes memory for all T x T of them whatever the window."""
        T = x.size(-1)
        visible = visible_keys(observed, T, 0, self.window)
        x = self.embed(x.mT)  # (B, T, W)
        weights = []
        for layer in self.layers:
            assert isinstance(layer, TransformerLayer)
            weights.append(layer.attention.weights(layer.norm1(x), visible))
            x = layer(x, visible, T, 0)
        return torch.stack(weights, dim=1)
