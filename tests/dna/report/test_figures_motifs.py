"""Patterns beside their matches: the match stands base under base, whatever its strand."""

from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.dna.data.motif_database import Motif
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.report.figures.logo import information
from contactlens.dna.report.figures.motifs import motif_figure, motif_frame
from contactlens.reporting.figure_style import save_figure


def counts(consensus: str) -> np.ndarray:
    return np.array([[97.0 if base == letter else 1.0 for letter in "ACGT"] for base in consensus])


def pattern(name: str, consensus: str, before: int) -> Pattern:
    """The consensus as core, after `before` bases of flank."""
    core = counts(consensus) / 100
    flank = np.full((before, 4), 0.25)
    pwm = np.concatenate([flank, core, flank])
    contributions = np.concatenate([0 * flank, core, 0 * flank]) * (1 if name.startswith("pos") else -1)
    return Pattern(name, pwm, contributions, (before, before + len(core)), pd.DataFrame({"row": range(25)}))


TARGETS = [Motif("MA1.1", "AAA", counts("TTGACGTAAC")), Motif("MA2.1", "BBB", counts("GGGCAATT"))]
# GACGTA is bases 2-7 of the first; TTGCC the reverse complement of bases 1-5 of the second, so 2-6 of it reversed
DISCOVERY = Discovery([pattern("pos_0", "GACGTA", 4), pattern("neg_0", "TTGCC", 3)])
MATCHES = pd.DataFrame(
    [("pos_0", 1, "MA1.1", "AAA", 1e-6, 1e-3, 2, 6, "+"), ("neg_0", 1, "MA2.1", "BBB", 1e-3, 0.4, 2, 5, "-")],
    columns=["pattern", "rank", "matrix_id", "name", "p", "q", "offset", "overlap", "strand"],
)


def test_matches_stand_base_under_base() -> None:
    frame = motif_frame(DISCOVERY, MATCHES, TARGETS, 12)
    for name in ("pos_0", "neg_0"):
        rows = frame[frame["pattern"] == name]
        top = rows[["A", "C", "G", "T"]].abs().idxmax(axis=1)
        by_place = {drawn: dict(zip(rows["position"][mine], top[mine], strict=True)) for drawn, mine in
                    ((d, rows["drawn"] == d) for d in ("pattern", "match"))}  # fmt: skip
        for place, base in by_place["pattern"].items():
            assert by_place["match"][place] == base
        assert len(by_place["match"]) == (10 if name == "pos_0" else 8)


def test_letter_heights_are_bits() -> None:
    heights = information(np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]]))
    np.testing.assert_allclose(heights.sum(axis=1), [2, 0, 1], atol=1e-9)


def test_figure_names_matches_only_below_the_limit(tmp_path: Path) -> None:
    frame = motif_frame(DISCOVERY, MATCHES, TARGETS, 12)
    figure = motif_figure(frame, 0.05)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == [
        *("pos_0, 25 seqlets", "AAA MA1.1, q = 1.0e-03"),
        *("neg_0, 25 seqlets", "no match (nearest BBB), q = 4.0e-01"),
    ]
    for left, right in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert left.get_xlim() == right.get_xlim()
    for name in ("a.png", "b.png"):
        save_figure(motif_figure(frame, 0.05), tmp_path / name, frame)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_found_is_said() -> None:
    frame = motif_frame(Discovery([], "79 windows"), MATCHES[:0], TARGETS, 12)
    figure = motif_figure(frame, 0.05, "79 windows")
    assert frame.empty and "79 windows" in figure.texts[0].get_text()
