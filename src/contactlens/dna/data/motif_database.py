"""Motifs of transcription factors from JASPAR, as pyjaspar ships it: SQLite files in the package, nothing is fetched.

JASPAR: Rauluseviciute et al., Nucleic Acids Res. 52, D174 (2024), and the later release that pyjaspar bundles.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contactlens.base.errors import InputError

NAME = re.compile(r"[\w:.()-]+")
PSEUDOCOUNT = 1.0  # one imagined site, a quarter of it for each base
BIN_BITS = 0.01
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motif:
    """A position frequency matrix.

    matrix_id: JASPAR's, with its version (MA0139.2); name: of the factor (CTCF)
    counts: (L, 4) sites with A, C, G, T at each position
    """

    matrix_id: str
    name: str
    counts: Floats

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def probabilities(self) -> Floats:
        """(L, 4): of A, C, G, T at each position; never 0."""
        total = self.counts.sum(axis=1, keepdims=True)
        return (self.counts + PSEUDOCOUNT / 4) / (total + PSEUDOCOUNT)

    @cached_property
    def scores(self) -> Floats:
        """(L, 4): log2 of the probabilities over a background of 1/4 each; an instance scores the sum of its bases."""
        return np.log2(4 * self.probabilities)

    @property
    def information_bits(self) -> float:
        """Expected score of an instance drawn from the motif."""
        return float((self.probabilities * self.scores).sum())


@cache
def motif(matrix_id: str) -> Motif:
    """A motif of the newest bundled release by its id; without a version (MA0139), the newest one.

    Raises InputError for an unknown id, with ids that may be meant: other versions, or those of a factor's name.
    """
    with _database() as database:
        found = database.fetch_motif_by_id(matrix_id)
        if found is None:
            known = _suggestion(database, matrix_id)
            raise InputError(f"no motif {matrix_id!r} in {database.release}{known}")
    return _motif(found)


@cache
def jaspar_core(tax_group: str = "vertebrates") -> tuple[Motif, ...]:
    """The newest version of every CORE motif of a taxonomic group, in the order of ids (some 2 s for vertebrates).

    Raises InputError for a group that the release does not have.
    """
    with _database() as database:
        found = database.fetch_motifs(collection="CORE", tax_group=tax_group)
        release = database.release
    if not found:
        raise InputError(
            f"no motifs of tax_group {tax_group!r} in {release}; vertebrates, plants, insects, ... are known"
        )
    return tuple(sorted(map(_motif, found), key=lambda one: one.matrix_id))


@contextmanager
def _database() -> Iterator[Any]:
    from Bio import BiopythonWarning
    from pyjaspar import jaspardb

    database = jaspardb()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BiopythonWarning)  # of ids not found, which are errors here
            yield database
    finally:
        database.conn.close()


def _motif(found: Any) -> Motif:
    counts = np.array([found.counts[base] for base in "ACGT"], dtype=np.float64).T
    return Motif(found.matrix_id, found.name, counts)


def _suggestion(database: Any, word: str) -> str:
    newest = database.fetch_motif_by_id(word.split(".")[0])
    near = [newest] if newest is not None else []
    if not near and NAME.fullmatch(word):  # pyjaspar pastes names into its SQL
        near = database.fetch_motifs_by_name(word)
    names = [f"{one.matrix_id} ({one.name})" for one in near]
    return f"; did you mean {', '.join(names)}?" if names else "; ids look like MA0139.2"


def threshold_bits(scores: Floats, p: float) -> float:
    """The lowest score by a matrix (L, 4) in bits that random bases, 1/4 each, reach at one site with a probability of
    `p` or less; infinite where even the best site is more likely than that.

    The exact distribution of the score, rounded to 0.01 bits a position (Staden 1989, CABIOS 5:89).
    """
    steps = np.round(scores / BIN_BITS).astype(np.int64)
    low = steps.min(axis=1, keepdims=True)
    chance = np.ones(1)
    for row in steps - low:
        longer = np.zeros(len(chance) + int(row.max()))
        for step in row:
            longer[step : step + len(chance)] += chance / 4
        chance = longer
    tail = chance[::-1].cumsum()[::-1]
    passing = np.flatnonzero(tail <= p)
    return float((passing[0] + low.sum()) * BIN_BITS) if len(passing) else float("inf")
