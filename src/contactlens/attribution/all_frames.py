"""Attributions of every output frame of a track at once: A[t_out, channel, t_in] in one vectorised pass.

A loop over frames runs the model forward and backward once per output frame and integration step. Here the
forward passes are shared by all output frames, and output frames whose reaches do not overlap share a
backward pass (`contactlens.attribution.reach`), so the cost grows with the model's reach instead of with the
track's length.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from contactlens.attribution.reach import FrameReach, Model, share_passes


def mean_gradients(
    model: Model,
    points: Tensor,
    weights: Tensor,
    channel: int,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    frames: Tensor,
    rows_per_pass: int,
) -> Tensor:
    """Weighted sum over points of the gradients of output (channel, t) for every t in `frames`.

    points: (B, S, C, T), S inputs per track
    weights: (S,)
    extra: the model's further arguments, (B, ...) each
    rows_per_pass: most inputs (points times groups of output frames) in memory in one backward pass
    Gives (B, F, C, T). Only gradients of the inputs are computed, never of parameters.
    """
    B, S, C, T = points.shape
    group = share_passes(reach, frames)
    seeds = points.new_zeros(int(group.max()) + 1, T)
    seeds[group, frames] = 1
    sums = points.new_zeros(B, len(seeds), C, T)
    for rows in torch.arange(B * S, device=points.device).split(rows_per_pass):
        track, step = rows // S, rows % S
        inputs = points[track, step]  # (n, C, T)
        shared = _backward_passes(model, inputs, channel, [value[track] for value in extra], seeds, rows_per_pass)
        for selected, gradients in shared:  # (k, n, C, T)
            weighted = (gradients * weights[step, None, None]).transpose(0, 1)  # (n, k, C, T)
            sums[:, selected] = sums[:, selected].index_add(0, track, weighted)
    return sums[:, group] * reach.mask(frames)[:, None]  # (B, F, C, T)


def _backward_passes(
    model: Model, inputs: Tensor, channel: int, extra: list[Tensor], seeds: Tensor, rows_per_pass: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """One forward pass of inputs (n, C, T), then gradients (k, n, C, T) for each chunk of k seeds.

    One seed at a time goes through the plain backward pass, which is faster on CPU than a batched one of
    equal size.
    """
    n = len(inputs)
    with torch.enable_grad():
        inputs = inputs.detach().requires_grad_()
        output = model(inputs, *extra)[:, channel]  # (n, T)
    for selected in torch.arange(len(seeds), device=seeds.device).split(max(1, rows_per_pass // n)):
        cotangent = seeds[selected, None].expand(-1, n, -1)  # (k, n, T)
        if len(selected) == 1:
            (gradients,) = torch.autograd.grad(output, inputs, cotangent[0], retain_graph=True)
            gradients = gradients[None]
        else:
            (gradients,) = torch.autograd.grad(output, inputs, cotangent, retain_graph=True, is_grads_batched=True)
        yield selected, gradients


def saliency_matrix(
    model: Model,
    x: Tensor,
    channel: int,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    frames: Tensor,
    rows_per_pass: int,
) -> Tensor:
    """Signed gradients of output (channel, t) at x (B, C, T) for every t in `frames`: (B, F, C, T)."""
    one = x.new_ones(1)
    return mean_gradients(model, x[:, None], one, channel, extra, reach, frames, rows_per_pass)


def integrated_gradients_matrix(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    channel: int,
    n_steps: int,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    frames: Tensor,
    rows_per_pass: int,
) -> Tensor:
    """Integrated gradients from baseline (B or 1, C, T) to x (B, C, T) for every t in `frames`: (B, F, C, T).

    The path integral is Captum's default: Gauss-Legendre quadrature with `n_steps` nodes. Source:
    Sundararajan, Taly and Yan, ICML 2017.
    """
    points, weights = path_points(x, baseline, n_steps)
    gradients = mean_gradients(model, points, weights, channel, extra, reach, frames, rows_per_pass)
    return gradients * (x - baseline)[:, None]


def path_points(x: Tensor, baseline: Tensor, n_steps: int) -> tuple[Tensor, Tensor]:
    """Inputs (B, S, C, T) on the line from baseline to x and their quadrature weights (S,)."""
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    along = torch.as_tensor(0.5 * (1 + nodes), dtype=x.dtype, device=x.device)
    share = torch.as_tensor(0.5 * weights, dtype=x.dtype, device=x.device)
    start = baseline.expand_as(x)
    return start[:, None] + along[:, None, None] * (x - start)[:, None], share


def smoothgrad_matrix(
    model: Model,
    x: Tensor,
    channel: int,
    noise_sd: Tensor,
    n_samples: int,
    seed: int,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    frames: Tensor,
    rows_per_pass: int,
) -> Tensor:
    """Gradients averaged over `n_samples` copies of x with Gaussian noise of noise_sd (C,): (B, F, C, T).

    All output frames of a track see the same noise. Source: Smilkov et al., arXiv:1706.03825.
    """
    generator = torch.Generator(x.device).manual_seed(seed)
    noise = torch.randn(
        len(x), n_samples, *x.shape[1:], generator=generator, dtype=x.dtype, device=x.device
    )  # (B, S, C, T)
    share = x.new_full((n_samples,), 1 / n_samples)
    points = x[:, None] + noise * noise_sd[:, None]
    return mean_gradients(model, points, share, channel, extra, reach, frames, rows_per_pass)


@torch.no_grad()
def occlusion_matrix(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    channel: int,
    window: int,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    frames: Tensor,
    rows_per_pass: int,
) -> Tensor:
    """Change of output (channel, t) when a window of frames is replaced by the baseline: (B, F, C, T).

    Windows as in `captum_methods.occlusion`. One forward pass serves all output frames, and all windows that reach none
    of them in common: each is read off where it alone reaches.
    """
    B, C, T = x.shape
    windows = occlusion_windows(T, window).to(x.device)  # (W, T)
    reached = reach_of_windows(reach, windows)
    group = share_passes(reached, torch.arange(len(windows), device=x.device))  # (W,)
    hidden = torch.zeros(int(group.max()) + 1, T, dtype=torch.int32, device=x.device).index_add(0, group, windows.int())
    outputs = model(x, *extra)[:, channel, frames]  # (B, F)
    baseline = baseline.expand_as(x)
    changes = []
    for rows in torch.arange(B * len(hidden), device=x.device).split(rows_per_pass):
        track, number = rows // len(hidden), rows % len(hidden)
        occluded = torch.where(hidden[number, None] > 0, baseline[track], x[track])
        changed = model(occluded, *[value[track] for value in extra])[:, channel, frames]
        changes.append(outputs[track] - changed)
    change = torch.cat(changes).view(B, len(hidden), len(frames))
    reaches = (frames >= reached.first[:, None]) & (frames <= reached.last[:, None])  # (W, F)
    effect = change[:, group] * reaches  # (B, W, F)
    share = windows.to(x.dtype) / (windows.sum(dim=0) * window * C)  # (W, T)
    return torch.einsum("bwf,wt->bft", effect, share)[:, :, None].expand(-1, -1, C, -1)


def reach_of_windows(reach: FrameReach, windows: Tensor) -> FrameReach:
    """First and last output frame (W,) that may depend on a frame of each of `windows` (W, T)."""
    outputs = reach.transposed()
    none = outputs.last < outputs.first
    first = torch.where(windows & ~none, outputs.first, windows.shape[1]).amin(dim=1)
    last = torch.where(windows & ~none, outputs.last, -1).amax(dim=1)
    return FrameReach(torch.where(last < 0, 0, first), last)


def occlusion_windows(T: int, window: int) -> Tensor:
    """(W, T) bool: windows of frames, moved by half a window; the last one ends with the track."""
    stride = occlusion_stride(window)
    starts = torch.arange(-(-max(T - window, 0) // stride) + 1) * stride
    frames = torch.arange(T)
    return (frames >= starts[:, None]) & (frames < starts[:, None] + window)


def occlusion_stride(window: int) -> int:
    return max(1, window // 2)
