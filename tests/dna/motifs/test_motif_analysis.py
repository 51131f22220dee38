"""The whole motif analysis: what it writes can be read by other tools and is the same in a rerun."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from planted_contributions import CONFIG, EXPLAINED, PLANTED, L, simulated

from contactlens.base.files import read_json
from contactlens.dna.data.genome_tracks import chromosome_sizes
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.motifs.analysis import MotifAnalysis, analyse_motifs, write_motifs

TABLES = ("patterns", "matrices", "tomtom", "tomtom_random", "seqlets", "hits", "recovery")
OTHERS = (
    "positive.meme",
    "negative.meme",
    "hits.bed",
    "seqlets.bed",
    "contributions.bw",
    "contributions.bedgraph",
    "igv_session.xml",
    "genome.chrom.sizes",
    "summary.json",
)


def analysed(windows: WindowSet, contributions: Attributions, folder: Path) -> MotifAnalysis:
    folder.mkdir()
    own = windows.select([str(name) for name in contributions.window_ids])
    found = analyse_motifs(contributions, own.windows, own.planted, CONFIG, 7, folder / "modisco.h5")
    write_motifs(found, contributions, own.windows, chromosome_sizes(own), folder)
    return found


def bed_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", names=["chrom", "start", "end", "name", "score", "strand"])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[WindowSet, Attributions, MotifAnalysis, Path]:
    folder = tmp_path_factory.mktemp("planted") / "motifs"
    windows, contributions = simulated(0.4)
    return windows, contributions, analysed(windows, contributions, folder), folder


@pytest.mark.slow
def test_the_planted_motif_is_named_in_every_table(planted) -> None:
    _, _, found, folder = planted
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
    best = tables["patterns"].sort_values("n_seqlets").iloc[-1]["pattern"]
    assert best.startswith("pos_") and found.names[best] == f"{best}:CTCF"
    first = tables["tomtom"].query("pattern == @best and rank == 1").iloc[0]
    assert first["matrix_id"] == PLANTED and first["q"] < 1e-4
    assert tables["tomtom"].groupby("pattern")["rank"].max().eq(CONFIG.top_matches).all()
    (row,) = tables["recovery"].to_dict("records")
    assert row["matrix_id"] == PLANTED and row["best_pattern"] == best
    assert row["recall"] > 0.7 and row["precision"] > 0.9
    assert row["n_sites"] == 2 * EXPLAINED  # sites in windows that were not explained can't be found
    assert len(tables["tomtom_random"]) == CONFIG.random_motifs * len(tables["patterns"])
    summary = read_json(folder / "summary.json")
    searched = {"patterns": len(tables["patterns"]), "windows": EXPLAINED}
    assert summary == {**searched, "reason": found.discovery.reason, "failed": False}
    assert row["hit_recall"] > 0.9 and row["hit_precision"] > 0.9  # of attributions without noise seqlets find all
    assert "no negative pattern" in summary["reason"]


@pytest.mark.slow
def test_hits_lie_on_the_genome_where_the_pattern_reads(planted) -> None:
    """The bases under the BED's seqlets, read on their strand, are the pattern's frequencies; hits resemble them."""
    windows, _, found, folder = planted
    seqlets, hits = (bed_of(folder / f"{name}.bed") for name in ("seqlets", "hits"))
    assert len(hits) == len(pd.read_csv(folder / "hits.csv")) and len(seqlets) == len(found.seqlets)
    pattern = max(found.discovery.patterns, key=lambda one: one.n_seqlets)
    complement = str.maketrans("ACGT", "TGCA")
    for bed, tolerance in ((seqlets, 1e-6), (hits, 0.15)):
        mine = bed[bed["name"] == found.names[pattern.name]]
        counts = np.zeros_like(pattern.core)
        for chrom, start, end, strand in mine[["chrom", "start", "end", "strand"]].itertuples(index=False):
            word = windows.genome.fetch(chrom, start, end)
            word = word.translate(complement)[::-1] if strand == "-" else word
            counts[np.arange(len(word)), ["ACGT".index(base) for base in word]] += 1
        np.testing.assert_allclose(counts / len(mine), pattern.core, atol=tolerance)


@pytest.mark.slow
def test_a_browser_can_open_the_tracks_together(planted) -> None:
    """One genome under all of them, BED sorted inside of it with a strand, a name and a score that UCSC takes."""
    import pyBigWig

    windows, contributions, _, folder = planted
    sizes = {"sim1": windows.genome.lengths["sim1"]}
    session = ElementTree.parse(folder / "igv_session.xml").getroot()
    assert session.attrib["genome"] == "genome.chrom.sizes"
    assert (folder / "genome.chrom.sizes").read_text() == f"sim1\t{sizes['sim1']}\n"
    tracks = [one.attrib["path"] for one in session.iter("Resource")]
    assert tracks == ["contributions.bw", "hits.bed", "seqlets.bed"] and all((folder / one).exists() for one in tracks)
    with pyBigWig.open(str(folder / "contributions.bw")) as track:
        assert track.chroms() == sizes
        starts = [start for start, _, _ in track.intervals("sim1")]
        assert starts == sorted(starts)
        total = np.nansum(track.values("sim1", 0, sizes["sim1"], numpy=True), dtype=np.float64)
        assert total == pytest.approx(contributions.actual.sum(dtype=np.float64), rel=1e-5)  # no windows overlap
    for name in ("hits", "seqlets"):
        bed = bed_of(folder / f"{name}.bed")
        assert bed["start"].is_monotonic_increasing and bed["start"].ge(0).all() and bed["end"].le(sizes["sim1"]).all()
        assert bed["score"].between(0, 1000).all() and bed["score"].max() == 1000 and bed["score"].dtype == np.int64
        assert set(bed["strand"]) == {"+", "-"} and bed["name"].str.fullmatch(r"(pos|neg)_\d+(:\S+)?").all()


@pytest.mark.slow
def test_browser_tracks_hold_the_contributions_of_each_base(planted) -> None:
    import pyBigWig

    windows, contributions, _, folder = planted
    track = pyBigWig.open(str(folder / "contributions.bw"))
    assert track.chroms() == {"sim1": windows.genome.lengths["sim1"]}
    starts = windows.windows.set_index("window_id")["win_start"]
    for name, values in zip(contributions.window_ids, contributions.actual, strict=True):
        start = int(starts[name])
        np.testing.assert_allclose(track.values("sim1", start, start + L), values, atol=1e-6)
    names = ["chrom", "start", "end", "value"]
    graph = pd.read_csv(folder / "contributions.bedgraph", sep="\t", names=names)
    assert (graph["end"] - graph["start"]).sum() == EXPLAINED * L
    total = ((graph["end"] - graph["start"]) * graph["value"]).sum()
    assert total == pytest.approx(contributions.actual.sum(), rel=1e-4)


@pytest.mark.slow
def test_other_tools_read_the_patterns(planted) -> None:
    import h5py
    from Bio import motifs

    _, _, found, folder = planted
    with (folder / "positive.meme").open() as file:
        names = [one.name for one in motifs.parse(file, "minimal")]
    assert names == [one.name for one in found.discovery.patterns if one.name.startswith("pos")]
    with h5py.File(folder / "modisco.h5") as content:
        assert len(content["pos_patterns"]) >= len(names)


@pytest.mark.slow
def test_a_rerun_gives_the_same_bytes(planted, tmp_path: Path) -> None:
    windows, contributions, _, folder = planted
    analysed(windows, contributions, tmp_path / "again")
    first, again = contents(folder), contents(tmp_path / "again")
    assert set(first) == {f"{name}.csv" for name in TABLES} | {*OTHERS, "modisco.h5"}
    assert [name for name in first if first[name] != again.get(name)] == []


def test_nothing_found_leaves_every_file_with_its_header_and_the_reason(tmp_path: Path) -> None:
    windows, contributions = simulated(0.0)
    found = analysed(windows, contributions, tmp_path / "none")
    assert len(found.discovery) == 0 and found.names == {}
    files = contents(tmp_path / "none")
    assert set(files) == {f"{name}.csv" for name in TABLES} | {*OTHERS, "modisco.h5"}
    tables = {name: pd.read_csv(tmp_path / "none" / f"{name}.csv") for name in TABLES}
    assert all(tables[name].empty and len(tables[name].columns) > 4 for name in TABLES[:-1])
    (row,) = tables["recovery"].to_dict("records")
    assert (row["TF"], row["recall"], row["n_sites"], row["n_seqlets"]) == ("CTCF", 0.0, 2 * EXPLAINED, 0)
    assert all(files[f"{sign}.meme"].startswith(b"MEME version 4") for sign in ("positive", "negative"))
    assert files["hits.bed"] == b""
    # Without contributions there are no peaks either.
    reason = "0 windows around attribution peaks, fewer than the 80 that are needed"
    summary = read_json(tmp_path / "none" / "summary.json")
    assert summary == {"patterns": 0, "windows": 0, "reason": reason, "failed": False}


def test_without_known_truth_there_is_no_recovery(tmp_path: Path) -> None:
    windows, contributions = simulated(0.0)
    unknown = WindowSet("region", windows.windows, windows.genome, "real", {}, None)
    found = analysed(unknown, contributions, tmp_path / "real")
    assert found.recovered is None
    assert set(contents(tmp_path / "real")) == {f"{name}.csv" for name in TABLES[:-1]} | {*OTHERS, "modisco.h5"}


def test_too_few_windows_say_how_many(tmp_path: Path) -> None:
    windows, contributions = simulated(0.4)
    few = contributions.select(contributions.window_ids[:30].tolist())
    found = analysed(windows, few, tmp_path / "few")
    assert found.discovery.reason == "30 windows around attribution peaks, fewer than the 80 that are needed"
    assert len(found.peaks) == 30 and len(pd.read_csv(tmp_path / "few" / "contributions.bedgraph", sep="\t")) > 0
