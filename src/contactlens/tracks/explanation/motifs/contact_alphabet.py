"""Tracks as sequences of two letters, contact and no contact, and what stands for a letter in a model's input.

Contact is A and no contact is C: the reverse complement of such a sequence has T and G alone, so a search that looks
at both strands of DNA cannot match a history with itself read backwards.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contactlens.base.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

CONTACT, NO_CONTACT, MISSING = 0, 1, -1
N_LETTERS = 4


def contact_states(x: "Tensor", observed: "Tensor", driver_channels: int, radius: float) -> "Tensor":
    """State of each frame, (N, T) int64: contact at `radius` (driver's unit) or nearer, MISSING where not observed.

    x: (N, C, T), whose channel `driver_channels - 1` is the distance; observed: (N, T)
    """
    import torch

    states = torch.where(x[:, driver_channels - 1] <= radius, CONTACT, NO_CONTACT)
    return torch.where(observed, states, MISSING)


def one_hot(states: np.ndarray) -> np.ndarray:
    """(..., 4) uint8 in the order A, C, G, T; all zero where MISSING."""
    return (states[..., None] == np.arange(N_LETTERS)).astype(np.uint8)


@dataclass(frozen=True)
class Typical:
    """What a frame in each state looks like.

    contact, no_contact: median distance of the frames in that state, in the driver's unit
    share: of observed frames that are in contact
    """

    contact: float
    no_contact: float
    share: float

    @classmethod
    def of(cls, x: "Tensor", states: "Tensor", driver_channels: int) -> "Typical":
        """Raises InputError where one of the states never occurs."""
        distance = x[:, driver_channels - 1]
        near, away = distance[states == CONTACT], distance[states == NO_CONTACT]
        if not len(near) or not len(away):
            raise InputError(
                f"temporal motifs: {len(near)} frames in contact and {len(away)} not; there must be some of both"
            )
        return cls(float(near.median()), float(away.median()), len(near) / (len(near) + len(away)))


def at_distance(x: "Tensor", driver_channels: int, distance: float) -> "Tensor":
    """x (N, C, T) with every frame's separation `distance` long in the direction it has; other channels stay.

    A separation of length 0 has no direction: its components stay 0.
    """
    import torch

    moved = x.clone()
    length = x[:, driver_channels - 1 : driver_channels]
    moved[:, : driver_channels - 1] *= torch.where(length > 0, distance / length, 0.0)
    moved[:, driver_channels - 1] = distance
    return moved
