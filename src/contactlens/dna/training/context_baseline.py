"""What a masked base is worth without a network: its frequency given the bases next to it."""

from collections.abc import Sequence

import numpy as np

from contactlens.dna.data.tokens import BASES, encode

PSEUDOCOUNT = 1.0
CHUNK = 1 << 20  # bases counted at a time, as a whole chromosome would take gigabytes


def _codes(ids: np.ndarray, flank: int) -> np.ndarray:
    """Of tokens (L,): a number for each base among its 2 x flank neighbours, where all are known; modulo 4 the base."""
    code = ids.astype(np.int64) - BASES[0]
    n = max(0, len(code) - 2 * flank)
    places = [flank, *(k for k in range(2 * flank + 1) if k != flank)]
    columns = np.stack([code[k : k + n] for k in places])
    known = ((columns >= 0) & (columns < len(BASES))).all(axis=0)
    return (len(BASES) ** np.arange(len(places)) @ columns)[known]


def _counts(sequences: Sequence[str], flank: int) -> np.ndarray:
    """How often each base (second axis) stands in each context, (4 ** (2 flank), 4)."""
    counts = np.zeros(len(BASES) ** (2 * flank + 1))
    for sequence in sequences:
        for start in range(0, len(sequence), CHUNK):
            piece = sequence[max(0, start - flank) : start + CHUNK + flank]
            np.add.at(counts, _codes(encode(piece), flank), 1)
    return counts.reshape(-1, len(BASES))


def context_loss(train: Sequence[str], validation: Sequence[str], flank: int) -> float:
    """Cross-entropy in nats per base of the frequency of a base given `flank` bases on either side.

    Counted on `train` with one pseudocount a base; 0 bases of context give the entropy of the composition. The
    neighbours are all known here, where the network has some of them masked.
    """
    counts = _counts(train, flank) + PSEUDOCOUNT
    share = counts / counts.sum(axis=1, keepdims=True)
    found = _counts(validation, flank)
    return float(-(found * np.log(share)).sum() / found.sum())
