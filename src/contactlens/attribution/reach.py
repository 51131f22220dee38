"""Which input frames an output frame depends on, and which output frames can share a backward pass."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Model = Callable[..., Tensor]
"""`model(x, *extra) -> (B, n_outputs, T)` for x (B, C, T) and extra tensors whose first dimension is B."""

GRADIENT_CHECKS = 8


@dataclass(frozen=True)
class FrameReach:
    """First and last input frame, (T,) each, that an output frame may depend on (last < first: none)."""

    first: Tensor
    last: Tensor

    @property
    def width(self) -> int:
        """The most input frames that any output frame depends on."""
        return int((self.last - self.first).max()) + 1

    def mask(self, frames: Tensor) -> Tensor:
        """(F, T) bool: the input frames within reach of each of `frames`."""
        inputs = torch.arange(len(self.first), device=self.first.device)
        return (inputs >= self.first[frames, None]) & (inputs <= self.last[frames, None])

    def transposed(self) -> "FrameReach":
        """First and last output frame that may depend on each input frame."""
        frames = torch.arange(len(self.first), device=self.first.device)
        depends = self.mask(frames)  # (T_out, T_in)
        first = torch.where(depends, frames[:, None], len(frames)).amin(dim=0)
        last = torch.where(depends, frames[:, None], -1).amax(dim=0)
        return FrameReach(torch.where(last < 0, 0, first), last)

    @classmethod
    def everything(cls, T: int, device: torch.device) -> "FrameReach":
        """Every output frame depends on every input frame."""
        first = torch.zeros(T, dtype=torch.long, device=device)
        return cls(first, first + T - 1)


def temporal_reach(model: Model, x: Tensor, extra: tuple[Tensor, ...], rows_per_pass: int) -> FrameReach:
    """Measure the structural reach of `model` at the length of x (1, C, T).

    Each input frame in turn is set to NaN in all channels, and the outputs that become NaN are those computed
    from it. NaN passes through rectifiers, closed gates and zero weights alike, so, unlike the pattern of
    non-zero gradients, the result does not depend on which units are active at x: it holds for every input of
    this length with the same `extra`, and where `extra` masks frames, for every mask at most as permissive.
    Every frame is probed, so edges and all phases of strides and interpolations are covered.

    Assumed: NaN is not replaced inside the model. That is checked on the gradients of a few output frames; if
    one lies outside the measured reach, or a model is global (attention, pooling over time), the reach is
    every frame.

    Raises ValueError if the output is not finite at x itself.
    """
    T = x.size(-1)
    depends = _dependence(model, x, extra, rows_per_pass)  # (T_out, T_in)
    frames = torch.arange(T, device=x.device)
    first = torch.where(depends, frames, T).amin(dim=1)
    last = torch.where(depends, frames, -1).amax(dim=1)
    reach = FrameReach(torch.where(last < 0, 0, first), last)
    return reach if _covers_gradients(reach, model, x, extra) else FrameReach.everything(T, x.device)


@torch.no_grad()
def _dependence(model: Model, x: Tensor, extra: tuple[Tensor, ...], rows_per_pass: int) -> Tensor:
    T = x.size(-1)
    if not model(x, *extra).isfinite().all():
        raise ValueError("the model's output at x is not finite: its temporal reach cannot be measured there")
    columns = []
    for frames in torch.arange(T, device=x.device).split(rows_per_pass):
        probe = x.repeat(len(frames), 1, 1)  # (n, C, T)
        probe[torch.arange(len(frames)), :, frames] = torch.nan
        repeated = [value.expand(len(frames), *value.shape[1:]) for value in extra]
        columns.append(model(probe, *repeated).isnan().any(dim=1))  # (n, T_out)
    return torch.cat(columns).T


def _covers_gradients(reach: FrameReach, model: Model, x: Tensor, extra: tuple[Tensor, ...]) -> bool:
    with torch.enable_grad():
        point = x.detach().clone().requires_grad_()
        total = model(point, *extra).sum(dim=(0, 1))  # (T,)
    T = x.size(-1)
    frames = torch.linspace(0, T - 1, min(T, GRADIENT_CHECKS), device=x.device).long()
    inside = reach.mask(frames)
    for row, frame in enumerate(frames.tolist()):
        (gradient,) = torch.autograd.grad(total[frame], point, retain_graph=True)
        if (gradient[0] != 0)[:, ~inside[row]].any():
            return False
    return True


def share_passes(reach: FrameReach, frames: Tensor) -> Tensor:
    """Group output `frames` (F,) so that reaches within a group are disjoint: (F,) group numbers from 0.

    The sum of a group's outputs has, at each input frame, the gradient of one of them alone, so the group
    needs one backward pass. Greedy colouring in order of the first frame needs the fewest groups possible for
    intervals (as many as the most reaches that overlap at a frame). Idea: Curtis, Powell and Reid, J. Inst.
    Maths Applics 13 (1974) 117.
    """
    first, last = reach.first[frames].tolist(), reach.last[frames].tolist()
    group = torch.zeros(len(first), dtype=torch.long)
    ends: list[tuple[int, int]] = []  # (last input frame used by the group, group)
    for row in sorted(range(len(first)), key=first.__getitem__):
        if ends and ends[0][0] < first[row]:
            _, number = heapq.heappop(ends)
        else:
            number = len(ends)
        group[row] = number
        heapq.heappush(ends, (last[row], number))
    return group.to(frames.device)
