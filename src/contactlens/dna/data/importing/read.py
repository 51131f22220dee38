"""New windows to predict, from a file of pairs or peaks without labels, or from a window set's folder."""

from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.dna.data.importing.interval_table import kind_of
from contactlens.dna.data.importing.peaks import BED_SUFFIXES, FASTA_SUFFIXES
from contactlens.dna.data.importing.regions import unlabelled_regions
from contactlens.dna.data.importing.report import ImportedWindows
from contactlens.dna.data.importing.windows import import_windows
from contactlens.dna.data.window_set import WindowSet


def read_windows(
    source: Path | str,
    fasta: Path | str | None = None,
    *,
    window_bp: int | None = None,
    max_n_fraction: float = 0.1,
) -> WindowSet:
    """Windows to predict.

    source: a window set's folder; or pairs (BEDPE, TSV, CSV, Parquet), which need `fasta`; or peaks (FASTA of
        sequences, or BED, narrowPeak, broadPeak with `fasta`). Labels, where the file has them, are not read
    fasta: of the chromosomes
    window_bp: bases of every window; not of a folder, whose windows have theirs
    max_n_fraction: largest share of unknown bases in the elements, or in a region

    Raises InputError, naming file, column and rows, for what can't be read.

    >>> import contactlens as cl
    >>> windows = cl.read_windows("pairs.tsv", "hg38.fa", window_bp=65_536)
    >>> windows.task, len(windows.windows), windows.length
    ('pair', 48, 65536)
    """
    source = Path(source)
    if source.is_dir():
        return WindowSet.read(source)
    return new_windows(source, fasta, window_bp=window_bp, max_n_fraction=max_n_fraction).window_set


def is_peaks(path: Path) -> bool:
    """Whether the file's name is one of peaks, by intervals or by sequences; else it is taken for pairs."""
    return kind_of(path) in map(str.lower, (*FASTA_SUFFIXES, *BED_SUFFIXES))


def new_windows(
    source: Path, fasta: Path | str | None, *, window_bp: int | None, max_n_fraction: float
) -> ImportedWindows:
    """As `read_windows` of a file, with a report of what was kept and what was left out."""
    if window_bp is None:
        raise InputError(f"{source}: give the length of the windows, window_bp (--window-bp)")
    if is_peaks(source):
        return unlabelled_regions(source, window_bp=window_bp, max_n_fraction=max_n_fraction, genome=fasta)
    if fasta is None:
        raise InputError(f"{source}: pairs need the FASTA of their chromosomes, fasta (--fasta)")
    return import_windows(source, fasta, window_bp=window_bp, max_n_fraction=max_n_fraction, labelled=False)
