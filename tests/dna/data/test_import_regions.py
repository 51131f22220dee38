"""Peaks and negatives become windows of one length, each a record of its own."""

import gzip
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contactlens.base.errors import InputError
from contactlens.dna.data.config import SplitConfig
from contactlens.dna.data.dataset import leaking_elements, split_by_chromosome
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.regions import import_regions
from contactlens.dna.data.window_set import WindowSet
from reference_files import SMALL

CTCF = SMALL / "data" / "ctcf_gm12878.fa.gz"
RULES = {"window_bp": 20, "max_n_fraction": 0.1, "seed": 0}
RNG = np.random.default_rng(3)
CHR1 = "".join(RNG.choice(list("ACGT"), 600))


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    Genome.of({"chr1": CHR1, "chr2": CHR1[::-1][:200] + "N" * 50}).write(tmp_path / "genome.fa", ["chr1", "chr2"])
    return tmp_path / "genome.fa"


def fasta(folder: Path, records: dict[str, str], name: str = "peaks.fa") -> Path:
    path = folder / name
    text = "".join(f">{record} words\n{bases[:30]}\n{bases[30:]}\n" for record, bases in records.items())
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


def test_sequences_are_cut_to_their_centre_and_short_ones_dropped(tmp_path: Path) -> None:
    records = {"chr1:100-140": CHR1[100:140].lower(), "chr1:201-225": CHR1[200:225], "chr2:0-19": CHR1[:19]}
    windows, report = import_regions(fasta(tmp_path, records), **RULES)
    positives = windows.windows[windows.windows["label"] == 1]
    assert positives["window_id"].tolist() == ["chr1:110-130", "chr1:202-222"]
    assert positives["win_start"].tolist() == positives["record_start"].tolist() == [110, 202]
    assert windows.select(positives["window_id"].tolist()).sequences() == [CHR1[110:130], CHR1[202:222]]
    assert report.dropped["shorter than the window"] == 1
    assert report.examples["shorter than the window"] == "record chr2:0-19"
    assert (report.rows, report.windows, report.positives) == (5, 4, 2)


def test_with_a_genome_short_peaks_grow_and_intervals_are_cut(tmp_path: Path, genome: Path) -> None:
    from_fasta, _ = import_regions(fasta(tmp_path, {"chr1:100-110": CHR1[100:110]}), genome=genome, **RULES)
    bed = tmp_path / "peaks.bed.gz"
    bed.write_bytes(gzip.compress(b"track name=x\n#c\nchr1\t100\t110\npeak".replace(b"\npeak", b"\n")))
    from_bed, _ = import_regions(bed, genome=genome, **RULES)
    pd.testing.assert_frame_equal(from_fasta.windows, from_bed.windows)
    assert from_bed.sequences()[0] == CHR1[95:115]


def test_narrow_peaks_are_centred_on_their_summit(tmp_path: Path, genome: Path) -> None:
    rows = [
        ("chr1", 100, 150, 7),
        ("chr1", 300, 340, -1),
        ("chr1", 0, 9, 2),
        ("chr7", 0, 90, 2),
        ("chr2", 190, 230, 30),
    ]
    peaks = tmp_path / "p.narrowPeak"
    peaks.write_text("".join(f"{c}\t{a}\t{b}\tn\t9\t.\t1\t1\t1\t{summit}\n" for c, a, b, summit in rows))
    windows, report = import_regions(peaks, genome=genome, **RULES)
    assert windows.windows["window_id"].tolist()[:2] == ["chr1:97-117", "chr1:310-330"]
    left_out = {reason: count for reason, count in report.dropped.items() if count}
    assert left_out == {
        "on a chromosome that the FASTA lacks": 1,
        "whose window leaves the FASTA's sequence": 1,
        "with too many unknown bases": 1,
    }


