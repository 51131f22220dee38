"""Where a model that exposes its attention looks: rollout over its layers, as a method beside the others."""

import torch
from torch import Tensor

from contactlens.attribution.attention import attention_rollout as rollout
from contactlens.attribution.captum_methods.settings import MethodSettings, Target
from contactlens.attribution.reach import Model


def attention_rollout(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Share of every input frame in an output frame's attention, split equally among its channels.

    The same for all output channels, and without a sign. The model says that it `has_attention`, and
    `model.attention(x, *extra)` gives the weights of every layer and head, (B, layers, heads, T, T).
    Source: Abnar and Zuidema, ACL 2020.
    """
    weights = rollout(_attention(model, x, extra))
    if isinstance(target, int):  # a sum of output frames
        rows = model.seeds[target] @ weights  # type: ignore[attr-defined]
    else:
        targets = [target] * len(x) if isinstance(target, tuple) else target
        frame = torch.tensor([t for _, t in targets], device=x.device)
        rows = weights[torch.arange(len(x), device=x.device), frame]
    return rows[:, None].expand_as(x) / x.size(1)  # from (B, T)


def rollout_matrix(model: Model, x: Tensor, extra: tuple[Tensor, ...], frames: Tensor) -> Tensor:
    """`attention_rollout` of x (B, C, T) for every t in `frames`, (B, F, C, T), one track at a time."""
    rows = []
    for track in torch.arange(len(x), device=x.device).split(1):
        weights = _attention(model, x[track], tuple(value[track] for value in extra))
        rows.append(rollout(weights)[:, frames])
    return torch.cat(rows)[:, :, None].expand(-1, -1, x.size(1), -1) / x.size(1)


@torch.no_grad()
def _attention(model: Model, x: Tensor, extra: tuple[Tensor, ...]) -> Tensor:
    return model.attention(x, *extra)  # type: ignore[attr-defined]
