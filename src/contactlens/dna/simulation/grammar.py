"""What a simulated window is made of: background DNA, and the motifs planted in it: which, where, on which strand.

The background is a first-order Markov chain with the dinucleotide preferences of human DNA.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contactlens.dna.data.motif_database import Motif

Codes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Dinucleotides (rows: first base A, C, G, T; columns: second) over what their bases would give by chance, both
# strands pooled. Counted on hg19 chr20:1,000,000-3,000,000 and rounded. CpG is five-fold depleted, TpG/CpA and the
# doublets are in excess, TpA is rare: as in Karlin and Burge (Trends Genet. 11, 283, 1995) for vertebrates.
HUMAN_ODDS: Floats = np.array(
    [
        [1.10, 0.82, 1.21, 0.88],
        [1.23, 1.25, 0.21, 1.21],
        [1.00, 0.96, 1.25, 0.82],
        [0.71, 1.00, 1.23, 1.10],
    ]
)
ELEMENTS = ("enhancer", "promoter")
HUMAN_GC = 0.41  # of the human genome (International Human Genome Sequencing Consortium, Nature 409, 860, 2001)


class Span(NamedTuple):
    """Bases [start, end) of a window."""

    start: int
    end: int


class Site(NamedTuple):
    """A motif instance: `motif` counts in the simulation's list, `start` in the window; `reverse` for strand -."""

    motif: int
    start: int
    reverse: bool
    element: str


def factor_sets(n_pairs: int) -> list[tuple[int, ...]]:
    """The sets of factors that an element may carry: every choice of one or more of `n_pairs`, smaller sets first."""
    sizes = range(1, n_pairs + 1)
    return [chosen for size in sizes for chosen in combinations(range(n_pairs), size)]


def deal_combinations(labels: Ints, n_sets: int, rng: np.random.Generator) -> Ints:
    """Which set of factors enhancer and promoter of each window carry, (N, 2) in 0 .. n_sets - 1.

    Label 1: the two match (i, i). Label 0: they do not (i, j), all such combinations alike. Within each label they are
    dealt in equal numbers, so that each set is as frequent in matching as in other windows, in either element.
    """
    first, second = np.divmod(np.arange(n_sets**2), n_sets)
    pairs = np.stack([first, second], axis=1)
    dealt = np.empty((len(labels), 2), dtype=np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        # Sorted by their shift, each n_sets pairs in turn hold every set once in either element. Renumbered at random,
        # none of them is favoured where the last round is not full.
        order = np.argsort((second - first) % n_sets, kind="stable")
        allowed = rng.permutation(n_sets)[pairs[order[:n_sets] if label else order[n_sets:]]]
        dealt[rng.permutation(rows)] = allowed[np.arange(len(rows)) % len(allowed)]
    return dealt


def draw_elements(
    window_bp: int, lengths: tuple[int, int], distance: int, rng: np.random.Generator
) -> tuple[Span, Span]:
    """Enhancer and promoter `distance` apart (centre to centre), either one on the left, anywhere in the window."""
    enhancer_left = rng.random() < 0.5
    left, right = lengths if enhancer_left else lengths[::-1]
    gap = distance - (left + right) // 2
    start = int(rng.integers(window_bp - (left + gap + right) + 1))
    first = Span(start, start + left)
    second = Span(first.end + gap, first.end + gap + right)
    return (first, second) if enhancer_left else (second, first)


def place_cluster(element: Span, widths: Sequence[int], gap: int, rng: np.random.Generator) -> Ints:
    """Starts of sites of these `widths`, in this order, inside an element, at least `gap` bases between any two.

    Every such arrangement is equally likely: the bases to spare are cut at random places.
    """
    n_sites = len(widths)
    spare = element.end - element.start - sum(widths) - (n_sites - 1) * gap
    before = np.sort(rng.choice(spare + n_sites, size=n_sites, replace=False)) - np.arange(n_sites)
    return element.start + before + np.concatenate([[0], np.cumsum(np.asarray(widths[:-1], dtype=np.int64) + gap)])


def place_alone(taken: list[Span], window_bp: int, width: int, gap: int, rng: np.random.Generator) -> int | None:
    """Start of one more site anywhere in the window, `gap` or more bases from those taken; None where none fits."""
    free = np.ones(window_bp - width + 1, dtype=bool)
    for start, end in taken:
        free[max(0, start - gap - width + 1) : end + gap] = False
    starts = np.flatnonzero(free)
    return int(rng.choice(starts)) if starts.size else None


def draw_instances(motif: Motif, n: int, min_quantile: float, rng: np.random.Generator) -> Codes:
    """Instances (n, L) of a motif on its own strand, 0 to 3 for A, C, G, T.

    Positions are independent, as in the matrix. Of enough instances the weakest `min_quantile` are dropped, so that
    those left score above that quantile of the motif's own distribution of scores.
    """
    drawn = int(np.ceil(n / (1 - min_quantile)))
    limits = motif.probabilities.cumsum(axis=1)[:, :3]
    codes = (rng.random((drawn, len(motif), 1)) >= limits).sum(axis=2).astype(np.uint8)
    scores = score_instances(motif, codes)
    best = np.argsort(-scores, kind="stable")[:n]
    return codes[np.sort(best)]


def score_instances(motif: Motif, codes: Codes) -> NDArray[np.float64]:
    """Log-odds scores (n,) in bits of instances (n, L) against bases of 1/4 each."""
    return motif.scores[np.arange(len(motif)), codes].sum(axis=1)


def reverse_complement(codes: Codes) -> Codes:
    """Of bases (..., L) coded 0 to 3 for A, C, G, T."""
    return 3 - codes[..., ::-1]


def dinucleotides(gc: Floats) -> Floats:
    """Frequencies (..., 4, 4) of dinucleotides at each GC content (...), with human preferences.

    Base composition is exactly (1 - gc)/2, gc/2, gc/2, (1 - gc)/2; the odds are scaled by row and column to meet it
    (iterative proportional fitting), which keeps their ratios and the symmetry of the strands.
    """
    gc = np.asarray(gc, dtype=np.float64)
    bases = np.stack([1 - gc, gc, gc, 1 - gc], axis=-1) / 2
    table = HUMAN_ODDS * bases[..., :, None] * bases[..., None, :]
    for _ in range(50):
        table *= (bases / table.sum(axis=-1))[..., :, None]
        table *= (bases / table.sum(axis=-2))[..., None, :]
    return table


def background(gc: Floats, length: int, rng: np.random.Generator) -> Codes:
    """Background DNA (N, length), 0 to 3 for A, C, G, T: row i with expected GC content `gc[i]`.

    Every row is a stationary chain of its own. The chain of a row read backwards on the other strand is the same.
    """
    table = dinucleotides(gc)
    bases = table.sum(axis=-1)
    # Of the four thresholds the last is 1: three comparisons tell the base.
    onward = (table / bases[..., None]).cumsum(axis=-1)[..., :3].astype(np.float32)
    codes = np.empty((length, len(gc)), dtype=np.uint8)
    rows = np.arange(len(gc))
    for place in range(length):
        limits = onward[rows, codes[place - 1]] if place else bases.cumsum(axis=-1)[:, :3]
        codes[place] = (rng.random(len(gc), dtype=np.float32)[:, None] >= limits).sum(axis=1)
    return np.ascontiguousarray(codes.T)
