"""Windows whose bases are shuffled keeping their dinucleotides, as references that are like real sequence."""

from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from contactlens.dna.data.dinucleotide_shuffle import dinucleotide_shuffle
from contactlens.dna.data.tokens import COMPLEMENT_LETTERS, decode, encode, one_strand


def shuffled(ids: Tensor, part: Tensor, draw: int) -> Tensor:
    """ids (B, L) with the bases of a part (B, L) bool of each window shuffled among themselves; N stays in place.

    The `draw`-th shuffle depends on the bases of the part alone, and is the same on either strand: neither the batch
    nor the direction of reading changes a contribution.
    """
    found = ids.cpu().numpy().copy()
    for row, inside in zip(found, part.cpu().numpy(), strict=True):
        place = np.flatnonzero(inside)
        if len(place):
            bases = decode(row[place])
            new = encode(_shuffled_on_one_strand(bases, draw))
            row[place] = np.where(np.isin(list(bases), list("ACGT")), new, row[place])
    return torch.as_tensor(found, device=ids.device)


def _shuffled_on_one_strand(bases: str, draw: int) -> str:
    first = one_strand(bases)
    new = dinucleotide_shuffle(first, np.random.default_rng([draw, crc32(first.encode())]))
    return new if first == bases else new.translate(COMPLEMENT_LETTERS)[::-1]
