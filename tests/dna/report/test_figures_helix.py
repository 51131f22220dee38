"""The helix: geometry of B-DNA, sums that are kept, and a page whose script runs."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from contactlens.dna.report.figures.helix import HelixView, helix_figure, helix_frame, helix_points, helix_views
from contactlens.dna.report.figures.helix_html import helix_html
from contactlens.reporting.figure_style import save_figure

L = 1000
ELEMENTS = {"enhancer": (100, 300), "promoter": (700, 850)}


@pytest.fixture(scope="module")
def attribution() -> np.ndarray:
    values = np.random.default_rng(0).normal(0, 0.01, L)
    values[200:210], values[800:810] = 0.3, -0.2
    return values


@pytest.fixture(scope="module")
def views(attribution: np.ndarray) -> list[HelixView]:
    return helix_views(attribution, "ACGT" * (L // 4), ELEMENTS, most_rungs=150)


@pytest.mark.parametrize("arch", [0.0, 2.0])
def test_helix_is_b_dna(arch: float) -> None:
    ends = helix_points(211, arch).reshape(-1, 2, 3)
    middle_strand = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    np.testing.assert_allclose(middle_strand, 2 * np.sin(np.deg2rad(75)), atol=1e-9)  # the chord of 150 degrees
    # after two whole turns the rung stands as before, 21 rises on along the axis (the chord of the arc, if bent)
    bend = 211 * 0.34 / arch if arch else np.inf
    chord = 2 * bend * np.sin(21 * 0.34 / (2 * bend)) if arch else 21 * 0.34
    step = np.linalg.norm((ends[21:] - ends[:-21]).mean(axis=1), axis=1)
    np.testing.assert_allclose(step, chord, rtol=0.05)


def test_rungs_keep_the_sum_and_cover_the_window(views: list[HelixView], attribution: np.ndarray) -> None:
    whole = views[0].rungs
    assert len(whole) <= 150 and whole["start_bp"].iloc[0] == 0 and whole["end_bp"].iloc[-1] == L
    assert (whole["start_bp"].iloc[1:].to_numpy() == whole["end_bp"].iloc[:-1].to_numpy()).all()
    assert whole["attribution"].sum() == pytest.approx(attribution.sum())
    assert set(whole.loc[whole["element"] == "promoter", "start_bp"]) == set(range(700, 850, 7))


def test_zooms_show_the_strongest_place_of_their_element(views: list[HelixView], attribution: np.ndarray) -> None:
    assert [view.title.split(",")[0] for view in views] == ["whole window", "enhancer", "promoter"]
    for view, (first, last) in zip(views[1:], ((200, 210), (800, 810)), strict=True):
        rungs = view.rungs
        assert rungs["start_bp"].min() <= first and rungs["end_bp"].max() >= last
        np.testing.assert_allclose(rungs["attribution"], attribution[rungs["start_bp"]])
        assert "".join(rungs["bases"]) == "".join("ACGT"[bp % 4] for bp in rungs["start_bp"])


def test_figure_is_the_same_twice(views: list[HelixView], tmp_path: Path) -> None:
    frame = helix_frame(views)
    for name in ("a.png", "b.png"):
        save_figure(helix_figure(views, "w0"), tmp_path / name, frame)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert frame["view"].nunique() == 3


def test_flat_attribution_and_short_windows_draw() -> None:
    views = helix_views(np.zeros(20), "A" * 20, {"region": (0, 20)})
    assert [len(view.rungs) for view in views] == [20, 20] and views[0].scale == 1.0
    assert len(helix_figure(views, "").axes) == 4  # with the colour bars


def test_page_is_whole_and_deterministic(views: list[HelixView]) -> None:
    page = helix_html(views, "helix-1", "</script><b>w0</b>")
    assert page == helix_html(views, "helix-1", "</script><b>w0</b>")
    for outside in ("http", "src=", "import(", "fetch(", "url("):
        assert outside not in page
    assert "<b>w0" not in page and page.count("<script") == page.count("</script>") == 2
    with pytest.raises(ValueError, match="element_id"):
        helix_html(views, 'a"b', "")


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's script")
def test_script_draws_turns_zooms_and_reads_out(views: list[HelixView]) -> None:
    wheel = ["wheel", {"deltaY": -200, "offsetX": 450, "offsetY": 210}]
    drag = ["pointermove", {"buttons": 1, "movementX": 60, "movementY": 30, "shiftKey": False}]
    again = ["dblclick", {}]
    steps = [again, wheel, ["focus", {}], wheel, drag, again, ["view", {"number": 2}]]
    seen = run(helix_html(views, "helix-1", "w0"), steps)
    _, start, unfocused, _, zoomed, turned, reset, promoter = (state["strokes"] for state in seen)
    n = len(views[0].rungs)
    assert len(start) == n + 2 * (n - 1) and len(promoter) == 32 + 2 * 31
    box = np.array([stroke[:4] for stroke in start])
    assert box[:, ::2].min() > 0 and box[:, ::2].max() < 900 and box[:, 1::2].min() > 0 and box[:, 1::2].max() < 420
    assert unfocused == [] and not seen[2]["prevented"] and seen[4]["prevented"]
    width = [np.ptp([stroke[0] for stroke in strokes]) for strokes in (start, zoomed)]
    assert width[1] / width[0] == pytest.approx(np.exp(0.5), rel=1e-6)
    assert turned != zoomed and reset == start
    assert {text[0] for text in seen[1]["texts"]} == {"enhancer", "promoter"}
    assert seen[-1]["high"] == "+0.20 logit per base" and len(seen[-1]["texts"]) == 32


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's script")
def test_pointing_at_a_rung_reads_its_base(views: list[HelixView]) -> None:
    page = helix_html(views, "helix-1", "w0")
    shown = run(page, [["view", {"number": 2}]])[-1]["texts"]
    _, x, y, _ = shown[10]
    at = ["pointermove", {"buttons": 0, "offsetX": x, "offsetY": y - 4}]
    readout = run(page, [["view", {"number": 2}], at])[-1]["readout"]
    rung = views[2].rungs.iloc[10]
    sign = "−" if rung["attribution"] < 0 else "+"
    start = f"{rung['start_bp']}–{rung['end_bp']} bp · promoter · {rung['bases']} · {sign}"
    assert readout.startswith(start) and readout.endswith(" logit")


def run(page: str, steps: list) -> list[dict]:
    script = Path(__file__).with_name("helix_page.js")
    text = json.dumps([page, steps])
    done = subprocess.run(["node", str(script)], input=text, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)
