"""Peaks, from a FASTA of their sequences or a BED file and a genome, as windows of one length."""

from pathlib import Path

import pandas as pd

from contactlens.base.errors import InputError
from contactlens.base.files import require_file
from contactlens.dna.data.genome import IUPAC_LETTERS, Genome
from contactlens.dna.data.importing.interval_table import IntervalTable, kind_of, read_lines, read_table
from contactlens.dna.data.importing.placement import RecordMap, is_other_strand, naming_hint, placement
from contactlens.dna.data.importing.report import Sieve

FASTA_SUFFIXES = (".fa", ".fasta", ".fna")
BED_SUFFIXES = (".bed", ".narrowPeak", ".broadPeak")
BED_COLUMNS = ("chrom", "start", "end")
SUMMIT = "10"
PEAK_LETTERS = IUPAC_LETTERS | {"U"}
COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")  # of the IUPAC code
NARROW_PEAK_COLUMNS = 10
SHORT = "shorter than the window"
NO_CHROMOSOME = "on a chromosome that the FASTA lacks"
OUTSIDE = "whose window leaves the FASTA's sequence"


def read_peaks(path: Path, genome: Genome | None, window_bp: int) -> Sieve:
    """Windows around the centre of each peak: columns where, name, chrom, win_start, sequence, placed.

    path: .fa, .fasta, .fna, or .bed, .narrowPeak, .broadPeak; each also .gz. Rows of narrowPeak, whatever the file's
        name, are centred on their summit. Records named `chrom:start-end(-)` are turned round.
    genome: cuts the windows of intervals and of sequences with `chrom:start-end` names; without it sequences are cut
        to their centre, and shorter ones dropped

    A sequence whose name has no coordinates is a chromosome of its own (placed is False).

    Raises InputError, naming file and line or record, for what can't be read as peaks.
    """
    suffix = kind_of(path)
    if suffix in map(str.lower, BED_SUFFIXES):
        if genome is None:
            raise InputError(f"{path}: intervals need a genome FASTA to take their sequence from")
        return _from_genome(path, _bed_centres(read_table(path, BED_COLUMNS), suffix), genome, window_bp)
    if suffix not in FASTA_SUFFIXES:
        known = ", ".join((*FASTA_SUFFIXES, *BED_SUFFIXES))
        raise InputError(f"{path}: not a known kind of peaks; known are {known} (each also .gz)")
    records = _placed_records(path)
    if genome is not None and records["placed"].all():
        return _from_genome(path, records.drop(columns="sequence"), genome, window_bp)
    sieve = Sieve(records)
    sieve.drop(SHORT, records["sequence"].str.len() < window_bp)
    rows = sieve.rows
    offset = (rows["sequence"].str.len() - window_bp) // 2
    cut = [bases[at : at + window_bp] for bases, at in zip(rows["sequence"], offset, strict=True)]
    sieve.rows = _named(rows.assign(win_start=rows["start"] + offset, sequence=cut), window_bp)
    return sieve


def _bed_centres(table: IntervalTable, suffix: str) -> pd.DataFrame:
    table.require(BED_COLUMNS)
    start, end = table.interval("start", "end")
    centre = (start + end) // 2
    if suffix == ".narrowpeak" or _is_narrow_peak(table, end - start):
        table.require([SUMMIT])
        summit = pd.to_numeric(table.cells[SUMMIT], errors="coerce")
        table.refuse(SUMMIT, (summit % 1 != 0).to_numpy(), "summits are not whole numbers")
        table.refuse(SUMMIT, ~((summit >= -1) & (summit < end - start)).to_numpy(), "summits are not in their peak")
        # -1 says that no summit was called.
        centre = centre.where(summit < 0, start + summit.astype("int64"))
    chrom = table.names("chrom")
    where = [
        f"{table.row_word} {row}, {name}:{a}-{b}"
        for row, name, a, b in zip(chrom.index, chrom, start, end, strict=True)
    ]
    return pd.DataFrame({"where": where, "chrom": chrom, "centre": centre, "placed": True})


