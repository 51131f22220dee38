"""Windows made by hand: elements at given places, motifs planted in them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
LENGTH, ENHANCER, PROMOTER = 160, (8, 68), (88, 148)


def reverse_complement(bases: str) -> str:
    return bases[::-1].translate(str.maketrans("ACGT", "TGCA"))


def random_bases(rng: np.random.Generator, n: int, p: tuple[float, ...] = (0.25,) * 4) -> str:
    return "".join(rng.choice(list("ACGT"), size=n, p=p))


def planted(rng: np.random.Generator, motifs: dict[tuple[int, int], str]) -> str:
    """A random window with each motif somewhere in its interval, on a random strand."""
    bases = random_bases(rng, LENGTH)
    for (start, end), motif in motifs.items():
        at = rng.integers(start, end - len(motif) + 1)
        motif = reverse_complement(motif) if rng.random() < 0.5 else motif
        bases = bases[:at] + motif + bases[at + len(motif) :]
    return bases


def pairs(sequences: list[str], label: np.ndarray, enhancers: np.ndarray | None = None) -> WindowSet:
    """One record a window; enhancers (N, 2), or the same in all."""
    n = len(sequences)
    bounds = np.tile(ENHANCER, (n, 1)) if enhancers is None else enhancers
    names = [f"w{i}" for i in range(n)]
    table = pd.DataFrame(
        {
            "window_id": names,
            "chrom": "sim1",
            "win_start": np.arange(n) * LENGTH,
            "win_end": (np.arange(n) + 1) * LENGTH,
            "enh_rel_start": bounds[:, 0],
            "enh_rel_end": bounds[:, 1],
            "prom_rel_start": PROMOTER[0],
            "prom_rel_end": PROMOTER[1],
            "label": label.astype(np.int64),
            "record": names,
            "record_start": np.arange(n) * LENGTH,
        }
    )
    return WindowSet("pair", table, Genome.of(dict(zip(names, sequences, strict=True))), "toy", {}, None)


def regions(windows: WindowSet) -> WindowSet:
    table = windows.windows.drop(columns=[name for name in windows.windows if "_rel_" in name])
    return replace(windows, task="region", windows=table)


def split(windows: WindowSet, at: tuple[int, int]) -> tuple[WindowSet, WindowSet, WindowSet]:
    names = windows.windows["window_id"].tolist()
    return windows.select(names[: at[0]]), windows.select(names[at[0] : at[1]]), windows.select(names[at[1] :])


def parts_of(element: tuple[int, int], count: int) -> list[tuple[int, int]]:
    edges = np.linspace(*element, count + 1).astype(int).tolist()
    return list(pairwise(edges))


def turned(windows: WindowSet) -> WindowSet:
    """Every window read from the other strand, its elements mirrored."""
    table = windows.windows.copy()
    for element in ("enh", "prom"):
        start, end = f"{element}_rel_start", f"{element}_rel_end"
        table[start], table[end] = LENGTH - windows.windows[end], LENGTH - windows.windows[start]
    records = dict(zip(table["record"], map(reverse_complement, windows.sequences()), strict=True))
    return replace(windows, windows=table, genome=Genome.of(records))
