"""Tracks of several lengths in one batch: what the frames beyond a track's end must not change.

A batch whose tracks all reach its last frame needs none of this: `track_lengths` says so with None, and the operations
are then torch's own.
"""

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing
from torch.nn import functional as F


def track_lengths(observed: Tensor) -> Tensor | None:
    """Frames up to the last observed one, (B,) int, at least 1; None where every track reaches the last frame.

    observed: (B, T) bool. A compiled or exported graph can't depend on its values, so it gets the lengths always.
    """
    if not torch.compiler.is_compiling():
        with disable_proxy_modes_tracing():  # a mask is no input that a derivative is traced through
            if bool(observed[:, -1].all()):
                return None
    frame = torch.arange(1, observed.size(1) + 1, device=observed.device)
    return (observed * frame).amax(dim=1).clamp(min=1)


def within(lengths: Tensor, frames: int) -> Tensor:
    """(B, frames) bool: whether a frame lies before the end of its track."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


def without_padding(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, C, T) with 0 beyond each track's end, as a convolution pads."""
    if lengths is None:
        return x
    return x.masked_fill(~within(lengths, x.size(-1))[:, None], 0.0)


def halved(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Means of pairs of frames, (B, C, ceil(T / 2)); a last one without a pair is itself."""
    if lengths is None:
        return _means_of_pairs(x)
    mask = within(lengths, x.size(-1))[:, None].to(x.dtype)
    total, share = (_means_of_pairs(part) for part in (without_padding(x, lengths), mask))
    return total / share.clamp(min=0.5)


def _means_of_pairs(x: Tensor) -> Tensor:
    """(B, C, T) -> (B, C, ceil(T / 2)): what `avg_pool1d(x, 2, ceil_mode=True)` gives, to the bit, in less than half
    its time on a CPU."""
    even, odd = x[..., 0::2], x[..., 1::2]
    if x.size(-1) % 2:
        odd = torch.cat([odd, x[..., -1:]], dim=-1)
    return (even + odd) * 0.5


def resample(x: Tensor, length: int, before: Tensor | None = None, after: Tensor | None = None) -> Tensor:
    """Linear interpolation of (B, C, T) to (B, C, length).

    before, after: (B,) lengths of the tracks at either resolution; None where they are T and `length`
    """
    if before is None or after is None:
        if x.size(-1) == length:
            return x
        # As a picture of height 1, whose order in memory torch keeps.
        return F.interpolate(x.unsqueeze(2), size=(1, length), mode="bilinear", align_corners=False).squeeze(2)
    frame = torch.arange(length, device=x.device)
    place = ((frame + 0.5) * (before / after)[:, None] - 0.5).clamp(min=0)  # (B, length)
    last = before[:, None] - 1
    left = torch.minimum(place.floor().long(), last)
    right, share = torch.minimum(left + 1, last), (place - left).clamp(0, 1).to(x.dtype)[:, None]

    def taken(index: Tensor) -> Tensor:
        return x.gather(2, index[:, None].expand(-1, x.size(1), -1))

    return taken(left) * (1 - share) + taken(right) * share


def pooled(x: Tensor, parts: int, lengths: Tensor | None) -> Tensor:
    """Means over `parts` equal parts of each track, (B, C, T) -> (B, C, parts), as torch's adaptive pooling cuts."""
    if lengths is None:
        return F.adaptive_avg_pool1d(x, parts)
    part, frame = torch.arange(parts, device=x.device), torch.arange(x.size(-1), device=x.device)
    start = part * lengths[:, None] // parts
    end = ((part + 1) * lengths[:, None] + parts - 1) // parts  # (B, parts)
    inside = (frame >= start[..., None]) & (frame < end[..., None])  # (B, parts, T)
    return x @ (inside / (end - start)[..., None]).to(x.dtype).mT
