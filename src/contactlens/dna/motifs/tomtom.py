"""Which known motif a pattern is: Tomtom (Gupta et al. 2007, Genome Biology 8:R24) by memelite, and a random control.

memelite gives, for each pattern and database motif, the p-value of the best alignment over all offsets and both
strands. The q-values are those of Benjamini & Hochberg (1995) within one query: the family of tests is that pattern
against every motif of the database, as in the MEME suite. Patterns are not pooled.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from contactlens.dna.motifs.discover import Discovery, Pattern

MATCHES = ("pattern", "rank", "matrix_id", "name", "p", "q", "offset", "overlap", "strand")


class Target(Protocol):
    """A motif of a database, such as `contactlens.dna.data.motif_database.Motif`."""

    @property
    def matrix_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def probabilities(self) -> np.ndarray: ...


def all_matches(queries: Mapping[str, np.ndarray], targets: Sequence[Target]) -> pd.DataFrame:
    """Every query (W, 4) against every target, the best match of a query first.

    Columns: `pattern`; `rank` (1 = best); `matrix_id`, `name`; `p`, `q`; `strand`, "-" where the target's reverse
    complement fits; `offset`, the position in the target, read on that strand, that stands below the query's first base
    (negative where the query begins before it); `overlap` in bases.
    Raises ValueError where a query or the database is empty.
    """
    from scipy.stats import false_discovery_control

    if not queries:
        return pd.DataFrame({name: [] for name in MATCHES})
    if not targets or any(len(query) == 0 for query in queries.values()):
        raise ValueError("Tomtom needs targets, and queries of one base or more")
    p, offset, overlap, strand = _tomtom(list(queries.values()), [target.probabilities for target in targets])
    q = false_discovery_control(p, axis=1)
    ids, names = [np.array([getattr(t, key) for t in targets], dtype=object) for key in ("matrix_id", "name")]
    parts = []
    for n, pattern in enumerate(queries):
        order = np.argsort(p[n], kind="stable")
        best = {"matrix_id": ids, "name": names, "p": p[n], "q": q[n], "offset": offset[n], "overlap": overlap[n]}
        part = pd.DataFrame({key: values[order] for key, values in best.items()})
        part["strand"] = np.where(strand[n, order] == 1, "-", "+")
        parts.append(part.assign(pattern=pattern, rank=np.arange(1, len(order) + 1)))
    return pd.concat(parts, ignore_index=True)[list(MATCHES)]


def _tomtom(queries: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """p, offset, overlap and strand, (queries, targets) each."""
    from memelite import tomtom

    # always float64: any other type costs a compilation of its own, of a minute
    as_read = [[np.array(motif, dtype=np.float64).T for motif in motifs] for motifs in (queries, targets)]
    p, _, offset, overlap, strand = tomtom(*as_read)
    return p, offset.astype(np.int64), overlap.astype(np.int64), strand.astype(np.int64)


def match_patterns(discovery: Discovery, targets: Sequence[Target]) -> pd.DataFrame:
    """`all_matches` of the patterns' cores."""
    return all_matches({pattern.name: pattern.core for pattern in discovery.patterns}, targets)


def top_matches(matches: pd.DataFrame, most: int) -> pd.DataFrame:
    """The first `most` matches of each pattern."""
    return matches[matches["rank"] <= most].reset_index(drop=True)


def shuffled_cores(patterns: Sequence[Pattern], copies: int, seed: int) -> dict[str, np.ndarray]:
    """`pos_0~0`, ...: column-shuffled copies of each pattern's core, which keep width, composition and information."""
    rng = np.random.default_rng(seed)
    return {
        f"{pattern.name}~{copy}": rng.permutation(pattern.core, axis=0)
        for pattern in patterns
        for copy in range(copies)
    }


def random_matches(discovery: Discovery, targets: Sequence[Target], copies: int, seed: int) -> pd.DataFrame:
    """The best match of `copies` column-shuffled versions of each pattern's core: what chance alone finds.

    Columns as in `all_matches`; `pattern` is that of `shuffled_cores`.
    """
    shuffled = shuffled_cores(discovery.patterns, copies, seed)
    return top_matches(all_matches(shuffled, targets), 1)


def called_matches(matches: pd.DataFrame, control: pd.DataFrame | None, max_q: float) -> pd.DataFrame:
    """The best match of each pattern, where its q is at most `max_q` and below that of each of its shuffled copies.

    control: `random_matches`; None where no copies were made
    """
    best = matches[(matches["rank"] == 1) & (matches["q"] <= max_q)]
    if control is None or control.empty:
        return best
    by_chance = control["q"].groupby(control["pattern"].str.partition("~")[0]).min()
    return best[best["q"] < best["pattern"].map(by_chance).fillna(np.inf)]


def called_names(matches: pd.DataFrame, control: pd.DataFrame | None, max_q: float) -> dict[str, str]:
    """Pattern -> `pattern:factor` of its best match, for `called_matches`."""
    best = called_matches(matches, control, max_q)
    return {pattern: f"{pattern}:{name}" for pattern, name in best[["pattern", "name"]].to_numpy().tolist()}