def test_shuffles_keep_dinucleotides_and_the_chromosome_of_their_peak(tmp_path: Path) -> None:
    records = {f"chr{i % 4}:{100 * i}-{100 * i + 20}": CHR1[20 * i : 20 * i + 20] for i in range(12)}
    windows, report = import_regions(fasta(tmp_path, records), shuffles=2, **RULES)
    table = windows.windows.assign(sequence=windows.sequences()).set_index("window_id")
    for name in records:
        for copy in (1, 2):
            shuffled = table.loc[f"{name}_shuffled{copy}"]
            assert Counter(pairwise(shuffled["sequence"])) == Counter(pairwise(records[name]))
            assert shuffled["sequence"] != records[name]
            assert (shuffled["chrom"], shuffled["label"]) == (table.loc[name, "chrom"], 0)
    assert (report.windows, report.positives) == (36, 12)
    splits = split_by_chromosome(windows, SplitConfig(0.4, 0.2, 0.2, 0.2, (), (), ()), 0)
    split_of = {name: split for split, names in splits.items() for name in names}
    assert all(split_of[f"{name}_shuffled1"] == split_of[name] for name in records)
    assert import_regions(fasta(tmp_path, records), shuffles=2, **RULES)[0].sequences() == windows.sequences()


def test_given_negatives_must_not_touch_a_positive(tmp_path: Path) -> None:
    positives = fasta(tmp_path, {"chr1:100-120": CHR1[100:120], "chr1:300-320": CHR1[300:320]})
    others = {f"chr1:{s}-{s + 20}": CHR1[s : s + 20] for s in (80, 81, 119, 120, 300)}
    others["elsewhere"] = CHR1[100:120]
    windows, report = import_regions(positives, negatives=fasta(tmp_path, others, "n.fasta.gz"), **RULES)
    negatives = windows.windows[windows.windows["label"] == 0]
    assert negatives["window_id"].tolist() == ["chr1:80-100_negative", "chr1:120-140_negative"]
    assert report.dropped["negatives on a positive"] == 4
    assert report.rows == 8


def test_names_without_coordinates_are_groups_of_their_own(tmp_path: Path) -> None:
    records = {f"peak{i}": CHR1[40 * i : 40 * i + 40] for i in range(6)}
    windows, report = import_regions(fasta(tmp_path, records), **RULES)
    assert windows.windows["chrom"].tolist() == [*records, *records]
    assert windows.windows["win_start"].eq(10).all()
    assert "6 positives without coordinates: each its own group when chromosomes are split" in str(report)


def test_repeats_unknown_bases_and_shuffles_that_change_nothing_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "p.fa"
    even = "A" * 20
    path.write_text(
        f">a\n{CHR1[:20]}\n>a\n{CHR1[:20]}\n>b\n{CHR1[:17]}NNN\n>c\n{even}\n>d\n{CHR1[20:38]}NN\n".replace("T", "u")
    )
    windows, report = import_regions(path, **RULES)
    assert windows.windows["window_id"].tolist() == ["a", "c", "d", "a_shuffled1", "d_shuffled1"]
    assert report.dropped["given before"] == 1
    assert report.dropped["with too many unknown bases"] == 1
    assert report.dropped["shuffles equal to their positive"] == 1
    assert windows.sequences()[0] == CHR1[:20]


