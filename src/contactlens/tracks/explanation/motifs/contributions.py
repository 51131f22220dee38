"""What contact at each input frame adds to a predicted frame, observed or not: hypothetical contributions."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from contactlens.attribution.reach import FrameReach, share_passes, temporal_reach
from contactlens.tracks.explanation.motifs.contact_alphabet import (
    CONTACT,
    NO_CONTACT,
    Typical,
    at_distance,
    contact_states,
)


class DriverModel(Protocol):
    """A model of (x (B, C, T), observed (B, T)) whose first `driver_channels` channels end with the distance."""

    @property
    def driver_channels(self) -> int: ...
    def __call__(self, x: Tensor, observed: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Contributions:
    """P tracks of T frames, F predicted frames of each.

    frames: (P, F) the predicted frames, -1 where a track has fewer
    difference: (P, F, T) output if that input frame were in contact, less output if it were not (output's unit)
    states: (P, T) CONTACT, NO_CONTACT or MISSING; distance: (P, T), NaN where missing
    typical: what stood for the states
    """

    frames: np.ndarray
    difference: np.ndarray
    states: np.ndarray
    distance: np.ndarray
    typical: Typical

    @property
    def by_state(self) -> np.ndarray:
        """(P, F, T, 2): contribution of contact and of no contact, against the mean of both at their frequencies.

        With p the share of contact, contact adds (1 - p) and its absence -p times the difference.
        """
        share = self.typical.share
        return self.difference[..., None] * np.array([1 - share, -share], dtype=self.difference.dtype)

    @property
    def actual(self) -> np.ndarray:
        """(P, F, T): contribution of the state that the frame is in; 0 where it is missing."""
        states = self.states[:, None]
        by_state = self.by_state
        return np.where(states == CONTACT, by_state[..., 0], np.where(states == NO_CONTACT, by_state[..., 1], 0.0))


def draw_frames(observed: np.ndarray, per_track: int, rng: np.random.Generator) -> np.ndarray:
    """(P, F) frames drawn from the observed ones of each track (P, T), rising, then -1 where there are fewer."""
    T = observed.shape[1]
    order = np.where(observed, rng.random(observed.shape), np.inf).argsort(axis=1)[:, :per_track]
    chosen = np.sort(np.where(np.take_along_axis(observed, order, axis=1), order, T), axis=1)
    return np.where(chosen < T, chosen, -1)


@torch.no_grad()
def outputs_with_frame_replaced(
    model: DriverModel,
    x: Tensor,
    replacement: Tensor,
    observed: Tensor,
    channel: int,
    frames: Tensor,
    reach: FrameReach,
    rows_per_pass: int,
) -> Tensor:
    """Output `channel` at `frames` (P, F) when one input frame is taken from `replacement` (P, C, T): (P, F, T).

    Input frames that no output depends on both of are replaced in one pass.
    """
    P, _, T = x.shape
    group = share_passes(reach.transposed(), torch.arange(T, device=x.device))  # (T,) the pass of each input frame
    passes = int(group.max()) + 1
    changed = []
    for rows in torch.arange(P * passes, device=x.device).split(rows_per_pass):
        track, number = rows // passes, rows % passes
        inputs = torch.where((group == number[:, None])[:, None], replacement[track], x[track])
        output = model(inputs, observed[track])[:, channel]  # (n, T)
        changed.append(output.gather(1, frames[track]))
    by_pass = torch.cat(changed).view(P, passes, -1).transpose(1, 2)  # (P, F, passes)
    chunks = zip(x.split(rows_per_pass), observed.split(rows_per_pass), strict=True)
    parts = [model(part, part_observed)[:, channel] for part, part_observed in chunks]
    unchanged = torch.cat(parts).gather(1, frames)
    within = reach.mask(frames.flatten()).view(*frames.shape, T)
    return torch.where(within, by_pass[:, :, group], unchanged[:, :, None])


def contact_contributions(
    model: DriverModel,
    x: Tensor,
    observed: Tensor,
    *,
    radius: float,
    channel: int,
    per_track: int,
    rows_per_pass: int,
    rng: np.random.Generator,
) -> Contributions:
    """Contributions to output `channel` at `per_track` frames drawn from each track of x (P, C, T), observed (P, T).

    One input frame at a time is brought to the typical distance of either state and the model is run again. Gradients
    say nothing of a state that is far away: where the gate is shut they are 0, whatever contact would have done.
    Where MS2 is an input, contact also lets the model see it.
    """
    driver = model.driver_channels
    states = contact_states(x, observed, driver, radius)
    typical = Typical.of(x, states, driver)
    frames = draw_frames(observed.cpu().numpy(), per_track, rng)
    reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), rows_per_pass)
    near, away = (
        outputs_with_frame_replaced(
            model,
            x,
            at_distance(x, driver, distance),
            observed,
            channel,
            torch.as_tensor(frames, device=x.device).clamp_min(0),
            reach,
            rows_per_pass,
        )
        for distance in (typical.contact, typical.no_contact)
    )
    distance = torch.where(observed, x[:, driver - 1], torch.nan)
    difference = (near - away) * observed[:, None]
    return Contributions(
        frames, difference.cpu().numpy(), states.cpu().numpy(), distance.double().cpu().numpy(), typical
    )
