"""The windows that a question is about: a window set, intervals of a genome, or bases around a place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contactlens.base.errors import InputError
from contactlens.dna.data.batch import ELEMENT_BOUNDS, REGIONS
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.intervals import GenomicInterval, read_intervals
from contactlens.dna.data.importing.placement import RecordMap
from contactlens.dna.data.names import Task
from contactlens.dna.data.window_set import WindowSet


def read_windows(
    source: Path | str, task: Task, fasta: Path | str | None, window_bp: int | None = None
) -> tuple[Genome, list[GenomicInterval]]:
    """The windows of `source` for a model of `task`, with the genome that holds them.

    source: a window set's folder, which brings its own genome; else BED of regions or BEDPE of pairs, enhancer first
    fasta: of the chromosomes of BED or BEDPE
    window_bp: length of the windows around the elements of BED or BEDPE, as far as the records go; the elements'
        own span if left out. For regions the whole window is the element, as in training.

    Raises InputError for what can't be read, windows of the other task, and elements that `window_bp` can't hold.
    """
    if Path(source).is_dir():
        windows = WindowSet.read(source)
        if windows.task != task:
            raise InputError(f"{source}: windows of task {windows.task}, but the model's is {task}")
        return windows.genome, intervals_of(windows)
    if fasta is None:
        raise InputError(f"{source}: intervals need the FASTA of their chromosomes, --fasta")
    genome = Genome.open(fasta)
    found = read_intervals(source, len(REGIONS[task]), genome, 0)
    return genome, found if window_bp is None else [_around(one, window_bp, task, genome, source) for one in found]


def intervals_of(windows: WindowSet) -> list[GenomicInterval]:
    """The windows of a set, each with its elements."""
    columns = [ELEMENT_BOUNDS[name] for name in REGIONS[windows.task] if name in ELEMENT_BOUNDS]
    found = []
    for row in windows.windows.to_dict("records"):
        start, end = int(row["win_start"]), int(row["win_end"])
        elements = tuple((start + int(row[first]), start + int(row[last])) for first, last in columns)
        places = elements or ((start, end),)
        name, chrom, record = (str(row[key]) for key in ("window_id", "chrom", "record"))
        found.append(GenomicInterval(chrom, name, start, end, places, record, int(row["record_start"])))
    return found


def _around(one: GenomicInterval, window_bp: int, task: Task, genome: Genome, source: Path | str) -> GenomicInterval:
    first = (one.start + one.end - window_bp) // 2
    window = one.widened(first, first + window_bp, genome)
    if task == "region":
        return as_one_region(window)
    if window.start > one.start or window.end < one.end:
        raise InputError(
            f"{source}: {one.name} spans {one.end - one.start:,} bases, more than --window-bp {window_bp:,}"
        )
    return window


def as_one_region(window: GenomicInterval) -> GenomicInterval:
    """The same bases, all of them the window's one region."""
    place = ((window.start, window.end),)
    return GenomicInterval(
        window.chrom, window.name, window.start, window.end, place, window.record, window.record_start
    )


def centred_on(
    chrom: str, start: int, end: int, window_bp: int, records: RecordMap, genome: Genome
) -> GenomicInterval | None:
    """The region of `window_bp` bases around [start, end), as far as its record goes; None where no record holds it."""
    found = records.holding(chrom, start, end)
    if found is None:
        return None
    record, record_start = found
    first = (start + end - window_bp) // 2
    last = first + window_bp
    own = GenomicInterval(chrom, "", start, end, ((start, end),), record, record_start)
    window = as_one_region(own.widened(min(first, start), max(last, end), genome))
    return GenomicInterval(
        chrom, window.id, window.start, window.end, window.elements, window.record, window.record_start
    )


class WindowIndex:
    """Which windows overlap a place of the genome."""

    def __init__(self, windows: Sequence[GenomicInterval]) -> None:
        self.windows = windows
        chroms = np.array([one.chrom for one in windows], dtype=object)
        self._by_chrom = {}
        starts, ends = (np.array([getattr(one, key) for one in windows], dtype=np.int64) for key in ("start", "end"))
        for chrom in dict.fromkeys(chroms):
            rows = np.flatnonzero(chroms == chrom)
            start = starts[rows]
            order = np.argsort(start, kind="stable")
            end = ends[rows][order]
            self._by_chrom[chrom] = (rows[order], start[order], end, int((end - start[order]).max()))

    def overlapping(self, chrom: str, start: int, end: int) -> list[GenomicInterval]:
        """Windows that share a base with [start, end), in genome order."""
        if chrom not in self._by_chrom:
            return []
        rows, starts, ends, longest = self._by_chrom[chrom]
        first, last = np.searchsorted(starts, [start - longest, end])
        near = slice(int(first), int(last))
        return [self.windows[i] for i in rows[near][ends[near] > start].tolist()]
