"""What an import leaves out for the sake of a clean test, and negatives from the genome."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.exclusions import BLACKLISTED, SHARED, Blacklist, on_several_chromosomes
from contactlens.dna.data.importing.genomic_negatives import MAX_GC_GAP, WITHOUT_NEGATIVE
from contactlens.dna.data.importing.pair_windows import UNKNOWN_WINDOW
from contactlens.dna.data.importing.regions import import_regions
from contactlens.dna.data.importing.windows import import_windows

WINDOW = 20
RULES = {"window_bp": WINDOW, "max_n_fraction": 0.1, "seed": 0}
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def genome(folder: Path) -> tuple[Path, dict[str, str]]:
    """chr1 and chr2 of random bases, GC poor in their first half; chr2 ends with 20 bases of chr1's other strand."""
    rng = np.random.default_rng(1)
    sequences = {}
    for chrom in ("chr1", "chr2"):
        halves = [rng.choice(list("ACGT"), 3000, p=[at, gc, gc, at]) for at, gc in ((0.35, 0.15), (0.2, 0.3))]
        sequences[chrom] = "".join(np.concatenate(halves))
    shared = sequences["chr1"][100:120].translate(COMPLEMENT)[::-1]
    sequences["chr2"] = sequences["chr2"][:-20] + shared
    sequences["chr1"] = sequences["chr1"][:500] + "N" * 300 + sequences["chr1"][800:]
    path = folder / "genome.fa"
    Genome.of(sequences).write(path, list(sequences))
    return path, sequences


def bed(folder: Path, rows: list[tuple[str, int, int]], name: str = "peaks.bed") -> Path:
    path = folder / name
    path.write_text("".join(f"{chrom}\t{start}\t{end}\n" for chrom, start, end in rows))
    return path


