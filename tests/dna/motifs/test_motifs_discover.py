"""From contributions to named motifs: planted JASPAR motifs are found, random contributions give none."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.motif_database import jaspar_core, motif
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.motifs.analysis import write_meme
from contactlens.dna.motifs.config import USUAL
from contactlens.dna.motifs.discover import core_of, discover, matrix_table, pattern_table
from contactlens.dna.motifs.hits import recovery, seqlet_hits
from contactlens.dna.motifs.peaks import PeakWindows, cut_peaks
from contactlens.dna.motifs.tomtom import called_names, match_patterns, random_matches

N, L = 150, 200
RAISES, LOWERS = "MA0139.2", "MA0506.3"  # CTCF and NRF1: long, and unlike each other
CONFIG = replace(
    USUAL,
    method="saliency",
    peaks_per_window=1,
    smoothing_bp=101,
    seqlet_fdr=0.2,
    max_seqlets=5000,
    trim_share=0.3,
    top_matches=5,
    random_motifs=4,
)


def simulated(seed: int, effect: float) -> tuple[WindowSet, Attributions]:
    """Windows with an instance of each motif, whose bases contribute +-`effect` x information, amid noise."""
    rng = np.random.default_rng(seed)
    bases, planted = rng.integers(0, 4, (N, L)), []
    hypothetical = rng.normal(0, 0.02, (N, L, 4))
    for n in range(N):
        for matrix_id, sign, place in zip((RAISES, LOWERS), (1, -1), rng.permutation([45, 115]), strict=True):
            one = motif(matrix_id)
            reverse = bool(rng.random() < 0.5)
            p = one.probabilities[::-1, ::-1] if reverse else one.probabilities
            start = int(place + rng.integers(0, 15))
            span = slice(start, start + len(p))
            bases[n, span] = [rng.choice(4, p=row / row.sum()) for row in p]
            hypothetical[n, span] += sign * effect * (p - 0.25)
            strand = "-" if reverse else "+"
            planted.append((f"w{n}", matrix_id, one.name, start, span.stop, strand, "region"))
    table = pd.DataFrame({"window_id": [f"w{n}" for n in range(N)], "chrom": "sim1", "win_start": np.arange(N) * L})
    table["win_end"] = table["win_start"] + L
    table["label"], table["record"], table["record_start"] = 1, "sim1", 0
    truth = pd.DataFrame(planted, columns=["window_id", "motif_id", "name", "start", "end", "strand", "element"])
    sequence = "".join(np.array(list("ACGT"))[bases.ravel()])
    windows = WindowSet("region", table, Genome.of({"sim1": sequence}), "test", {}, truth)
    one_hot = np.eye(4, dtype=np.uint8)[bases]
    ids = table["window_id"].to_numpy(dtype=str)
    return windows, Attributions(ids, np.zeros(N), hypothetical.astype(np.float32), one_hot)


def peaks_of(seed: int, effect: float) -> tuple[WindowSet, PeakWindows]:
    windows, contributions = simulated(seed, effect)
    return windows, cut_peaks(
        contributions, windows.windows, CONFIG.window_bp, CONFIG.peaks_per_window, CONFIG.smoothing_bp
    )


@pytest.mark.slow
def test_planted_motifs_are_found_named_and_placed(tmp_path: Path) -> None:
    windows, peaks = peaks_of(0, 0.4)
    discovery = discover(peaks, CONFIG, 7, tmp_path / "modisco.h5")
    matches = match_patterns(discovery, jaspar_core())
    seqlets = seqlet_hits(discovery, peaks)
    table = recovery(seqlets, seqlets, matches, windows.planted, CONFIG.max_q, CONFIG.top_matches)
    table = table.set_index("matrix_id")
    assert table.loc[RAISES, "best_pattern"] == "pos_0" and table.loc[LOWERS, "best_pattern"] == "neg_0"
    assert called_names(matches, None, CONFIG.max_q) == {"pos_0": "pos_0:CTCF", "neg_0": "neg_0:Nrf1"}
    assert (table["tomtom_q"] < 0.01).all() and (table["rank"] == 1).all()
    assert (table["recall"] > 0.7).all() and (table["precision"] > 0.9).all()
    _strands_agree(discovery, peaks, matches, windows)
    control = random_matches(discovery, jaspar_core(), CONFIG.random_motifs, 3)
    assert len(control) == 8 and control["q"].min() > 10 * table["tomtom_q"].max()


def _strands_agree(discovery, peaks, matches, windows) -> None:
    """A hit's strand, seen through the strand of its pattern's match, is the strand planted."""
    orientation = matches[matches["rank"] == 1].set_index("pattern")["strand"]
    hits = seqlet_hits(discovery, peaks).merge(windows.planted, on="window_id", suffixes=("", "_site"))
    hits = hits[(hits["start"] < hits["end_site"]) & (hits["start_site"] < hits["end"])]
    same = hits["strand"] == hits["strand_site"]
    assert (same == (hits["pattern"].map(orientation) == "+")).mean() > 0.99


@pytest.mark.slow
def test_rerun_gives_the_same_bytes_whatever_order_was_searched(tmp_path: Path) -> None:
    import h5py

    _, peaks = peaks_of(0, 0.4)
    digests = []
    for name in ("a", "b"):
        discovery = discover(peaks, CONFIG, 7, tmp_path / name)
        digests.append(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    with h5py.File(tmp_path / "a") as content:
        seqlets = content["pos_patterns/pattern_0/seqlets"]
        rows, first, last = (seqlets[key][:] for key in ("example_idx", "start", "end"))
        stored, reverse = seqlets["sequence"][:], seqlets["is_revcomp"][:]
    for row, start, end, bases, turned in zip(rows, first, last, stored, reverse, strict=True):
        found = peaks.one_hot[row, start:end]
        np.testing.assert_array_equal(found[::-1, ::-1] if turned else found, bases)
    write_meme(discovery, tmp_path / "positive.meme", tmp_path / "negative.meme")
    _meme_reads_back(discovery, tmp_path)


def _meme_reads_back(discovery, folder: Path) -> None:
    from Bio import motifs
    from memelite.io import read_meme

    for sign, name in (("pos", "positive.meme"), ("neg", "negative.meme")):
        mine = [p for p in discovery.patterns if p.name.startswith(sign)]
        with (folder / name).open() as file:
            found = motifs.parse(file, "minimal")
        assert [one.name for one in found] == [p.name for p in mine]
        other = read_meme(str(folder / name))
        for pattern, one, again in zip(mine, found, other.values(), strict=True):
            counts = np.array([one.counts[base] for base in "ACGT"]).T
            np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), pattern.core, atol=2e-2)
            np.testing.assert_allclose(np.asarray(again).T, pattern.core, atol=1e-6)


@pytest.mark.slow
def test_random_contributions_give_no_pattern_and_say_so(tmp_path: Path) -> None:
    _, peaks = peaks_of(1, 0.0)
    discovery = discover(peaks, CONFIG, 7, tmp_path / "none.h5")
    assert len(discovery) == 0
    assert "no positive pattern" in discovery.reason and "no negative pattern" in discovery.reason
    assert match_patterns(discovery, jaspar_core()).empty and pattern_table(discovery).empty
    assert (tmp_path / "none.h5").exists()


def test_contributions_that_do_not_vary_are_no_crash() -> None:
    _, peaks = peaks_of(1, 0.0)
    one_hot = np.zeros_like(peaks.one_hot)
    one_hot[..., 0] = 1
    flat = np.broadcast_to(np.float32([1.5, -0.5, -0.5, -0.5]), peaks.hypothetical.shape)
    discovery = discover(PeakWindows(peaks.table, flat, one_hot), CONFIG, 7)
    assert len(discovery) == 0 and "TF-MoDISco failed" in discovery.reason


def test_too_few_sequences_say_so(tmp_path: Path) -> None:
    _, peaks = peaks_of(0, 0.4)
    few = PeakWindows(peaks.table[:79], peaks.hypothetical[:79], peaks.one_hot[:79])
    discovery = discover(few, CONFIG, 7, tmp_path / "few.h5")
    assert discovery.reason == "79 windows around attribution peaks, fewer than the 80 that are needed"
    assert seqlet_hits(discovery, few).empty and matrix_table(discovery).empty
    write_meme(discovery, tmp_path / "p.meme", tmp_path / "n.meme")
    assert (tmp_path / "p.meme").read_text().startswith("MEME version 4\n")


def test_nothing_to_search_says_so() -> None:
    _, peaks = peaks_of(0, 0.4)
    nothing = PeakWindows(peaks.table, np.zeros_like(peaks.hypothetical), peaks.one_hot)
    assert discover(nothing, CONFIG, 7).reason == "all contributions are zero"
    short = PeakWindows(peaks.table, peaks.hypothetical[:, :25], peaks.one_hot[:, :25])
    assert discover(short, CONFIG, 7).reason == "windows of 25 bp, shorter than a seqlet of 30 bp"


def test_core_ends_where_contributions_fade() -> None:
    contributions = np.zeros((9, 4))
    contributions[[1, 3, 5, 7], [0, 1, 2, 3]] = [0.2, -0.4, 1.0, 0.31]
    assert core_of(contributions, 0.3) == (3, 8)
    assert core_of(contributions, 0.9) == (5, 6)


@pytest.mark.parametrize(
    ("field", "value"),
    [("window_bp", 25), ("seqlet_fdr", 0.0), ("trim_share", 1.0), ("max_seqlets", 100), ("random_motifs", -1)],
)
def test_nonsense_settings_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must"):
        replace(CONFIG, **{field: value})
