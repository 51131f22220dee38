"""The tables behind the attribution figures against brute force; the figures draw and are the same twice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.report.figures.attribution import (
    distribution_figure,
    distribution_frame,
    region_figure,
    region_frame,
    zoom_figure,
    zoom_frame,
)
from contactlens.reporting.figure_style import save_figure

N, L = 6, 400
ENHANCER, PROMOTER = (40, 120), (250, 390)


@pytest.fixture(scope="module")
def windows() -> WindowSet:
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), N * L))
    table = pd.DataFrame({"window_id": [f"w{n}" for n in range(N)], "chrom": "sim1", "win_start": np.arange(N) * L})
    table["win_end"] = table["win_start"] + L
    table[["enh_rel_start", "enh_rel_end", "prom_rel_start", "prom_rel_end"]] = [*ENHANCER, *PROMOTER]
    table["label"], table["record"], table["record_start"] = 1, "sim1", 0
    planted = pd.DataFrame(
        [(f"w{n}", "MA1.1", "AAA", 60, 70, "+", "enhancer") for n in range(N)]
        + [("w2", "MA2.1", "BBB", 300, 312, "-", "promoter")],
        columns=["window_id", "motif_id", "name", "start", "end", "strand", "element"],
    )
    return WindowSet("pair", table, Genome.of({"sim1": bases}), "test", {}, planted)


@pytest.fixture(scope="module")
def given(windows: WindowSet) -> Attributions:
    rng = np.random.default_rng(1)
    one_hot = np.array([[[b == x for x in "ACGT"] for b in s] for s in windows.sequences()], dtype=np.uint8)
    hypothetical = rng.normal(0, 0.01, (N, L, 4)).astype(np.float32)
    hypothetical[:, 60:70] += 0.5
    ids = windows.windows["window_id"].to_numpy(dtype=str)
    return Attributions(ids, np.array([0.0, 2.0, 5.0, 1.0, 4.0, 3.0]), hypothetical, one_hot)


def twice(draw: Callable[[], Figure], frame: pd.DataFrame, folder: Path) -> None:
    for name in ("a.png", "b.png"):
        save_figure(draw(), folder / name, frame)
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert len((folder / "a.csv").read_text().splitlines()) == len(frame) + 1


def test_distribution_counts_every_base_once(windows: WindowSet, given: Attributions, tmp_path: Path) -> None:
    frame = distribution_frame(given, windows, bins=21)
    sizes = frame.drop_duplicates(["element", "planted"]).set_index(["element", "planted"])["n_bases"]
    assert sizes.xs("all", level="planted").to_dict() == {"enhancer": 80 * N, "promoter": 140 * N, "elsewhere": 180 * N}
    assert sizes["enhancer", "planted"] == 10 * N and sizes["promoter", "planted"] == 12
    np.testing.assert_allclose(frame.groupby(["element", "planted"])["share"].sum(), 1)
    planted = frame[(frame["element"] == "enhancer") & (frame["planted"] == "planted")]
    mean = (planted["share"] * (planted["bin_left"] + planted["bin_right"]) / 2).sum()
    assert mean == pytest.approx(given.actual[:, 60:70].mean(), abs=0.03)
    twice(lambda: distribution_figure(frame), frame, tmp_path)


def test_distribution_without_truth(windows: WindowSet, given: Attributions) -> None:
    unknown = WindowSet("pair", windows.windows, windows.genome, "test", {}, None)
    frame = distribution_frame(given, unknown)
    assert set(frame["planted"]) == {"all"} and len(distribution_figure(frame).axes) == 1


def test_zoom_holds_the_peak_and_the_truth(windows: WindowSet, given: Attributions, tmp_path: Path) -> None:
    frame = zoom_frame(given, windows, "w2", 50)
    assert "".join(frame["base"]) == windows.sequences()[2]
    np.testing.assert_allclose(frame["attribution"], given.actual[2])
    assert frame["in_zoom"].sum() == 50 and frame.loc[60:69, "in_zoom"].all()
    assert frame.loc[60:69, "planted"].eq("AAA +").all() and frame.loc[300:311, "planted"].eq("BBB -").all()
    assert (frame["planted"] != "").sum() == 22
    assert frame["element"].value_counts().to_dict() == {"elsewhere": 180, "promoter": 140, "enhancer": 80}
    twice(lambda: zoom_figure(frame, "w2"), frame, tmp_path)


def test_regions_are_lined_up_by_brute_force(windows: WindowSet, given: Attributions, tmp_path: Path) -> None:
    frame = region_frame(given, windows, flank_bp=30, body_bins=20, most=4)
    assert frame.drop_duplicates("rank")["window_id"].tolist() == ["w2", "w4", "w5", "w1"]
    rows = frame[(frame["window_id"] == "w4")].set_index(["element", "bin"])["attribution"]
    values = given.actual[4]
    for element, (start, end) in (("enhancer", ENHANCER), ("promoter", PROMOTER)):
        body = values[start:end].reshape(20, -1).mean(axis=1)
        np.testing.assert_allclose(rows[element].loc[0:19], body, atol=1e-6)
        np.testing.assert_allclose(rows[element].loc[-30:-1], values[start - 30 : start], atol=1e-6)
        after = np.full(30, np.nan)
        after[: min(30, L - end)] = values[end : end + 30]
        np.testing.assert_allclose(rows[element].loc[20:], after, atol=1e-6)
    twice(lambda: region_figure(frame), frame, tmp_path)


def test_bins_that_hold_parts_of_bases_keep_the_sum(windows: WindowSet, given: Attributions) -> None:
    frame = region_frame(given, windows, flank_bp=10, body_bins=33)
    body = frame[(frame["element"] == "enhancer") & frame["bin"].between(0, 32)]
    sums = body.groupby("rank")["attribution"].mean().to_numpy() * 80
    expected = given.actual[np.argsort(-given.logits), slice(*ENHANCER)].sum(axis=1)
    np.testing.assert_allclose(sums, expected, rtol=1e-5)


def test_regions_without_elements(windows: WindowSet, given: Attributions) -> None:
    table = windows.windows.drop(columns=["enh_rel_start", "enh_rel_end", "prom_rel_start", "prom_rel_end"])
    region = WindowSet("region", table, windows.genome, "test", {}, windows.planted)
    frame = region_frame(given, region)
    assert set(frame["element"]) == {"region"} and frame["bin"].min() == 0
    assert region_figure(frame).axes and set(distribution_frame(given, region)["element"]) == {"region"}
