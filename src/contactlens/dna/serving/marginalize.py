"""What a motif, or a pair of motifs at a spacing and orientation, adds to a model's score in many backgrounds.

Source of the idea: marginalisation as in Avsec et al. 2021 (BPNet), Nature Genetics 53:354; each background is its own
control.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import nn

from contactlens.base.errors import InputError
from contactlens.base.progress import counted
from contactlens.calibration.bootstrap import percentile_interval, resample_counts
from contactlens.dna.data.dinucleotide_shuffle import dinucleotide_shuffle
from contactlens.dna.data.motif_database import NAME, motif
from contactlens.dna.data.names import Task
from contactlens.dna.data.shown import Shown
from contactlens.dna.data.tokens import COMPLEMENT_LETTERS
from contactlens.dna.serving.scoring import logits
from contactlens.dna.serving.windows import read_windows
from contactlens.dna.simulation.grammar import HUMAN_GC, background

ORIENTATIONS = ("++", "+-", "-+", "--")
CURVE_COLUMNS = ("quantity", "orientation", "spacing_bp", "estimate", "low", "high", "backgrounds")


class Insert(NamedTuple):
    """What is inserted: its name, and its bases on the + strand."""

    name: str
    bases: str

    def on(self, strand: str) -> str:
        return self.bases if strand == "+" else self.bases.translate(COMPLEMENT_LETTERS)[::-1]


@dataclass(frozen=True)
class MarginalSettings:
    """element: index of the region that the motifs go into; for a pair, may be two: one motif in the middle of each
    replicates, confidence, seed: of the bootstrap over backgrounds
    """

    elements: tuple[int, ...] = (0,)
    rows_per_pass: int = 8
    replicates: int = 1000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Marginal:
    """table: `CURVE_COLUMNS`. `effect` is the mean change of the logit over the backgrounds, with its percentile
    interval; of a pair also `first`, `second` (each alone at its place) and `interaction`, what the pair adds
    beyond the sum of the two. skipped: backgrounds whose element can't hold the motifs
    """

    inserts: tuple[Insert, ...]
    table: pd.DataFrame
    backgrounds: int
    skipped: int


def insert_of(text: str) -> Insert:
    """A sequence of A, C, G, T as it is, or the likeliest bases of a JASPAR motif by its id.

    Raises InputError for an unknown id.
    """
    word = text.strip().upper()
    if word and set(word) <= set("ACGT"):
        return Insert(word, word)
    if not NAME.fullmatch(text.strip()):
        raise InputError(f"{text!r}: neither bases (A, C, G, T) nor a JASPAR id such as MA0139.2")
    found = motif(text.strip())
    return Insert(f"{found.name} {found.matrix_id}", "".join("ACGT"[i] for i in found.counts.argmax(axis=1)))


def marginalize(
    model: nn.Module,
    backgrounds: Sequence[Shown],
    inserts: Sequence[Insert],
    spacings: Sequence[int] = (),
    orientations: Sequence[str] = ("++",),
    settings: MarginalSettings | None = None,
) -> Marginal:
    """Insert one motif (orientations + or -), or two, in the place of a background's bases, and score.

    backgrounds: sequences with their elements; lengths stay as they are
    spacings: bases between two motifs in one element, the first on the left; the pair is centred there. Motifs in two
        elements are centred each in its own, and have no spacing.

    Raises InputError where the arguments don't go together, or fewer than two backgrounds have room for all
    arrangements; those without are left out and counted.
    """
    settings = settings or MarginalSettings()
    arrangements = _arrangements(inserts, spacings, orientations, settings)
    fitting = [one for one in backgrounds if _fits(one, inserts, arrangements, settings)]
    if len(fitting) < 2:
        raise InputError(
            f"{len(fitting)} of {len(backgrounds)} backgrounds have an element with room for"
            f" {' and '.join(one.name for one in inserts)} in all arrangements; two or more are needed"
        )
    before = logits(model, fitting, settings.rows_per_pass)
    counts = resample_counts(len(fitting), settings.replicates, settings.seed)
    rows = []
    for strands, spacing in counted(arrangements, "arrangements"):
        after = {}
        for name, used in _uses(inserts).items():
            placed = [_with(one, inserts, strands, spacing, used, settings) for one in fitting]
            after[name] = logits(model, placed, settings.rows_per_pass) - before
        if len(inserts) == 2:
            after["interaction"] = after["effect"] - after["first"] - after["second"]
        for name, values in after.items():
            estimate, low, high = percentile_interval(
                values.mean(), counts @ values / len(fitting), settings.confidence
            )
            gap = np.nan if spacing is None else spacing
            rows.append((name, strands, gap, float(estimate), float(low), float(high), len(fitting)))
    table = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    return Marginal(tuple(inserts), table, len(fitting), len(backgrounds) - len(fitting))


def _uses(inserts: Sequence[Insert]) -> dict[str, tuple[bool, ...]]:
    """Which of the motifs are inserted, by the name of what that measures."""
    if len(inserts) == 1:
        return {"effect": (True,)}
    return {"effect": (True, True), "first": (True, False), "second": (False, True)}


def _arrangements(
    inserts: Sequence[Insert], spacings: Sequence[int], orientations: Sequence[str], settings: MarginalSettings
) -> list[tuple[str, int | None]]:
    if len(inserts) not in (1, 2):
        raise InputError(f"one motif or two can be inserted, not {len(inserts)}")
    signs = "+ or -" if len(inserts) == 1 else ", ".join(ORIENTATIONS)
    for strands in orientations:
        if len(strands) != len(inserts) or not set(strands) <= set("+-"):
            raise InputError(f"orientation {strands!r}: of {len(inserts)} motifs it is {signs}")
    together = len(inserts) == 2 and len(settings.elements) == 1
    if together != bool(spacings):
        need = "needs a spacing or more" if together else "has no spacing"
        raise InputError(f"{'a pair in one element' if together else 'a motif alone in its element'} {need}")
    if any(gap < 0 for gap in spacings):
        raise InputError(f"spacings must be 0 or more bases, got {min(spacings)}")
    if len(settings.elements) > len(inserts):
        raise InputError("motifs in two elements need two motifs")
    gaps: Sequence[int | None] = spacings or [None]
    return [(strands, gap) for strands in orientations for gap in gaps]


def _starts(shown: Shown, inserts: Sequence[Insert], spacing: int | None, settings: MarginalSettings) -> list[int]:
    """First base of each motif."""
    elements = [shown.elements[i] for i in settings.elements]
    if spacing is None:
        return [(start + end - len(one.bases)) // 2 for (start, end), one in zip(elements, inserts, strict=True)]
    start, end = elements[0]
    left = (start + end - sum(len(one.bases) for one in inserts) - spacing) // 2
    return [left, left + len(inserts[0].bases) + spacing]


def _fits(
    shown: Shown,
    inserts: Sequence[Insert],
    arrangements: Sequence[tuple[str, int | None]],
    settings: MarginalSettings,
) -> bool:
    elements = [shown.elements[i] for i in settings.elements]
    elements = elements if len(elements) == len(inserts) else elements * len(inserts)
    return all(
        start <= at and at + len(one.bases) <= end
        for _, spacing in arrangements
        for at, one, (start, end) in zip(_starts(shown, inserts, spacing, settings), inserts, elements, strict=True)
    )


def _with(
    shown: Shown,
    inserts: Sequence[Insert],
    strands: str,
    spacing: int | None,
    used: Sequence[bool],
    settings: MarginalSettings,
) -> Shown:
    bases = shown.bases
    places = zip(_starts(shown, inserts, spacing, settings), inserts, strands, used, strict=True)
    for at, one, strand, wanted in places:
        if wanted:
            bases = bases[:at] + one.on(strand) + bases[at + len(one.bases) :]
    return Shown(bases, shown.elements)


def window_backgrounds(
    source: Path | str, task: Task, fasta: Path | str | None, window_bp: int | None, most: int, shuffle: bool, seed: int
) -> list[Shown]:
    """At most `most` windows of `read_windows`, drawn at random, in their order; shuffled on request, whole windows at
    a time and with their dinucleotides kept, which leaves no motif in place.
    """
    genome, windows = read_windows(source, task, fasta, window_bp)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(windows))[:most])
    shown = [Shown.of(windows[row], genome) for row in rows.tolist()]
    return [Shown(dinucleotide_shuffle(one.bases, rng), one.elements) for one in shown] if shuffle else shown


def random_backgrounds(window_bp: int, n: int, seed: int) -> list[Shown]:
    """Random DNA with the composition and the dinucleotides of human DNA, each all one region."""
    codes = background(np.full(n, HUMAN_GC), window_bp, np.random.default_rng(seed))
    letters = np.array(list("ACGT"))[codes]
    return [Shown("".join(row), ((0, window_bp),)) for row in letters]
