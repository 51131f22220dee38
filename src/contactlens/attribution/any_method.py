"""Attributions of every output frame by any method, output frames that share nothing in one call.

For the methods of `contactlens.attribution.all_frames` there is a faster way; this one needs nothing of a method but
that output frames which depend on no common input don't disturb each other.
"""

import torch
from torch import Tensor, nn

from contactlens.attribution.captum_methods import AttributionFunction, MethodSettings
from contactlens.attribution.reach import FrameReach, Model, share_passes


class SummedFrames(nn.Module):
    """A model whose output g is the sum of the output (channel, t) over the frames of group g: (B, G).

    seeds: (G, T), 1 at the frames of a group
    """

    def __init__(self, model: Model, channel: int, seeds: Tensor) -> None:
        super().__init__()
        self.model, self.channel, self.seeds = model, channel, seeds

    def forward(self, x: Tensor, *extra: Tensor) -> Tensor:
        return self.model(x, *extra)[:, self.channel] @ self.seeds.T

    def attention(self, x: Tensor, *extra: Tensor) -> Tensor:
        """The attention of the model itself."""
        return self.model.attention(x, *extra)  # type: ignore[attr-defined]

    def of(self, model: Model) -> "SummedFrames":
        """The same sums of another model's outputs."""
        return SummedFrames(model, self.channel, self.seeds)


def method_matrix(
    method: AttributionFunction,
    model: Model,
    x: Tensor,
    baseline: Tensor,
    channel: int,
    settings: MethodSettings,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    frames: Tensor,
) -> Tensor:
    """Attributions of output (channel, t) at x (B, C, T) for every t in `frames`: (B, F, C, T)."""
    group = share_passes(reach, frames)
    seeds = x.new_zeros(int(group.max()) + 1, x.size(-1))
    seeds[group, frames] = 1
    summed = SummedFrames(model, channel, seeds)
    chunks = []
    for rows in torch.arange(len(x), device=x.device).split(settings.rows_per_pass):
        some = tuple(value[rows] for value in extra)
        shares = [method(summed, x[rows], baseline, number, some, settings).detach() for number in range(len(seeds))]
        chunks.append(torch.stack(shares, dim=1))  # (n, G, C, T)
    return torch.cat(chunks)[:, group] * reach.mask(frames)[:, None]
