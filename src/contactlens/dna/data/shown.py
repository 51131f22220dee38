"""Sequences with their elements as a model is shown them, whatever their lengths, without a window set around them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.tokens import COMPLEMENT_LETTERS, encode, unknown_as_pad

if TYPE_CHECKING:
    from contactlens.dna.data.importing.intervals import GenomicInterval

Bounds = tuple[int, int]


class Shown(NamedTuple):
    """bases: what the model reads; elements: [start, end) of each of its regions, from the first base"""

    bases: str
    elements: tuple[Bounds, ...]

    @classmethod
    def of(cls, interval: "GenomicInterval", genome: Genome) -> "Shown":
        first = interval.start
        return cls(interval.sequence(genome), tuple((start - first, end - first) for start, end in interval.elements))

    def reverse_complement(self) -> "Shown":
        """The other strand, read in its own direction, with mirrored elements."""
        n = len(self.bases)
        mirrored = tuple((n - end, n - start) for start, end in self.elements)
        return Shown(self.bases.translate(COMPLEMENT_LETTERS)[::-1], mirrored)


def tensors(shown: Sequence[Shown], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Sequences of one length as ids (B, L) int64 and regions (B, R, L) bool."""
    ids = np.stack([unknown_as_pad(encode(one.bases)) for one in shown]).astype(np.int64)
    bounds = np.array([one.elements for one in shown])  # (B, R, 2)
    place = np.arange(ids.shape[1])
    regions = (place >= bounds[..., :1]) & (place < bounds[..., 1:])
    return torch.from_numpy(ids).to(device), torch.from_numpy(regions).to(device)
