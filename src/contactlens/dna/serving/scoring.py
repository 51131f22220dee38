"""Scores and single-base effects of sequences of any lengths, as many at a time as memory allows."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from contactlens.attribution.centring import centred
from contactlens.dna.data.shown import Shown, tensors
from contactlens.dna.data.tokens import BASES
from contactlens.dna.explanation.methods.mutagenesis import mutation_effects, scores

LETTERS = "ACGT"
Array = np.ndarray


def device_of(model: nn.Module) -> torch.device:
    return next((one.device for one in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def logits(model: nn.Module, shown: Sequence[Shown], rows_per_pass: int) -> Array:
    """The model's score (N,) float64 of each sequence; those of one length run together."""
    found = np.empty(len(shown))
    of_length = defaultdict(list)
    for row, one in enumerate(shown):
        of_length[len(one.bases)].append(row)
    for rows in of_length.values():
        for first in range(0, len(rows), rows_per_pass):
            part = rows[first : first + rows_per_pass]
            ids, regions = tensors([shown[row] for row in part], device_of(model))
            found[part] = scores(model, ids, regions, rows_per_pass).cpu().numpy()
    return found


def base_effects(model: nn.Module, shown: Shown, start: int, end: int, rows_per_pass: int) -> Array:
    """Change of the score (end - start, 4) when a base of [start, end) becomes A, C, G or T; 0 for its own, and at N.

    Costs three passes a base.
    """
    ids, regions = tensors([shown], device_of(model))
    place = torch.arange(ids.shape[1], device=ids.device)
    spans = ((place >= start) & (place < end))[None]
    return mutation_effects(model, ids, regions, spans, rows_per_pass)[0, start:end].cpu().numpy()


def contributions(effects: Array, bases: str) -> Array:
    """What each base (L,) adds to the score against the mean of all four, from `base_effects` (L, 4); 0 at N."""
    own = np.array([[base == letter for letter in LETTERS] for base in bases], dtype=bool).reshape(-1, len(BASES))
    return np.where(own, centred(effects), 0.0).sum(axis=1)
