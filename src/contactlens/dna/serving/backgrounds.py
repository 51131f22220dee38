"""Sequences to insert motifs into: windows of a genome, their shuffles, or random DNA."""

from pathlib import Path

import numpy as np

from contactlens.dna.data.importing.regions import dinucleotide_shuffle
from contactlens.dna.data.shown import Shown
from contactlens.dna.data.window_set import Task
from contactlens.dna.serving.windows import read_windows
from contactlens.dna.simulation.grammar import HUMAN_GC, background


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
