"""In the place of memelite's Tomtom, whose compilation takes a minute: matches that are drawn, or sure where equal."""

from collections.abc import Sequence

import numpy as np


def drawn_matches(queries: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> np.ndarray:
    """p, score, offset, overlap and strand, (5, queries, targets). A motif that is the query, (4, width) as it, or its
    reverse complement has p = 1e-12; of any other p is drawn from 0.01 to 1."""
    rng = np.random.default_rng(0)
    found = np.empty((5, len(queries), len(targets)))
    found[0] = rng.uniform(0.01, 1, found[0].shape)
    found[1:4] = rng.integers(-9, 9, (3, *found[0].shape))
    found[4] = rng.integers(0, 2, found[4].shape)
    for n, query in enumerate(queries):
        for m, target in enumerate(targets):
            if any(np.array_equal(query, one) for one in (target, target[::-1, ::-1])):
                found[0, n, m] = 1e-12
    return found
