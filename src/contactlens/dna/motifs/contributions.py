"""Contributions per base as the explain stage writes them, validated before anything is cut from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contactlens.base.errors import InputError
from contactlens.dna.explanation.attribution_file import read_attributions


@dataclass(frozen=True)
class Contributions:
    """What each base, and each base that could stand in its place, adds to the logit.

    window_ids: (N,) str
    logits: (N,)
    hypothetical: (N, L, 4) float32, in the order A, C, G, T
    one_hot: (N, L, 4) uint8, all zero where the sequence has N
    """

    window_ids: np.ndarray
    logits: np.ndarray
    hypothetical: np.ndarray
    one_hot: np.ndarray

    def __post_init__(self) -> None:
        shape = self.hypothetical.shape
        if len(shape) != 3 or shape[2] != 4:
            raise InputError(f"hypothetical contributions: must be (windows, bases, 4), got {shape}")
        if self.one_hot.shape != shape:
            raise InputError(f"one_hot: must have the contributions' shape {shape}, got {self.one_hot.shape}")
        if len(self.window_ids) != shape[0] or len(self.logits) != shape[0]:
            found = f"{len(self.window_ids)} window_ids and {len(self.logits)} logits"
            raise InputError(f"contributions: {shape[0]} windows, but {found}")
        bad = np.flatnonzero(~np.isfinite(self.hypothetical).all(axis=(1, 2)))
        if len(bad):
            names = ", ".join(str(name) for name in self.window_ids[bad[:3]])
            raise InputError(f"contributions: not finite in {len(bad)} of {shape[0]} windows ({names}...)")

    @property
    def length(self) -> int:
        return int(self.hypothetical.shape[1])

    @property
    def actual(self) -> np.ndarray:
        """(N, L): the contribution of the base that is there; 0 at N."""
        return (self.hypothetical * self.one_hot).sum(axis=-1)

    def select(self, window_ids: Sequence[str]) -> "Contributions":
        """Rows in the order given."""
        rows = self.rows_of(window_ids)
        return Contributions(self.window_ids[rows], self.logits[rows], self.hypothetical[rows], self.one_hot[rows])

    def rows_of(self, window_ids: Sequence[str]) -> np.ndarray:
        """Raises InputError naming the windows that are missing."""
        place = {str(name): row for row, name in enumerate(self.window_ids)}
        missing = [name for name in window_ids if name not in place]
        if missing:
            raise InputError(f"contributions: {len(missing)} windows missing, first {', '.join(missing[:3])}")
        return np.array([place[name] for name in window_ids], dtype=np.int64)


def read_contributions(path: Path | str, method: str) -> Contributions:
    """The contributions by `method` of an attributions file.

    Raises InputError where `read_attributions` does, or where the method is missing or not finite.
    """
    found = read_attributions(path)
    if method not in found.hypothetical:
        raise InputError(f"{path}: no contributions by {method}; it holds {', '.join(found.hypothetical)}")
    try:
        return Contributions(found.window_ids, found.logits, found.hypothetical[method], found.one_hot)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def centred(hypothetical: np.ndarray) -> np.ndarray:
    """Contributions relative to the mean of the four bases at each position, (..., 4).

    Bases live on a simplex, so a gradient's component common to A, C, G and T says nothing about sequence (Majdandzic
    et al. 2023, Genome Biology 24:109). Contributions already centred stay as they are.
    """
    return hypothetical - hypothetical.mean(axis=-1, keepdims=True)
