"""The rule of spacing seen by marginalisation, benchmarks/spacing_curve.py, and docs/windows.md, which quotes it."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contactlens.dna.data.motif_database import motif
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.grammar import reverse_complement, score_instances

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "spacing_curve.py"))
CONFIG = SimulationConfig()


def gap_found(codes: np.ndarray) -> int:
    """Bases between the best hits of both matrices, on the strand where these score most."""
    found = []
    for strand in (codes, reverse_complement(codes)):
        factors = [motif(name) for name in SCRIPT["FACTORS"]]
        scores = [score_instances(one, np.lib.stride_tricks.sliding_window_view(strand, len(one))) for one in factors]
        first, second = (int(one.argmax()) for one in scores)
        found.append((float(sum(one.max() for one in scores)), second - first - len(factors[0])))
    return max(found)[1]


def test_a_scan_with_the_matrices_finds_the_pairs_as_far_apart_as_their_labels_say() -> None:
    windows = SCRIPT["spaced_regions"](200, CONFIG, 0)
    table = windows.windows
    codes = [np.searchsorted(list("ACGT"), list(windows.genome.fetch(name, 0, 160))) for name in table["record"]]
    gaps = np.array([gap_found(row.astype(np.uint8)) for row in codes])
    low, high = np.array([CONFIG.close_gap_bp, CONFIG.wide_gap_bp]).T
    close, wide = ((gaps >= a) & (gaps <= b) for a, b in zip(low, high, strict=True))
    label, row = table["label"].to_numpy(), np.arange(200)
    assert label.mean() == 0.5 and close[label == 1].mean() > 0.85 and wide[row % 4 == 1].mean() > 0.85
    lacking = row % 4 == 3
    assert (close | wide)[lacking].mean() < 0.4
    dealt = SCRIPT["shuffled"](windows, 1)
    assert dealt.windows["label"].sum() == 100 and abs(np.corrcoef(label, dealt.windows["label"])[0, 1]) < 0.3
    pd.testing.assert_frame_equal(dealt.windows.drop(columns="label"), table.drop(columns="label"))


def test_the_page_has_the_curve_of_the_table() -> None:
    table = pd.read_csv(ROOT / "benchmarks" / "spacing_curve.csv")
    page = (ROOT / "docs" / "windows.md").read_text()
    effect = table[(table["quantity"] == "effect") & (table["model"] == "spacing")].set_index("spacing_bp")
    for spacing in (10, 20, 26, 38, 50, 64, 80):
        estimate, low, high = (round(float(effect.loc[spacing, key]), 1) for key in ("estimate", "low", "high"))
        assert f"| {spacing} | {estimate:+.1f} [{low:+.1f}, {high:+.1f}] |" in page
    control = table[(table["quantity"] == "effect") & (table["model"] == "shuffled labels")]
    assert control["high"].max() == pytest.approx(0.04, abs=0.02) and control["low"].min() > -0.02