def _is_narrow_peak(table: IntervalTable, length: pd.Series) -> bool:
    """Whether all rows are ENCODE's narrowPeak, which is mostly named .bed.gz: strand, three numbers, summit."""
    cells = table.cells
    if len(cells.columns) != NARROW_PEAK_COLUMNS or not cells["6"].isin(["+", "-", "."]).all():
        return False
    numbers = cells[["7", "8", "9", SUMMIT]].apply(pd.to_numeric, errors="coerce")
    summit = numbers[SUMMIT]
    return bool(numbers.notna().all(axis=None) and ((summit % 1 == 0) & (summit >= -1) & (summit < length)).all())


def _from_genome(path: Path, peaks: pd.DataFrame, genome: Genome, window_bp: int) -> Sieve:
    records = RecordMap(genome)
    win_start = peaks["centre"] - window_bp // 2
    found = records.locate(peaks["chrom"], win_start, win_start + window_bp)
    sieve = Sieve(peaks.assign(win_start=win_start, record=found["record"], record_start=found["record_start"]))
    sieve.drop(NO_CHROMOSOME, ~peaks["chrom"].isin(list(records.by_chrom)))
    sieve.drop(OUTSIDE, sieve.rows["record"] == "")
    sieve.require_some(str(path), naming_hint(peaks["chrom"], records.chroms))
    rows = sieve.rows
    first = rows["win_start"] - rows["record_start"]
    places = zip(rows["record"], first, first + window_bp, strict=True)
    sequence = pd.Series([genome.fetch(*place) for place in places], index=rows.index, dtype="str")
    sieve.rows = _named(rows.assign(sequence=sequence), window_bp)
    return sieve


def _named(rows: pd.DataFrame, window_bp: int) -> pd.DataFrame:
    """Windows on a chromosome named by their place, the others by their record."""
    places = zip(rows["chrom"], rows["win_start"].tolist(), rows["placed"], strict=True)
    names = [f"{chrom}:{start}-{start + window_bp}" if placed else chrom for chrom, start, placed in places]
    return rows.assign(name=pd.Series(names, index=rows.index, dtype="str"))


def _placed_records(path: Path) -> pd.DataFrame:
    """Columns where, sequence, chrom, start, centre, placed of every record."""
    rows = []
    for name, sequence in read_fasta(path):
        try:
            place = placement(name, len(sequence))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        chrom, start = place or (name, 0)
        sequence = sequence.translate(COMPLEMENT)[::-1] if is_other_strand(name) else sequence
        rows.append((f"record {name}", sequence, chrom, start, start + len(sequence) // 2, place is not None))
    return pd.DataFrame(rows, columns=["where", "sequence", "chrom", "start", "centre", "placed"])


def read_fasta(path: Path) -> list[tuple[str, str]]:
    """Name (up to the first space) and upper-case sequence of each record, RNA's U as T; gzip where named .gz.

    Raises InputError where the file is missing or damaged, holds no record, or a record without name or with letters
    that are no bases.
    """
    require_file(path)
    records: list[tuple[str, list[str]]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith(">"):
            records.append((next(iter(line[1:].split()), ""), []))
            if not records[-1][0]:
                raise InputError(f"{path}: line {number} names no record")
        elif line.strip():
            if not records:
                raise InputError(f"{path}: line {number} comes before the first record ('>' and a name)")
            records[-1][1].append(_bases(path, number, line.strip().upper()))
    if not records:
        raise InputError(f"{path}: the file is empty")
    return [(name, "".join(lines).replace("U", "T")) for name, lines in records]


def _bases(path: Path, number: int, line: str) -> str:
    foreign = set(line) - PEAK_LETTERS
    if foreign:
        raise InputError(f"{path}: line {number} holds {min(foreign)!r}, which is no base")
    return line
