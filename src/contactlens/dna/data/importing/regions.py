"""Windows of single regions: peaks, and given or shuffled negatives."""

from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.data.dinucleotide_shuffle import dinucleotide_shuffle
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.exclusions import BLACKLISTED, SHARED, Blacklist, on_several_chromosomes
from contactlens.dna.data.importing.genomic_negatives import gc_matched
from contactlens.dna.data.importing.pair_windows import (
    DUPLICATE,
    UNKNOWN_BASES,
    require_rules,
    require_seed,
    unknown_bases,
)
from contactlens.dna.data.importing.peaks import read_peaks
from contactlens.dna.data.importing.report import ImportedWindows, Sieve, joined
from contactlens.dna.data.window_set import WINDOW_COLUMNS, WindowSet

ON_POSITIVE = "negatives on a positive"
UNSHUFFLED = "shuffles equal to their positive"


def import_regions(
    positives: Path | str,
    *,
    window_bp: int,
    max_n_fraction: float,
    seed: int,
    negatives: Path | str | None = None,
    genome: Path | str | None = None,
    shuffles: int = 1,
    genomic_negatives: int = 0,
    blacklist: Path | str | None = None,
    keep_shared: bool = False,
) -> ImportedWindows:
    """Windows of `window_bp` bases from peaks, each a record of its own.

    positives, negatives: FASTA or BED, as `read_peaks` takes them; where no negatives are given, each positive is
        shuffled `shuffles` times keeping its dinucleotides, and the shuffles count to the positive's chromosome
    max_n_fraction: largest share of unknown bases in a window
    seed: of the shuffles, or of the windows of the genome
    genome: FASTA that intervals are cut from
    genomic_negatives: negatives for each positive from the genome, in place of shuffles: windows of its chromosome with
        its GC content, of the same length, away from every positive
    blacklist: BED of places that no window may touch
    keep_shared: whether windows stay whose bases another chromosome has too; a split by chromosome would have them in
        training and test

    Raises InputError for what can't be read, and with the counts where a class is left without windows.
    """
    require_rules(window_bp, max_n_fraction)
    require_seed(seed)
    if negatives is None and shuffles < 1:
        raise InputError(f"{positives}: without negatives `shuffles` must be at least 1, got {shuffles}")
    if genomic_negatives < 0 or (genomic_negatives and negatives is not None):
        raise InputError(f"{positives}: genomic_negatives must be at least 0, and 0 where negatives are given")
    if genomic_negatives and genome is None:
        raise InputError(f"{positives}: negatives from the genome need its FASTA")
    sequence_of = None if genome is None else Genome.open(genome)
    unwanted = None if blacklist is None else Blacklist.read(blacklist)
    rules = (sequence_of, window_bp, max_n_fraction, unwanted, keep_shared)
    sieve = _usable(Path(positives), *rules)
    if genomic_negatives and sequence_of is not None:
        other = gc_matched(
            sieve,
            sequence_of,
            per_positive=genomic_negatives,
            window_bp=window_bp,
            max_n_fraction=max_n_fraction,
            blacklist=unwanted,
            seed=seed,
        )
    elif negatives is None:
        other = _shuffled(positives, sieve.rows, shuffles, seed)
    else:
        other = _usable(Path(negatives), *rules)
        other.drop(ON_POSITIVE, _touching(other.rows, sieve.rows, window_bp))
        other.require_some(str(negatives))
        other.rows = other.rows.assign(name=other.rows["name"] + "_negative")
    sieve.rows, other.rows = sieve.rows.assign(label=1), other.rows.assign(label=0)
    both = joined(sieve, other)
    if not keep_shared:
        both.drop(SHARED, on_several_chromosomes(both.rows["chrom"], both.rows["sequence"]))
    loose = int((~sieve.rows["placed"]).sum())
    notes = (f"{loose:,} positives without coordinates: each its own group when chromosomes are split",) * (loose > 0)
    report = both.report(notes)
    made = f"GC-matched windows of {Path(genome).name}" if genomic_negatives and genome else "dinucleotide shuffles"
    source = " and ".join((Path(positives).name, Path(negatives).name if negatives else made))
    settings = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "dropped": report.dropped}
    settings |= {"seed": seed, "shuffles": 0 if negatives is not None or genomic_negatives else shuffles}
    settings |= {"genomic_negatives": genomic_negatives, "blacklist": None if unwanted is None else unwanted.source}
    if sequence_of is not None:
        chroms = sorted(set(both.rows["chrom"]) & set(sequence_of.lengths))
        settings["chromosome_sizes"] = {chrom: sequence_of.lengths[chrom] for chrom in chroms}
    records = Genome.of(dict(zip(both.rows["name"], both.rows["sequence"], strict=True)))
    return ImportedWindows(WindowSet("region", _windows(both.rows, window_bp), records, source, settings, None), report)