def test_a_blacklist_is_touched_as_base_by_base(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    start = rng.integers(0, 300, 25)
    rows = [("chr1", int(a), int(a + n)) for a, n in zip(start, rng.integers(1, 20, 25), strict=True)]
    found = Blacklist.read(bed(tmp_path, [*rows, ("chr9", 0, 5)]))
    covered = np.zeros(400, dtype=bool)
    for _, a, b in rows:
        covered[a:b] = True
    places = pd.DataFrame({"chrom": "chr1", "start": np.arange(380), "end": np.arange(380) + 7})
    expected = [covered[a : a + 7].any() for a in range(380)]
    np.testing.assert_array_equal(found.touched(places["chrom"], places["start"], places["end"]), expected)
    assert not found.touched(places["chrom"].replace("chr1", "chr2"), places["start"], places["end"]).any()
    with pytest.raises(InputError, match="none of its chromosomes is one of the windows; the FASTA calls 'chr1' '1'"):
        found.touched(places["chrom"].replace("chr1", "1"), places["start"], places["end"])


def test_bases_on_several_chromosomes_count_on_either_strand_and_unknown_ones_do_not() -> None:
    sequences = [5 * bases for bases in ("AACC", "GGTA", "GGTT", "GGGA", "NNNN", "NNNN")]
    found = on_several_chromosomes(["a", "a", "b", "b", "a", "b"], sequences)
    assert found.tolist() == [True, False, True, False, False, False]
    start_sites = on_several_chromosomes(["a", "b", "a", "b"], ["A", "A", "ACGTT" * 4, "ACGTT" * 4])
    assert start_sites.tolist() == [False, False, True, True]  # 1 bp is alike by chance
    assert on_several_chromosomes([], []).tolist() == []


def test_regions_on_a_blacklist_or_on_two_chromosomes_are_dropped_and_counted(tmp_path: Path) -> None:
    path, _ = genome(tmp_path)
    peaks = bed(tmp_path, [("chr1", 100, 120), ("chr1", 200, 220), ("chr1", 300, 320), ("chr2", 5980, 6000)])
    unwanted = bed(tmp_path, [("chr1", 219, 230)], "blacklist.bed")
    windows, report = import_regions(peaks, genome=path, blacklist=unwanted, **RULES)
    assert (report.dropped[BLACKLISTED], report.dropped[SHARED]) == (1, 2)
    assert windows.windows.query("label == 1")["win_start"].tolist() == [300]
    kept, _ = import_regions(peaks, genome=path, keep_shared=True, **RULES)
    assert kept.windows.query("label == 1")["win_start"].tolist() == [100, 200, 300, 5980]


def test_negatives_of_the_genome_have_the_gc_content_of_their_positives(tmp_path: Path) -> None:
    path, sequences = genome(tmp_path)
    peaks = bed(tmp_path, [(chrom, at, at + WINDOW) for chrom in sequences for at in range(3000, 3900, 60)])
    unwanted = bed(tmp_path, [("chr1", 4000, 5000)], "blacklist.bed")
    windows, report = import_regions(peaks, genome=path, genomic_negatives=2, blacklist=unwanted, **RULES)
    table = windows.windows.assign(sequence=windows.sequences())
    table["gc"] = [sum(base in "GC" for base in bases) / WINDOW for bases in table["sequence"]]
    positives, negatives = table[table["label"] == 1], table[table["label"] == 0]
    assert len(negatives) == 2 * len(positives) and len(positives) + report.dropped[WITHOUT_NEGATIVE] == 30
    assert len(positives) >= 25
    for chrom, own in negatives.groupby("chrom"):
        want = np.sort(np.repeat(positives.loc[positives["chrom"] == chrom, "gc"], 2))
        np.testing.assert_allclose(np.sort(own["gc"]), want, atol=MAX_GC_GAP)
        assert own["win_start"].is_unique
        for row in own.itertuples():
            assert row.sequence == sequences[chrom][row.win_start : row.win_start + WINDOW] and "N" not in row.sequence
            assert (np.abs(row.win_start - positives.loc[positives["chrom"] == chrom, "win_start"]) >= WINDOW).all()
            assert chrom != "chr1" or not 4000 - WINDOW < row.win_start < 5000
    again, _ = import_regions(peaks, genome=path, genomic_negatives=2, blacklist=unwanted, **RULES)
    pd.testing.assert_frame_equal(again.windows, windows.windows)


def test_negatives_of_the_genome_need_a_genome_and_places(tmp_path: Path) -> None:
    path, _ = genome(tmp_path)
    loose = tmp_path / "peaks.fa"
    loose.write_text(">one\n" + "ACGTT" * 4 + "\n")
    with pytest.raises(InputError, match="need its FASTA"):
        import_regions(loose, genomic_negatives=1, **RULES)
    with pytest.raises(InputError, match="need positives with coordinates; record one has none"):
        import_regions(loose, genome=path, genomic_negatives=1, **RULES)
    with pytest.raises(InputError, match="0 where negatives are given"):
        import_regions(loose, genome=path, negatives=loose, genomic_negatives=1, **RULES)


def test_pairs_are_dropped_for_their_window_their_blacklisted_or_their_shared_element(tmp_path: Path) -> None:
    path, _ = genome(tmp_path)
    rows = [
        ("chr1", 100, 120, 140, 160, 1),  # its enhancer is on chr2 too
        ("chr1", 420, 440, 460, 480, 1),  # N from 500
        ("chr1", 2000, 2020, 2040, 2060, 1),  # blacklisted promoter
        ("chr1", 3000, 3020, 3040, 3060, 0),
        ("chr2", 5980, 6000, 5940, 5960, 0),
    ]
    columns = ["chrom", "enh_start", "enh_end", "prom_start", "prom_end", "label"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "pairs.tsv", sep="\t", index=False)
    unwanted = bed(tmp_path, [("chr1", 2059, 2070)], "blacklist.bed")
    rules = {"window_bp": 200, "max_n_fraction": 0.1}
    limits = {"max_window_n_fraction": 0.05, "blacklist": unwanted, "keep_shared": False}
    windows, report = import_windows(tmp_path / "pairs.tsv", path, **rules, **limits)
    assert windows.windows["win_start"].tolist() == [2930]
    assert (report.dropped[UNKNOWN_WINDOW], report.dropped[BLACKLISTED], report.dropped[SHARED]) == (1, 1, 2)
    assert len(import_windows(tmp_path / "pairs.tsv", path, **rules).window_set.windows) == 5
    with pytest.raises(InputError, match="max_window_n_fraction must lie between 0 and 1, got 2"):
        import_windows(tmp_path / "pairs.tsv", path, **rules, max_window_n_fraction=2)