GOOD = f">chr1:0-20\n{CHR1[:20]}\n"
MALFORMED = {
    "empty.fa": ("", "the file is empty"),
    "early.fa": ("ACGT\n", "line 1 comes before the first record"),
    "noname.fa": (GOOD + "> \nACGT\n", "line 3 names no record"),
    "letters.fa": (GOOD + ">b\nAC-GT\n", "line 4 holds '-', which is no base"),
    "protein.fa": (">b\nMELT\n", "holds 'E', which is no base"),
    "span.fa": (">chr1:0-25\nACGT\n", "record 'chr1:0-25': its name spans 25 bases, its sequence has 4"),
    "twice.fa": (f">a\n{CHR1[:20]}\n>a\n{CHR1[20:40]}\n", "name 'a' stands for different sequences"),
    "short.fa": (">a\nACGT\n", "no window is left of 1 rows; 1 shorter than the window (first: record a)"),
    "unknown.fa": (">a\n" + "N" * 20, "no window is left of 1 rows; 1 with too many unknown bases"),
    "text.fa.gz": (GOOD, "not a readable gzip file"),
    "bed.bed": ("chr1\t5\t9\n", "intervals need a genome FASTA"),
    "kind.txt": (GOOD, "not a known kind of peaks; known are .fa"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_peaks_are_one_clear_error(tmp_path: Path, name: str) -> None:
    text, message = MALFORMED[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        import_regions(tmp_path / name, **RULES)
    assert message in str(error.value)
    assert str(tmp_path / name) in str(error.value)


BEDS = {
    "a.bed": ("chr1\t5\n", "no column 'end'; the table has chrom, start"),
    "b.bed": ("chr1\t9\t5\n", "'end': 1 ends are not above 'start'; first at line 1 ('5')"),
    "c.bed": ("chr1\tx\t5\n", "'start': 1 cells are not whole numbers"),
    "d.narrowPeak": ("chr1\t5\t9\n", "no column '10'"),
    "e.narrowPeak": (
        "chr1\t5\t9\tn\t9\t.\t1\t1\t1\t4\n",
        "'10': 1 summits are not in their peak; first at line 1 ('4')",
    ),
    "f.bed": ("chr1\t5\t9\n", "no window is left of 1 rows; 1 whose window leaves"),
}


@pytest.mark.parametrize("name", BEDS)
def test_malformed_intervals_are_one_clear_error(tmp_path: Path, genome: Path, name: str) -> None:
    text, message = BEDS[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        import_regions(tmp_path / name, genome=genome, **RULES)
    assert message in str(error.value)


def test_no_negatives_is_an_error(tmp_path: Path) -> None:
    peaks = fasta(tmp_path, {"chr1:0-20": CHR1[:20]})
    with pytest.raises(InputError, match="`shuffles` must be at least 1"):
        import_regions(peaks, shuffles=0, **RULES)
    with pytest.raises(InputError, match="no window is left of 1 rows; 1 negatives on a positive"):
        import_regions(peaks, negatives=peaks, **RULES)
    with pytest.raises(InputError, match="no such file"):
        import_regions(tmp_path / "none.fa", **RULES)


@settings(max_examples=30)
@given(st.lists(st.text("ACGTN", min_size=1, max_size=60), max_size=8), st.integers(15, 30), st.integers(1, 3))
def test_import_write_read_gives_the_same_set(
    tmp_path_factory: pytest.TempPathFactory, sequences: list[str], window_bp: int, shuffles: int
) -> None:
    folder = tmp_path_factory.mktemp("regions")
    records = {f"p{i}": bases for i, bases in enumerate([CHR1[:80], *sequences])}
    windows, report = import_regions(
        fasta(folder, records), window_bp=window_bp, max_n_fraction=0.3, seed=1, shuffles=shuffles
    )
    assert report.windows + sum(report.dropped.values()) == report.rows
    assert len(windows.genome.lengths) == len(windows.windows)
    assert {len(bases) for bases in windows.sequences()} == {window_bp}
    windows.write(folder / "set")
    read = WindowSet.read(folder / "set")
    pd.testing.assert_frame_equal(read.windows, windows.windows)
    assert read.sequences() == windows.sequences()
    assert read.settings == windows.settings


def test_real_ctcf_peaks() -> None:
    windows, report = import_regions(CTCF, window_bp=200, max_n_fraction=0.0, seed=0)
    assert (report.rows, report.windows, report.positives) == (1000, 1000, 500)
    assert sum(report.dropped.values()) == 0
    splits = split_by_chromosome(windows, SplitConfig(0.6, 0.1, 0.1, 0.2, (), (), ()), 0)
    assert abs(len(splits["test"]) / 1000 - 0.2) < 0.03
    assert leaking_elements(windows, splits).empty
    lines = gzip.decompress(CTCF.read_bytes()).decode().split()
    assert windows.sequences()[:500] == [bases.upper() for bases in lines[1::2]]
    assert windows.windows["window_id"].tolist()[:500] == [name[1:] for name in lines[::2]]