def unlabelled_regions(
    peaks: Path | str, *, window_bp: int, max_n_fraction: float, genome: Path | str | None = None
) -> ImportedWindows:
    """Windows of peaks to predict, as `import_regions` makes them of its positives; every label is 0."""
    require_rules(window_bp, max_n_fraction)
    sieve = _usable(Path(peaks), None if genome is None else Genome.open(genome), window_bp, max_n_fraction)
    sieve.rows = rows = sieve.rows.assign(label=0)
    records, report = Genome.of(dict(zip(rows["name"], rows["sequence"], strict=True))), sieve.report(())
    settings = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "dropped": report.dropped}
    windows = WindowSet("region", _windows(rows, window_bp), records, Path(peaks).name, settings, None)
    return ImportedWindows(windows, report)


def _usable(
    path: Path,
    genome: Genome | None,
    window_bp: int,
    max_n_fraction: float,
    blacklist: Blacklist | None = None,
    keep_shared: bool = True,
) -> Sieve:
    """The windows of a file without repeats, without those of too many unknown bases, and what else is excluded."""
    sieve = read_peaks(path, genome, window_bp)
    unknown = np.array([unknown_bases(sequence) for sequence in sieve.rows["sequence"]])
    sieve.drop(UNKNOWN_BASES, unknown > max_n_fraction * window_bp)
    sieve.drop(DUPLICATE, sieve.rows.duplicated(["chrom", "win_start", "sequence"]))
    if blacklist is not None:
        start = sieve.rows["win_start"]
        sieve.drop(BLACKLISTED, blacklist.touched(sieve.rows["chrom"], start, start + window_bp))
    if not keep_shared:
        sieve.drop(SHARED, on_several_chromosomes(sieve.rows["chrom"], sieve.rows["sequence"]))
    repeated = sieve.rows["name"].duplicated()
    if repeated.any():
        raise InputError(f"{path}: name {sieve.rows['name'][repeated].iloc[0]!r} stands for different sequences")
    sieve.require_some(str(path))
    return sieve


def _touching(negatives: pd.DataFrame, positives: pd.DataFrame, window_bp: int) -> np.ndarray:
    """Which negatives overlap a positive window, or have the bases of one."""
    touching = negatives["sequence"].isin(positives["sequence"]).to_numpy(copy=True)
    for chrom, rows in negatives.groupby("chrom", sort=False).indices.items():
        starts = np.sort(positives.loc[positives["chrom"] == chrom, "win_start"].to_numpy())
        own = negatives["win_start"].to_numpy()[rows]
        first = np.searchsorted(starts, own - window_bp, side="right")
        touching[rows] |= np.searchsorted(starts, own + window_bp, side="left") > first
    return touching


def _shuffled(path: Path | str, positives: pd.DataFrame, shuffles: int, seed: int) -> Sieve:
    rng = np.random.default_rng(seed)
    copies = []
    for copy in range(1, shuffles + 1):
        sequence = [dinucleotide_shuffle(bases, rng) for bases in positives["sequence"]]
        names = positives["name"] + f"_shuffled{copy}"
        where = "shuffle of " + positives["name"]
        copies.append(positives.assign(sequence=sequence, name=names, where=where, original=positives["sequence"]))
    sieve = Sieve(pd.concat(copies, ignore_index=True))
    sieve.drop(UNSHUFFLED, sieve.rows["sequence"] == sieve.rows["original"])
    sieve.require_some(f"{path}, its shuffles")
    return sieve


def _windows(rows: pd.DataFrame, window_bp: int) -> pd.DataFrame:
    windows = rows.assign(
        window_id=rows["name"],
        win_end=rows["win_start"] + window_bp,
        record=rows["name"],
        record_start=rows["win_start"],
    )
    table = windows[list(WINDOW_COLUMNS["region"])].reset_index(drop=True)
    return table.astype({name: "str" if kind is str else "int64" for name, kind in WINDOW_COLUMNS["region"].items()})
