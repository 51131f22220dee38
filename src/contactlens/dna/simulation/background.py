"""Background DNA: a first-order Markov chain with the dinucleotide preferences of human DNA."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]

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
HUMAN_GC = 0.41  # of the human genome (International Human Genome Sequencing Consortium, Nature 409, 860, 2001)


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
