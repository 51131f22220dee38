"""In the place of TF-MoDISco, whose compilation takes 20 s: one pattern of either sign, of the strongest places."""

from types import SimpleNamespace
from typing import Any

import numpy as np

WIDTH, BEFORE = 20, 7


def peaks_for_modisco(
    one_hot: np.ndarray, hypothetical: np.ndarray, max_seqlets_per_metacluster: int, **_: Any
) -> tuple[list[Any] | None, list[Any] | None]:
    """Windows of 20 around the first place of a sequence that contributes half as much as its strongest, if 0.5."""
    actual = one_hot * hypothetical
    groups = []
    for sign, name in ((1, "positive"), (-1, "negative")):
        strength = sign * actual.sum(axis=2)[:, BEFORE : BEFORE - WIDTH]
        strongest = strength.max(axis=1, keepdims=True)
        rows = np.flatnonzero(strongest >= 0.5)[:max_seqlets_per_metacluster]
        print(f"Using {len(rows)} {name} seqlets")
        starts = (strength >= strongest / 2)[rows].argmax(axis=1)
        seqlets = [
            SimpleNamespace(example_idx=row, start=start, end=start + WIDTH, is_revcomp=False)
            for row, start in zip(rows, starts, strict=True)
        ]
        sequence, contributions = (
            np.mean([values[one.example_idx, one.start : one.end] for one in seqlets], axis=0) if seqlets else None
            for values in (one_hot, actual)
        )
        group = SimpleNamespace(sequence=sequence, contrib_scores=contributions, seqlets=seqlets)
        groups.append([group] if len(rows) > 100 else None)
    return groups[0], groups[1]
