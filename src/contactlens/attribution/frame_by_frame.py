"""Frame-by-frame matrices A[output, t_out, t_in] of a track: channels summed, all outputs at once, forward
mode.

Where the channels of a frame are one measurement, what counts is the derivative along one direction per input
frame. Pushing directions forward gives that for all output channels in one pass, where pulling gradients back
(`contactlens.attribution.all_frames`) needs a pass per output channel. Input frames that no output frame
depends on both of share a pass.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import linearize
from torch.nn.attention import SDPBackend, sdpa_kernel

from contactlens.attribution.all_frames import path_points
from contactlens.attribution.reach import FrameReach, Model, share_passes


def directional_matrix(
    model: Model,
    points: Tensor,
    directions: Tensor,
    weights: Tensor,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    rows_per_pass: int,
) -> Tensor:
    """Weighted sum over points of the derivative of every output frame along `directions` at every input
    frame.

    points: (B, S, C, T), S inputs per track; directions: (B, C, T); weights: (S,)
    extra: the model's further arguments, (B, ...) each
    rows_per_pass: most inputs in memory at once
    Gives (B, n_outputs, T_out, T_in). The model is traced at every chunk of points, so its operations must
    not depend on the values of x.
    """
    B, S, _, T = points.shape
    sums: Tensor | None = None  # (groups, B, n_outputs, T_out)
    influence = reach.transposed()
    frames = torch.arange(T, device=points.device)
    group = share_passes(influence, frames)
    seeds = points.new_zeros(int(group.max()) + 1, T)
    seeds[group, frames] = 1
    for rows in torch.arange(B * S, device=points.device).split(rows_per_pass):
        track, step = rows // S, rows % S
        output, push = _linear_part(model, points[track, step], [value[track] for value in extra])
        if sums is None:
            sums = points.new_zeros(len(seeds), B, *output.shape[1:])
        along = directions[track] * weights[step, None, None]  # (n, C, T)
        with torch.no_grad():
            for number, seed in enumerate(seeds):
                sums[number].index_add_(0, track, push(along * seed))
    assert sums is not None
    matrix = sums[group].permute(1, 2, 3, 0)  # (B, n_outputs, T_out, T_in)
    return matrix * influence.mask(frames).T


def _linear_part(model: Model, inputs: Tensor, extra: list[Tensor]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The output at inputs (n, C, T), and the map from a change of them to its first-order change."""
    # Fused attention has no derivative in forward mode.
    with warnings.catch_warnings(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore", UserWarning)  # about the tracer's own bookkeeping
        return linearize(lambda x: model(x, *extra), inputs)


def integrated_gradients_frames(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    n_steps: int,
    channels: int,
    *,
    extra: tuple[Tensor, ...],
    reach: FrameReach,
    rows_per_pass: int,
) -> Tensor:
    """Integrated gradients summed over the first `channels` of every input frame, (B, n_outputs, T_out,
    T_in).

    x (B, C, T) and baseline (B or 1, C, T); the quadrature is that of
    `all_frames.integrated_gradients_matrix`.
    """
    points, weights = path_points(x, baseline, n_steps)
    directions = x - baseline
    directions[:, channels:] = 0
    return directional_matrix(model, points, directions, weights, extra=extra, reach=reach, rows_per_pass=rows_per_pass)
