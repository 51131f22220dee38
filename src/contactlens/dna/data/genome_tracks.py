"""Contributions along the genome as bigWig and bedGraph, and a session of the IGV that shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from contactlens.base.files import write_aside
from contactlens.dna.data.window_set import WindowSet


@dataclass(frozen=True)
class Stretch:
    """Values of consecutive bases of `chrom` from `start` (0-based)."""

    chrom: str
    start: int
    values: np.ndarray

    @property
    def end(self) -> int:
        return self.start + len(self.values)


def stretches(windows: pd.DataFrame, values: np.ndarray, attributed: np.ndarray | None = None) -> list[Stretch]:
    """Values (N, L) of the windows' bases, in genome order; where windows overlap, the mean over those that have one.

    windows: `chrom`, `win_start` in the order of the rows of `values`. Chromosomes come sorted by name.
    attributed: (N, L) bool, bases that have a value; all, if left out. What no window attributes is in no stretch: some
        methods say nothing of bases outside of the elements, and nothing is not a contribution of zero.
    """
    found = []
    length = values.shape[1]
    has_value = np.ones(values.shape, dtype=bool) if attributed is None else attributed
    places = windows.reset_index(drop=True).sort_values(["chrom", "win_start"], kind="stable")
    for chrom, rows in places.groupby("chrom", sort=True):
        starts = rows["win_start"].to_numpy()
        breaks = np.flatnonzero(np.diff(starts) > length) + 1
        for part in np.split(np.arange(len(rows)), breaks):
            own = rows.index[part]
            found += _means_of(str(chrom), starts[part], values[own], has_value[own])
    return found


def _means_of(chrom: str, starts: np.ndarray, values: np.ndarray, attributed: np.ndarray) -> list[Stretch]:
    length = values.shape[1]
    total = np.zeros(int(starts[-1] - starts[0]) + length)
    count = np.zeros(len(total))
    for offset, row, has_value in zip(starts - starts[0], values, attributed, strict=True):
        total[offset : offset + length] += np.where(has_value, row, 0)
        count[offset : offset + length] += has_value
    mean = total / np.maximum(count, 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], count > 0, [0]]).astype(np.int8)))
    return [Stretch(chrom, int(starts[0]) + a, mean[a:b]) for a, b in edges.reshape(-1, 2).tolist()]


def chromosome_sizes(windows: WindowSet) -> dict[str, int]:
    """Length of each chromosome with a window, in bp, sorted by name.

    Where records of the FASTA are pieces of chromosomes, the real length is that of the set's settings
    (`chromosome_sizes`), or unknown: the end of the last window.
    """
    table = windows.windows
    sizes = {str(chrom): int(end) for chrom, end in table.groupby("chrom")["win_end"].max().items()}
    complete = table[(table["record"] == table["chrom"]) & (table["record_start"] == 0)]
    sizes |= {str(chrom): windows.genome.lengths[chrom] for chrom in complete["chrom"].unique()}
    noted = windows.settings.get("chromosome_sizes", {})
    sizes |= {chrom: int(noted[chrom]) for chrom in sizes if chrom in noted}
    return dict(sorted(sizes.items()))


def write_bigwig(path: Path | str, found: Sequence[Stretch], sizes: dict[str, int]) -> None:
    """`found` as `stretches` gives it; values are stored as float32, the bytes depend on them alone."""
    import pyBigWig

    with write_aside(path) as aside:
        track = pyBigWig.open(str(aside), "w")
        track.addHeader(list(sizes.items()))
        for piece in found:
            track.addEntries(piece.chrom, piece.start, values=piece.values.astype(np.float64), span=1, step=1)
        track.close()


def write_bedgraph(path: Path | str, found: Iterable[Stretch]) -> None:
    """One line a run of bases whose values agree in six significant digits; sorted, without overlap."""
    with write_aside(path) as aside, aside.open("w") as out:
        for piece in found:
            text = np.array([f"{value:.6g}" for value in piece.values + 0.0])  # + 0.0: no "-0"
            first = np.concatenate([[0], np.flatnonzero(text[1:] != text[:-1]) + 1, [len(text)]])
            for start, end in pairwise(first.tolist()):
                out.write(f"{piece.chrom}\t{piece.start + start}\t{piece.start + end}\t{text[start]}\n")


def write_igv_session(path: Path | str, tracks: Sequence[str], sizes: dict[str, int]) -> None:
    """A session of IGV Desktop with tracks, and beside it `genome.chrom.sizes`, the genome that it opens them on.

    tracks: names of files in the folder of `path`; a session finds what it names relative to itself, so that the folder
        can be moved. Over a genome of IGV's own, load the tracks by themselves.
    """
    genome = Path(path).with_name("genome.chrom.sizes")
    with write_aside(genome) as aside:
        aside.write_text("".join(f"{chrom}\t{size}\n" for chrom, size in sizes.items()))
    session = ElementTree.Element("Session", genome=genome.name, locus="All", version="8")
    resources = ElementTree.SubElement(session, "Resources")
    for name in tracks:
        ElementTree.SubElement(resources, "Resource", path=name)
    ElementTree.indent(session)
    text = ElementTree.tostring(session, encoding="unicode")
    with write_aside(path) as aside:
        aside.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')
