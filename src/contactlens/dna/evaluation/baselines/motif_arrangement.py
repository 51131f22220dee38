"""A motif scan that is told how sites may lie: the best site of known motifs on either strand, and where it is.

It is given two things that no network here is given: the matrices, and that strands and places count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from contactlens.dna.data.motif_database import Motif, jaspar_core
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.composition import element_sequences, labels
from contactlens.dna.evaluation.baselines.logistic import Array, nll, positive
from contactlens.dna.evaluation.baselines.motif_scan import (
    chosen_motifs,
    element_scans,
    enrichment,
    padded,
    strand_filters,
    trees,
)
from contactlens.dna.evaluation.config import MotifScanConfig

WINDOWS_PER_PASS = 256


class BestSites(NamedTuple):
    """Of M motifs in one element of N windows, read from the enhancer to the promoter.

    along, against: score in bits (N, M) of the best site on the strand that runs this way, and on the other one
    place: of the better of both (N, M), from -1 at the element's first base to 1 at its last
    """

    along: Array
    against: Array
    place: Array

    def of(self, columns: slice) -> "BestSites":
        return BestSites(*(one[:, columns] for one in self))


def directions(windows: WindowSet) -> Array:
    """(N,): 1 where the enhancer's centre lies left of the promoter's, -1 where right, 0 where they are one."""
    table = windows.windows
    ahead = table["prom_rel_start"] + table["prom_rel_end"] - table["enh_rel_start"] - table["enh_rel_end"]
    return np.sign(ahead.to_numpy(dtype=np.float64))


@torch.no_grad()
def best_sites(sequences: Sequence[str], motifs: Sequence[Motif], direction: Array) -> BestSites:
    """direction: `directions` of the windows; where it is 0 the element is read as it stands."""
    shape = (len(sequences), len(motifs))
    strands, place = np.empty((2, *shape), dtype=np.float32), np.empty(shape, dtype=np.float32)
    for first in range(0, len(sequences), WINDOWS_PER_PASS):
        rows = slice(first, first + WINDOWS_PER_PASS)
        for column, motif in enumerate(motifs):
            width = len(motif)
            x, length = padded(sequences[rows], width)
            scores = F.conv1d(x, strand_filters([motif]))  # (n, 2, L - width + 1)
            outside = torch.arange(scores.shape[-1]) > (length - width).clamp(min=0)[:, None]
            scores = scores.masked_fill(outside[:, None], -torch.inf)
            strands[:, rows, column] = scores.amax(-1).T.numpy()
            better = scores.amax(1)
            best = better == better.amax(-1, keepdim=True)  # of several alike the mean place, whichever way one reads
            centre = (best * torch.arange(better.shape[-1])).sum(-1) / best.sum(-1) + (width - 1) / 2
            place[rows, column] = ((2 * centre - length + 1) / (length - 1).clamp(min=1)).numpy()
    turned = (direction < 0)[:, None]
    forward, reverse = strands
    return BestSites(
        np.where(turned, reverse, forward), np.where(turned, forward, reverse), np.where(turned, -place, place)
    )


@dataclass(frozen=True)
class ArrangedScan:
    """Gradient-boosted trees on the best sites of each element's motifs and on products of two elements': of the scores
    of the better strand, and of the differences between the strands. How many motifs they see has the lowest
    validation NLL.

    motifs: of each element, the most enriched first; mean, sd: of their scores in training elements, (K,) each
    """

    motifs: tuple[tuple[Motif, ...], ...]
    mean: tuple[Array, ...]
    sd: tuple[Array, ...]
    classifier: Any

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: MotifScanConfig, seed: int) -> "ArrangedScan":
        enriched, most = enrichment(train, seed), max(config.motifs)
        columns = [
            chosen_motifs(*one, most, config.max_correlation)
            for one in zip(element_scans(train), enriched, strict=True)
        ]
        database = jaspar_core()
        motifs = tuple(tuple(database[column] for column in of_element) for of_element in columns)
        sites, sites_validation = _sites(train, motifs), _sites(validation, motifs)
        candidates = []
        for n in config.motifs:
            own = [one.of(slice(n)) for one in sites]
            better = [np.maximum(one.along, one.against) for one in own]
            mean, sd = [one.mean(axis=0) for one in better], [np.maximum(one.std(axis=0), 1e-6) for one in better]
            x, x_validation = (
                _features([one.of(slice(n)) for one in both], mean, sd) for both in (sites, sites_validation)
            )
            fitted = trees(config, seed).fit(x, labels(train), X_val=x_validation, y_val=labels(validation))
            kept = tuple(of_element[:n] for of_element in motifs)
            candidates.append(
                (nll(fitted, x_validation, labels(validation)), cls(kept, tuple(mean), tuple(sd), fitted))
            )
        return min(candidates, key=lambda candidate: candidate[0])[1]

    def predict(self, windows: WindowSet) -> Array:
        return positive(self.classifier, _features(_sites(windows, self.motifs), self.mean, self.sd))


def _sites(windows: WindowSet, motifs: Sequence[Sequence[Motif]]) -> list[BestSites]:
    direction = directions(windows)
    elements = zip(element_sequences(windows).values(), motifs, strict=True)
    return [best_sites(sequences, of_element, direction) for sequences, of_element in elements]


def _features(sites: Sequence[BestSites], mean: Sequence[Array], sd: Sequence[Array]) -> Array:
    """(N, F) of the two elements' sites."""
    columns, better, strand = [], [], []
    for one, centre, scale in zip(sites, mean, sd, strict=True):
        along, against = (one.along - centre) / scale, (one.against - centre) / scale
        columns += [along, against, one.place]
        better.append(np.maximum(along, against))
        strand.append(along - against)
    products = [(a[:, :, None] * b[:, None, :]).reshape(len(a), -1) for a, b in (better, strand)]
    return np.hstack([*columns, *products])
