"""Captum's methods that replace frames by the baseline, within reach of the output where that is known."""

from typing import Any

import torch
from torch import Tensor

from contactlens.attribution.all_frames import occlusion_stride
from contactlens.attribution.captum_methods.settings import MethodSettings, Target
from contactlens.attribution.reach import FrameReach, Model


def occlusion(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Change of the output when a window of frames (all channels) is replaced by the baseline, in the
    output's unit. Source: Zeiler and Fergus, ECCV 2014.

    Windows move by half their length. A window's change is shared equally by its frames and channels, so that
    attributions of a linear model add up to its change; a frame gets the mean over the windows that hold it.
    """
    return _replaced(model, x, baseline, target, extra, settings, settings.occlusion_window)


def feature_ablation(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Change of the output when one frame is replaced by the baseline, shared by its channels: the frame is the
    feature, as its channels are one measurement."""
    return _replaced(model, x, baseline, target, extra, settings, 1)


def _replaced(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
    window: int,
) -> Tensor:
    from captum.attr import Occlusion

    C = x.size(1)
    frames = _frames_to_replace(x, target, settings.reach, window)  # (B, W)
    index = frames[:, None].expand(-1, C, -1)

    def pasted(part: Tensor, tracks: Tensor, places: Tensor, *further: Any) -> Tensor:
        return model(tracks.scatter(2, places, part), *further)

    change = Occlusion(pasted).attribute(
        x.gather(2, index),
        sliding_window_shapes=(C, window),
        strides=(C, occlusion_stride(window)),
        baselines=baseline.expand_as(x).gather(2, index),
        target=target,
        additional_forward_args=(x, index, *extra),
        perturbations_per_eval=max(1, settings.rows_per_pass // len(x)),
    )
    shares = change.to(x.dtype) / (C * window)  # Captum counts in float32
    return torch.zeros_like(x).scatter(2, index, shares)


def _frames_to_replace(x: Tensor, target: Target, reach: FrameReach | None, window: int) -> Tensor:
    """(B, W) consecutive frames: for each input those that share a window with the reach of its output frame, and
    all windows of theirs."""
    B, _, T = x.shape
    if reach is None or isinstance(target, int):
        return torch.arange(T, device=x.device).expand(B, -1)
    targets = [target] * B if isinstance(target, tuple) else target
    output = torch.tensor([frame for _, frame in targets], device=x.device)
    first, last = reach.first[output] - 2 * (window - 1), reach.last[output] + 2 * (window - 1)
    width = min(T, int((last - first).max()) + 1)
    start = first.clamp(0, T - width)
    return start[:, None] + torch.arange(width, device=x.device)
