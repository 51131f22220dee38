"""Places of seqlets and the recovery of planted motifs, on cases counted by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.hits import recovery, seqlet_hits, write_bed
from contactlens.dna.motifs.peaks import PeakWindows

SITE = "ACGTTG"


def peak_windows(sequences: list[str]) -> PeakWindows:
    one_hot = np.array([[[base == letter for letter in "ACGT"] for base in s] for s in sequences], dtype=np.uint8)
    table = pd.DataFrame(
        {
            "window_id": [f"w{n}" for n in range(len(sequences))],
            "start": 100,
            "peak": 110,
            "height": 1.0,
            "chrom": ["chr2", "chr10"][: len(sequences)],
            "genome_start": 5100,
        }
    )
    position = np.arange(one_hot.shape[1], dtype=np.float32)
    return PeakWindows(table, np.broadcast_to(position[None, :, None], one_hot.shape), one_hot)


def test_core_of_each_seqlet_reads_as_the_pattern_on_its_strand() -> None:
    turned = "CAACGT"
    peaks = peak_windows(["T" * 8 + SITE + "T" * 16, "T" * 15 + turned + "T" * 9])
    # the pattern is 2 bases, the core, 3 bases; on the minus strand the 3 come first
    seqlets = pd.DataFrame({"row": [0, 1], "start": [6, 12], "end": [17, 23], "is_revcomp": [False, True]})
    pattern = Pattern("pos_0", np.full((11, 4), 0.25), np.ones((11, 4)), (2, 8), seqlets)
    hits = seqlet_hits(Discovery([pattern]), peaks)
    assert hits[["start", "end", "strand"]].to_numpy().tolist() == [[108, 114, "+"], [115, 121, "-"]]
    assert hits["genome_start"].tolist() == [5108, 5115] and hits["genome_end"].tolist() == [5114, 5121]
    assert hits["contribution"].tolist() == [sum(range(8, 14)), sum(range(15, 21))]


def test_bed_is_sorted_and_scaled(tmp_path: Path) -> None:
    hits = pd.DataFrame(
        {
            "pattern": ["pos_0", "neg_0", "pos_0"],
            "strand": ["+", "-", "+"],
            "contribution": [1.0, -4.0, 2.0],
            "chrom": ["chr2", "chr10", "chr10"],
            "genome_start": [10, 30, 20],
            "genome_end": [16, 36, 26],
        }
    )
    write_bed(hits, tmp_path / "hits.bed", {"pos_0": "pos_0:CTCF"})
    assert (tmp_path / "hits.bed").read_text().splitlines() == [
        "chr10\t20\t26\tpos_0:CTCF\t500\t+",
        "chr10\t30\t36\tneg_0\t1000\t-",
        "chr2\t10\t16\tpos_0:CTCF\t250\t+",
    ]
    write_bed(hits[:0], tmp_path / "none.bed", {})
    assert (tmp_path / "none.bed").read_text() == ""


def test_recovery_counted_by_hand() -> None:
    planted = pd.DataFrame(
        [
            ("w0", "MA1.1", "AAA", 10, 20, "+", "enhancer"),
            ("w0", "MA1.1", "AAA", 50, 60, "-", "enhancer"),
            ("w1", "MA1.1", "AAA", 10, 20, "+", "enhancer"),
            ("w1", "MA1.1", "AAA", 80, 90, "+", "background"),
            ("w1", "MA2.1", "BBB", 40, 50, "+", "promoter"),
            ("w1", "MA3.1", "CCC", 70, 78, "+", "promoter"),
        ],
        columns=["window_id", "motif_id", "name", "start", "end", "strand", "element"],
    )
    hits = pd.DataFrame(
        [
            ("pos_0", "w0", 15, 30),  # half of the first site
            ("pos_0", "w0", 56, 70),  # less than half of the second
            ("pos_1", "w1", 8, 22),  # the third, by another pattern of the same motif
            ("pos_1", "w1", 78, 92),  # the one in the background: right, but not asked for
            ("neg_0", "w1", 38, 52),
            ("neg_1", "w1", 70, 78),  # a pattern that matches nothing planted
        ],
        columns=["pattern", "window_id", "start", "end"],
    )
    matches = pd.DataFrame(
        [
            ("pos_0", 2, "MA1.1", 1e-4),
            ("pos_0", 3, "MA2.1", 1e-2),
            ("pos_1", 1, "MA1.1", 1e-3),
            ("neg_0", 1, "MA2.1", 1e-5),
            ("neg_1", 1, "MA9.9", 1e-5),
            ("neg_1", 4, "MA3.1", 1e-3),  # behind three others: it is not this motif that was found
        ],
        columns=["pattern", "rank", "matrix_id", "q"],
    )
    # called: what the seqlets have, and the second site in place
    called = pd.concat([hits, pd.DataFrame([("pos_0", "w0", 50, 60)], columns=list(hits))])
    table = recovery(hits, called, matches, planted, 0.05, 3).set_index("TF")
    assert table["hit_recall"].to_dict() == {"AAA": 1.0, "BBB": 1.0, "CCC": 0.0}
    assert table["hit_precision"].to_dict()["AAA"] == 0.8 and table["n_hits"].to_dict()["AAA"] == 5
    assert table["patterns"].to_dict() == {"AAA": "pos_0,pos_1", "BBB": "neg_0", "CCC": ""}
    assert table["recall"].round(6).to_dict() == {"AAA": 0.666667, "BBB": 1.0, "CCC": 0.0}
    assert table["precision"].to_dict()["AAA"] == 0.75 and np.isnan(table.loc["CCC", "precision"])
    assert table.loc["AAA", ["best_pattern", "tomtom_q", "rank", "n_sites", "n_seqlets"]].tolist() == [
        *("pos_0", 1e-4, 2, 3, 4)
    ]
    assert np.isnan(table.loc["CCC", "tomtom_q"])


def test_recovery_without_any_pattern() -> None:
    planted = pd.DataFrame([("w0", "MA1.1", "AAA", 1, 9, "+", "region")]).set_axis(
        ["window_id", "motif_id", "name", "start", "end", "strand", "element"], axis=1
    )
    none = Discovery([], "too few")
    hits = seqlet_hits(none, peak_windows(["ACGT" * 10]))
    matches = pd.DataFrame({"pattern": [], "rank": [], "matrix_id": [], "q": []})
    table = recovery(hits, hits, matches, planted, 0.05, 3)
    assert table[["recall", "n_sites", "n_seqlets"]].to_numpy().tolist() == [[0.0, 1, 0]]
