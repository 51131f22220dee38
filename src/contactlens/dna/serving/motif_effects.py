"""What a change of bases does to the hits of known motifs that it touches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from contactlens.dna.data.motif_database import BIN_BITS, Motif, threshold_bits
from contactlens.dna.data.shown import Shown
from contactlens.dna.data.tokens import encode, one_hot_bases
from contactlens.dna.serving.alleles import Change, changed

UNKNOWN_BITS = -100.0  # a site with an unknown base is no hit
Array = np.ndarray


class HitEffect(NamedTuple):
    """The best site of a motif over the changed bases, in bits (log2 odds), before and after."""

    motif: Motif
    before: float
    after: float
    kind: str

    def __str__(self) -> str:
        name = f"{self.motif.name}({self.motif.matrix_id})"
        return f"{name} {self.kind} {self.before:.1f}>{self.after:.1f}"


@dataclass(frozen=True)
class MotifScanner:
    """Motifs on both strands as one convolution.

    weight: (2M, 4, W) log-odds in bits, each motif from its first base, then all of the other strand; width: (M,)
    threshold: (M,) lowest score of a hit
    """

    motifs: Sequence[Motif]
    weight: torch.Tensor
    width: Array
    threshold: Array

    @classmethod
    def of(cls, motifs: Sequence[Motif], p: float) -> "MotifScanner":
        """p: largest probability of a hit at one site of random bases, as FIMO's p-value."""
        width = np.array([len(one) for one in motifs])
        weight = np.zeros((2 * len(motifs), 4, int(width.max())))
        for row, one in enumerate(motifs):
            weight[row, :, : len(one)] = one.scores.T
            weight[row + len(motifs), :, : len(one)] = one.scores[::-1, ::-1].T
        threshold = np.array([threshold_bits(one.scores, p) for one in motifs])
        return cls(motifs, torch.from_numpy(weight), width, threshold)

    def effects(self, shown: Shown, change: Change) -> list[HitEffect]:
        """Motifs with a hit that touches a trimmed change, before or after it, whose score changes; largest first.

        Only sites inside the element that holds the change count, or anywhere where none does.
        """
        before = self._best(shown, change.at, len(change.ref))
        after = self._best(changed(shown, change), change.at, len(change.alt))
        was, now = before >= self.threshold, after >= self.threshold
        kinds = np.where(was & ~now, "lost", np.where(now & ~was, "gained", "changed"))
        rows = np.flatnonzero((was | now) & (np.abs(after - before) > BIN_BITS))
        rows = rows[np.argsort(-np.abs(after - before)[rows], kind="stable")]
        return [HitEffect(self.motifs[i], float(before[i]), float(after[i]), str(kinds[i])) for i in rows.tolist()]

    def _best(self, shown: Shown, at: int, length: int) -> Array:
        """Best score (M,) of sites that touch bases [at, at + length), or span `at` where there are none."""
        first, last = _bounds(shown, at, length)
        widest = self.weight.shape[2]
        left, right = max(first, at - widest + 1), min(last, at + length + widest - 1)
        bases = one_hot_bases(torch.from_numpy(encode(shown.bases[left:right]).astype(np.int64))).double()
        unknown = (bases.sum(1) == 0).numpy()
        bases = F.pad(bases, (0, 0, 0, widest)).T[None]
        score = F.conv1d(bases, self.weight)[0].numpy()[:, : right - left]  # (2M, starts)
        start = np.arange(left, right)
        end = start + self.width[:, None]  # (M, starts)
        spanning = (start < at + length) & (end > at) if length else (start < at) & (end > at)
        count = np.concatenate([[0], np.cumsum(unknown)])
        known = count[np.minimum(end - left, right - left)] == count[start - left]
        allowed = spanning & (end <= last) & known
        both = np.maximum(*np.split(score, 2))
        return np.where(allowed, both, UNKNOWN_BITS).max(axis=1, initial=UNKNOWN_BITS)


def _bounds(shown: Shown, at: int, length: int) -> tuple[int, int]:
    inside = [one for one in shown.elements if one[0] <= at and at + length <= one[1]]
    return inside[0] if inside else (0, len(shown.bases))
