"""Peaks and records as ENCODE and bedtools write them: the bases have to be those of the place."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.importing.regions import import_regions
from contactlens.dna.data.importing.windows import import_windows

WORD = "GATTACAGATTACA"
LENGTH = 4000
SUMMITS = {500: 40, 1500: 210, 2500: 77, 3300: 101}  # start of a peak of 300 bp -> its summit


def chromosome() -> str:
    bases = "".join(np.random.default_rng(2).choice(list("ACGT"), LENGTH))
    for start, summit in SUMMITS.items():
        at = start + summit - len(WORD) // 2
        bases = bases[:at] + WORD + bases[at + len(WORD) :]
    return bases


def other_strand(bases: str) -> str:
    return bases.translate(str.maketrans("ACGT", "TGCA"))[::-1]


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{chromosome()}\n")
    return path


def peaks(path: Path, strand: str = ".", extra: str = "") -> Path:
    rows = [f"chr1\t{a}\t{a + 300}\t.\t900\t{strand}\t9.5\t-1\t2.1\t{summit}{extra}\n" for a, summit in SUMMITS.items()]
    content = "".join(rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def positives(file: Path, **given: object) -> list[str]:
    rules = {"window_bp": 40, "max_n_fraction": 0.1, "seed": 0} | given
    found = import_regions(file, **rules).window_set
    return [s for s, label in zip(found.sequences(), found.windows["label"], strict=True) if label == 1]


@pytest.mark.parametrize("name", ["ENCFF1.bed.gz", "ENCFF1.bed", "same.narrowPeak"])
def test_ten_columns_of_narrow_peak_are_centred_on_their_summit_under_any_name(
    name: str, tmp_path: Path, genome: Path
) -> None:
    assert sum(WORD in one for one in positives(peaks(tmp_path / name), genome=genome)) == len(SUMMITS)


@pytest.mark.parametrize(("strand", "extra"), [("x", ""), (".", "\t1"), (".", ".5"), (".", "000")])
def test_other_tables_of_ten_columns_are_centred_on_their_middle(
    strand: str, extra: str, tmp_path: Path, genome: Path
) -> None:
    found = positives(peaks(tmp_path / "p.bed", strand, extra), genome=genome)
    assert found == [chromosome()[a + 130 : a + 170] for a in SUMMITS]


def test_peaks_on_the_other_strand_are_turned_round(tmp_path: Path) -> None:
    bases = chromosome()
    path = tmp_path / "peaks.fa"
    records = [f">chr1:{a}-{a + 300}(-)\n{other_strand(bases[a : a + 300])}\n" for a in SUMMITS]
    path.write_text("".join(records))
    assert positives(path) == [bases[a + 130 : a + 170] for a in SUMMITS]


def test_intervals_are_not_cut_from_records_of_the_other_strand(tmp_path: Path) -> None:
    bases = chromosome()
    fasta = tmp_path / "loci.fa"
    fasta.write_text(f">chr1:0-{LENGTH}(-)\n{other_strand(bases)}\n")
    message = r"1 records, such as 'chr1:0-4000\(-\)', hold the reverse complement of their place"
    with pytest.raises(InputError, match=message):
        positives(peaks(tmp_path / "p.narrowPeak"), genome=fasta)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("chrom\tenh_start\tenh_end\tprom_start\tprom_end\tlabel\nchr1\t500\t600\t900\t990\t1\n")
    with pytest.raises(InputError, match=message):
        import_windows(pairs, fasta, window_bp=800, max_n_fraction=0.1, matching=None)
    fasta.write_text(f">chr1:0-{LENGTH}(+)\n{bases}\n")
    assert sum(WORD in one for one in positives(peaks(tmp_path / "p.narrowPeak"), genome=fasta)) == len(SUMMITS)
