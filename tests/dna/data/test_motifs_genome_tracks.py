"""bigWig and bedGraph read back against numpy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.genome_tracks import chromosome_sizes, stretches, write_bedgraph, write_bigwig
from contactlens.dna.data.window_set import WindowSet

L = 60
PLACES = [("chr2", 100), ("chr10", 0), ("chr2", 130), ("chr2", 220), ("chr10", 60), ("chr2", 160)]


def windows_of(record_of: dict[str, str]) -> WindowSet:
    table = pd.DataFrame(PLACES, columns=["chrom", "win_start"])
    table["win_end"] = table["win_start"] + L
    table["window_id"] = [f"w{n}" for n in range(len(table))]
    table["record"] = table["chrom"].replace(record_of)
    table["record_start"] = 0
    genome = Genome.of({record_of.get(name, name): "A" * 1000 for name in ("chr2", "chr10")})
    return WindowSet("region", table, genome, "test", {}, None)


def dense(values: np.ndarray) -> dict[str, np.ndarray]:
    """NaN where no window lies, else the mean over windows: base by base."""
    found: dict[str, list[list[float]]] = {chrom: [[] for _ in range(1000)] for chrom, _ in PLACES}
    for (chrom, start), row in zip(PLACES, values, strict=True):
        for n, value in enumerate(row):
            found[chrom][start + n].append(value)
    return {chrom: np.array([np.mean(v) if v else np.nan for v in bases]) for chrom, bases in found.items()}


def test_bigwig_reads_back_and_is_the_same_twice(tmp_path: Path) -> None:
    import pyBigWig

    values = np.random.default_rng(0).normal(size=(len(PLACES), L))
    windows = windows_of({})
    for name in ("a.bw", "b.bw"):
        write_bigwig(tmp_path / name, stretches(windows.windows, values), chromosome_sizes(windows))
    assert (tmp_path / "a.bw").read_bytes() == (tmp_path / "b.bw").read_bytes()
    with pyBigWig.open(str(tmp_path / "a.bw")) as track:
        assert track.chroms() == {"chr10": 1000, "chr2": 1000}
        for chrom, expected in dense(values).items():
            np.testing.assert_allclose(track.values(chrom, 0, 1000), expected, rtol=1e-6, atol=1e-7)


def test_bedgraph_is_sorted_without_overlap_and_holds_the_means(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-1, 2, size=(len(PLACES), L)).astype(float)
    write_bedgraph(tmp_path / "a.bedgraph", stretches(windows_of({}).windows, values))
    table = pd.read_csv(tmp_path / "a.bedgraph", sep="\t", names=["chrom", "start", "end", "value"])
    assert table["chrom"].drop_duplicates().tolist() == ["chr10", "chr2"]
    found = {chrom: np.full(1000, np.nan) for chrom, _ in PLACES}
    for chrom, rows in table.groupby("chrom"):
        assert (rows["start"].iloc[1:].to_numpy() >= rows["end"].iloc[:-1].to_numpy()).all()
        for row in rows.itertuples():
            found[chrom][row.start : row.end] = row.value
    for chrom, expected in dense(values).items():
        np.testing.assert_allclose(found[chrom], expected, atol=1e-6)
    assert "-0\n" not in (tmp_path / "a.bedgraph").read_text()
    assert len(table) < (~np.isnan(np.concatenate(list(found.values())))).sum()  # equal neighbours share a line


def test_touching_windows_make_one_stretch_and_gaps_separate() -> None:
    found = stretches(windows_of({}).windows, np.ones((len(PLACES), L)))
    assert [(piece.chrom, piece.start, piece.end) for piece in found] == [("chr10", 0, 120), ("chr2", 100, 280)]
    apart = pd.DataFrame({"chrom": "chr1", "win_start": [0, 61]})
    assert [piece.start for piece in stretches(apart, np.ones((2, L)))] == [0, 61]


def test_sizes_are_the_genome_s_or_where_the_records_are_pieces_the_last_end() -> None:
    assert chromosome_sizes(windows_of({})) == {"chr10": 1000, "chr2": 1000}
    assert chromosome_sizes(windows_of({"chr2": "peak7"})) == {"chr10": 1000, "chr2": 280}


def test_windows_that_say_nothing_of_a_base_do_not_count_in_its_mean(tmp_path: Path) -> None:
    """Three windows overlap; one attributes the bases that the others leave out: the mean is its value, not a third."""
    values, attributed = np.zeros((len(PLACES), L)), np.zeros((len(PLACES), L), dtype=bool)
    attributed[2, 10:30], values[2, 10:30] = True, 1.0  # chr2 140-160, inside of the window at 100 too
    attributed[0, 50:60], values[0, 50:60] = True, 3.0  # chr2 150-160
    attributed[4, 0:5] = True  # chr10 60-65: attributed, and zero
    found = stretches(windows_of({}).windows, values, attributed)
    assert [(one.chrom, one.start, one.end) for one in found] == [("chr10", 60, 65), ("chr2", 140, 160)]
    assert (found[0].values == 0).all()
    np.testing.assert_allclose(found[1].values, [1.0] * 10 + [2.0] * 10)
    write_bedgraph(tmp_path / "a.bedgraph", found)
    assert "chr2\t140\t150\t1\nchr2\t150\t160\t2\n" in (tmp_path / "a.bedgraph").read_text()


def test_noted_sizes_are_those_of_the_chromosomes_where_records_are_pieces() -> None:
    pieces = windows_of({"chr2": "a", "chr10": "b"})
    assert chromosome_sizes(pieces) == {"chr10": 120, "chr2": 280}
    noted = replace(pieces, settings={"chromosome_sizes": {"chr2": 1_000_000, "chr7": 5}})
    assert chromosome_sizes(noted) == {"chr10": 120, "chr2": 1_000_000}
