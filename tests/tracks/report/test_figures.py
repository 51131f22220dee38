"""Figures show what their tables hold, can be read, and have the same bytes each time."""

import re
import struct
import warnings
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import report_samples as samples
import task_samples as tasks
from matplotlib import pyplot
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from scipy.stats import norm

from contactlens.reporting.figure_style import CYCLE, new_figure
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.report import figures

UNIT, TRUE = "a.u.", samples.RADIUS
MEASURED = figures.MeasuredRadius(99.0, 92.0, 107.0)


def examples(driver: Driver = samples.DISTANCE) -> pd.DataFrame:
    predictions = samples.predictions(driver)
    return figures.example_frames(predictions, figures.choose_examples(predictions))


def gate_frame(driver: Driver = samples.DISTANCE) -> pd.DataFrame:
    return figures.gate_frame(samples.seeds(), samples.predictions(driver)[driver.gate_column].to_numpy())


def track(output: str = "mean") -> figures.TrackAttribution:
    seen = samples.predictions().query("track_id == 't004'")
    minutes = np.arange(samples.FRAMES) * samples.STEP_S / 60
    driver, signal = seen["ep_distance_nm"].to_numpy(), seen["ms2"].to_numpy()
    return figures.TrackAttribution("t004", output, samples.matrix(), minutes, driver, signal)


def channels() -> pd.DataFrame:
    rows = np.outer([0.1, -0.2, 0.05, 1.0], samples.matrix()[60])
    return figures.feature_frame({"mean": rows, "logvar": -rows}, samples.FEATURES, track().minutes)


def overview(driver: Driver = samples.DISTANCE, truth: bool = True) -> Figure:
    view = figures.Overview(
        example=examples(driver).query("percentile == 50"),
        gate=gate_frame(driver),
        seeds=samples.seeds(),
        profile=samples.lag_profile() if truth else samples.lag_profile().query("method != 'true_kernel'"),
        reliability=samples.reliability(),
        radius=104.0,
        true_radius=TRUE if truth else None,
        promoter_state=samples.promoter_state() if truth else None,
    )
    return figures.overview_figure(view, driver, UNIT)


def state_examples(radius: float = 104.0) -> Figure:
    predictions = tasks.state_predictions()
    chosen = figures.example_frames(predictions, figures.choose_examples(predictions))
    return figures.state_examples_figure(chosen, NM, UNIT, radius, TRUE, STATES())


def loading() -> Figure:
    track = samples.predictions().query("track_id == 't006'")
    return figures.loading_figure(figures.LoadingExample(track, tasks.loading_events()), UNIT)


def attention() -> Figure:
    arrays = tasks.attention()
    frame = figures.attention_frame(
        arrays["attention"], arrays["attention_rollout"], samples.matrix()[60], track().minutes
    )
    return figures.attention_figure(frame, 30.0, "mean", UNIT)


NM, STATES = samples.DISTANCE, samples.promoter_state
FIGURES: dict[str, Callable[[], Figure]] = {
    "training": lambda: figures.training_figure(samples.history(), NM, UNIT, TRUE),
    "examples": lambda: figures.examples_figure(examples(), NM, UNIT, 104.0, TRUE, STATES()),
    "gate": lambda: figures.gate_figure(gate_frame(), samples.seeds(), NM, TRUE),
    "comparison": lambda: figures.comparison_figure(samples.metrics(), UNIT),
    "reliability": lambda: figures.reliability_figure(samples.reliability()),
    "pit": lambda: figures.pit_figure(samples.pit()),
    "ence": lambda: figures.ence_figure(samples.ence_bins(), UNIT),
    "gate_midpoint": lambda: figures.gate_midpoint_figure(samples.trials(), NM, TRUE, MEASURED),
    "sweep": lambda: figures.sweep_figure(samples.trials(), NM),
    "matrix": lambda: figures.matrix_figure(track(), NM, UNIT),
    "lag_map": lambda: figures.lag_map_figure(figures.lag_frame(track(), 12), track(), NM, UNIT),
    "channels": lambda: figures.feature_figure(channels(), 30.0, UNIT),
    "lag_profile": lambda: figures.lag_figure(samples.lag_profile()),
    "deletion": lambda: figures.deletion_figure(samples.deletion_curve()),
    "faithfulness": lambda: figures.faithfulness_figure(samples.faithfulness()),
    "msd": lambda: figures.msd_figure(figures.with_power_law(samples.msd(), 4000, 0.5), 0.5),
    "overview": overview,
    "training_ungated": lambda: figures.training_figure(tasks.latent_history(), NM, UNIT),
    "training_states": lambda: figures.training_figure(samples.history(), NM, UNIT, TRUE, of_states=True),
    "examples_ungated": lambda: figures.examples_figure(examples(), NM, UNIT, np.nan),
    "state_examples": state_examples,
    "state_examples_ungated": lambda: state_examples(np.nan),
    "state_comparison": lambda: figures.comparison_figure(tasks.state_metrics(), UNIT, ["balanced_accuracy", "auroc"]),
    "roc": lambda: figures.roc_figure(tasks.roc(), tasks.state_metrics()),
    "state_reliability": lambda: figures.state_reliability_figure(tasks.state_reliability()),
    "lengths": lambda: figures.lengths_figure(tasks.segments()),
    "track_accuracy": lambda: figures.track_accuracy_figure(tasks.per_track()),
    "loading": loading,
    "alignment": lambda: figures.alignment_figure(figures.alignment_frame(tasks.loading_metrics())),
    "attention": attention,
    "insertion": lambda: figures.insertion_figure(samples.deletion_curve()),
    "faithfulness_logit": lambda: figures.faithfulness_figure(tasks.as_logit(samples.faithfulness())),
    "systems": lambda: figures.systems_figure(figures.headline_frame(tasks.systems())),
}


LEFT_OPEN: dict[str, set[int]] = {}  # by figure: what drawing it left behind in pyplot


@cache
def drawn(name: str) -> Figure:
    before = set(pyplot.get_fignums())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name]()
        figure.canvas.draw()
    LEFT_OPEN[name] = set(pyplot.get_fignums()) - before
    return figure


def shows_values(axis: Axis, side: str) -> bool:
    """Whether an axis shows tick labels that are numbers, and so needs a name and a unit."""
    texts = [text for text in (label.get_text() for label in axis.get_ticklabels()) if text]
    return bool(axis.get_tick_params()[f"label{side}"]) and any(not text[0].isalpha() for text in texts)


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_with_values_names_its_quantity_and_unit(name: str) -> None:
    for axes in (axes for axes in drawn(name).axes if axes.axison):
        if shows_values(axes.xaxis, "bottom"):
            assert re.search(r"\w.*\(.+\)$", axes.get_xlabel(), re.S), (
                axes.get_title("left"),
                axes.get_xlabel(),
            )
        if shows_values(axes.yaxis, "left") and not axes.get_label().startswith("<colorbar"):
            row_or_all = axes.get_shared_y_axes().get_siblings(axes)
            label = axes.get_ylabel() or next(filter(None, (other.get_ylabel() for other in row_or_all)), "")
            assert re.search(r"\w.*\(.+\)$", label, re.S), (axes.get_title("left"), label)


@pytest.mark.parametrize("name", FIGURES)
def test_no_panel_is_empty(name: str) -> None:
    assert all(axes.has_data() for axes in drawn(name).axes if axes.axison)


def text_boxes(figure: Figure) -> dict[str, Bbox]:
    """Boxes of titles, axis labels and tick labels, in pixels."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = {}
    for number, axes in enumerate(axes for axes in figure.axes if axes.axison):
        texts = [axes.xaxis.label, axes.yaxis.label, axes._left_title]  # type: ignore[attr-defined]
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = (t for t in axis.get_major_ticks() if min(low, high) <= t.get_loc() <= max(low, high))
            texts += [tick.label1 for tick in ticks]
        for text in texts:
            if text.get_text() and text.get_visible():
                boxes[f"{number}:{text.get_text()}:{len(boxes)}"] = text.get_window_extent(renderer)
    return boxes


CROWDED = ["training", "examples", "comparison", "gate_midpoint", "sweep", "channels", "faithfulness"]
CROWDED += ["training_ungated", "state_examples", "track_accuracy", "loading", "alignment", "attention", "systems"]


@pytest.mark.parametrize("name", CROWDED)
def test_no_two_texts_overlap(name: str) -> None:
    boxes = text_boxes(drawn(name))
    overlaps = [
        (a, b) for (a, p), (b, q) in combinations(boxes.items(), 2) if p.shrunk(0.9, 0.9).overlaps(q.shrunk(0.9, 0.9))
    ]
    assert overlaps == []


@pytest.mark.parametrize("name", FIGURES)
def test_text_stays_inside_the_figure(name: str) -> None:
    figure = drawn(name)
    page = figure.bbox.padded(2)
    outside = {text for text, box in text_boxes(figure).items() if not (page.x0 <= box.x0 and box.x1 <= page.x1)}
    assert outside == set()


def png_chunks(path: Path) -> set[bytes]:
    data, position, names = path.read_bytes(), 8, set()
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        names.add(data[position + 4 : position + 8])
        position += length + 12
    return names


@pytest.mark.parametrize("name", ["examples", "lag_map"])
def test_bytes_are_the_same_whatever_the_users_settings(name: str, tmp_path: Path) -> None:
    frame = samples.seeds()
    figures.save_figure(FIGURES[name](), tmp_path / "a.png", frame)
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "pink", "xtick.major.size": 30}):
        figures.save_figure(FIGURES[name](), tmp_path / "b.png", frame)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert not png_chunks(tmp_path / "a.png") & {b"tEXt", b"iTXt", b"tIME"}


def test_drawing_leaves_nothing_behind_in_pyplot() -> None:
    for name in FIGURES:
        drawn(name)
    assert LEFT_OPEN.keys() == FIGURES.keys() and not any(LEFT_OPEN.values())


def test_saved_csv_is_the_table_that_was_drawn(tmp_path: Path) -> None:
    table = samples.reliability()
    figure = figures.reliability_figure(table)
    figures.save_figure(figure, tmp_path / "reliability.png", table)
    stored = pd.read_csv(tmp_path / "reliability.csv")
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert len(lines) == 2
    for line, (_, rows) in zip(lines, stored.groupby("model", sort=False), strict=True):
        np.testing.assert_allclose(line.get_ydata(), rows["observed"], rtol=1e-5)
    bands = [collection.get_paths()[0].vertices[:, 1] for collection in figure.axes[0].collections]
    for band, (_, rows) in zip(bands, stored.groupby("model", sort=False), strict=True):
        assert (band.min(), band.max()) == pytest.approx((rows["low"].min(), rows["high"].max()), rel=1e-5)


def test_gate_curves_are_half_open_at_each_seeds_midpoint() -> None:
    curves = gate_frame().query("series == 'gate'")
    for row in samples.seeds().itertuples():
        curve = curves[curves["seed"] == row.seed]
        assert np.interp(row.gate_midpoint, curve["value"], curve["height"]) == pytest.approx(0.5, abs=1e-3)
    histogram = gate_frame().query("series == 'histogram'")
    assert histogram["height"].sum() == pytest.approx(0.995, abs=2e-3)


def test_examples_follow_the_rule_of_the_caption() -> None:
    predictions = samples.predictions()
    z = (predictions["ms2"] - predictions["mean"]) / predictions["sd"]
    nll = 0.5 * np.log(2 * np.pi) + np.log(predictions["sd"]) + 0.5 * z**2
    ranked = nll.groupby(predictions["track_id"]).mean().sort_values()
    chosen = figures.choose_examples(predictions)
    assert list(chosen["track_id"]) == [
        ranked.index[1],
        ranked.index[6],
        ranked.index[10],
    ]  # 11 steps: 1.1, 5.5, 9.9
    np.testing.assert_allclose(chosen["nll"], ranked[chosen["track_id"]])


def test_example_lines_break_at_missing_frames() -> None:
    chosen = pd.DataFrame({"percentile": [50.0], "track_id": ["t001"], "nll": [0.4]})
    gaps = figures.example_frames(samples.predictions(), chosen)
    assert gaps["frame"].diff().max() > 1
    figure = figures.examples_figure(gaps, NM, UNIT, 104.0)
    (measured,) = [line for line in figure.axes[2].lines if line.get_label() == "measured"]
    y = np.asarray(measured.get_ydata())
    assert np.isnan(y).sum() == gaps["frame"].iloc[-1] - gaps["frame"].iloc[0] + 1 - len(gaps)
    np.testing.assert_allclose(y[~np.isnan(y)], gaps["ms2"])
    x = np.asarray(measured.get_xdata())
    np.testing.assert_allclose(x[~np.isnan(y)], gaps["time_s"] / 60)


def test_lag_frame_shears_the_matrix() -> None:
    matrix = np.random.default_rng(0).normal(size=(6, 6))
    minutes = np.arange(6) * 0.5
    seen = figures.TrackAttribution("t", "mean", matrix, minutes, minutes, minutes)
    sheared = figures.lag_frame(seen, 1.0).iloc[:, 3:]
    assert [float(name) for name in sheared.columns] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    for t in range(6):
        for column, lag in enumerate(range(-2, 3)):
            value = sheared.iloc[t, column]
            assert value == matrix[t, t - lag] if 0 <= t - lag < 6 else np.isnan(value)


def test_heat_maps_show_the_csv_on_a_symmetric_scale() -> None:
    seen = track()
    (image,) = figures.matrix_figure(seen, NM, UNIT).axes[2].images
    cells = figures.matrix_frame(seen).iloc[:, 3:].to_numpy()
    np.testing.assert_array_equal(np.asarray(image.get_array()), cells)
    low, high = image.get_clim()
    assert low == -high < 0
    # Row = predicted frame: a causal model has nothing right of the diagonal.
    assert not np.triu(cells, 1).any()
    assert image.origin == "lower"


def test_a_failed_trial_is_shown_without_flattening_the_others() -> None:
    trials = samples.trials()
    figure = figures.sweep_figure(trials, NM)
    bottom, top = figure.axes[0].get_ylim()
    assert top < 1.0 < trials["validation_nll"].max()
    offsets = np.concatenate([np.asarray(c.get_offsets()) for c in figure.axes[0].collections])
    assert set(trials["lambda_contact"].round(9)) <= set(np.round(offsets[:, 0], 9))
    assert ((offsets[:, 1] >= bottom) & (offsets[:, 1] <= top)).all()


def test_measured_radius_stands_beside_the_midpoint_of_the_gate() -> None:
    for axes in (drawn("gate_midpoint").axes[0], drawn("gate_midpoint").axes[2]):
        bands = [patch.get_extents().transformed(axes.transData.inverted()) for patch in axes.patches]
        assert [(round(band.y0, 6), round(band.y1, 6)) for band in bands] == [(MEASURED.low, MEASURED.high)]
        assert MEASURED.estimate in {line.get_ydata()[0] for line in axes.lines}
    alone = figures.gate_midpoint_figure(samples.trials(), NM, TRUE)
    assert not alone.axes[0].patches and not any(
        "measured" in text for text in alone.axes[0].get_legend_handles_labels()[1]
    )


def test_lambda_contact_zero_is_on_the_axis_beside_the_logarithmic_rest() -> None:
    axes = drawn("gate_midpoint").axes[0]
    assert axes.get_xscale() == "symlog"
    assert axes.get_xlim()[0] < 0
    assert "0" in {label.get_text().strip("$").replace(r"\mathdefault{0}", "0") for label in axes.get_xticklabels()}


def test_scalar_driver_and_unknown_truth() -> None:
    knirps = samples.KNIRPS
    figure = overview(knirps, truth=False)
    labels = {axes.get_xlabel() for axes in figure.axes} | {axes.get_ylabel() for axes in figure.axes}
    assert "Knirps (a.u.)" in labels and not any("nm" in label for label in labels)
    for built in (
        figure,
        figures.gate_figure(gate_frame(knirps), samples.seeds(), knirps),
        figures.examples_figure(examples(knirps), knirps, UNIT, 4.0),
        figures.training_figure(samples.history(), knirps, UNIT),
        figures.gate_midpoint_figure(samples.trials(), knirps),
    ):
        texts = {text for axes in built.axes for text in axes.get_legend_handles_labels()[1]}
        assert not any("true" in text or "truth" in text for text in texts)


def test_intervals_are_drawn_as_they_are_in_the_table() -> None:
    metrics = samples.metrics()
    axes = figures.comparison_figure(metrics, UNIT, ["nll"]).axes[0]
    drawn_ends = {round(float(x), 6) for c in axes.collections for path in c.get_paths() for x in path.vertices[:, 0]}
    rows = metrics[metrics["metric"] == "nll"]
    assert set(rows["low"].round(6)) | set(rows["high"].round(6)) == drawn_ends


def test_power_law_is_the_line_it_claims() -> None:
    fitted = figures.with_power_law(samples.msd(), 4000, 0.5)["fitted_nm2"]
    np.testing.assert_allclose(fitted, 4000 * np.sqrt(samples.msd()["lag_s"]))


def test_palette_stays_apart_for_colour_blind_readers() -> None:
    """Colours differ after the severe deuteranopia and protanopia transforms of Machado et al. (2009)."""
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    protanopia = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
    for transform in (deuteranopia, protanopia):
        seen = [transform @ np.array(to_rgb(color)) ** 2.2 for color in CYCLE]
        assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.08


def test_percentiles_0_and_100_are_the_best_and_the_worst_track() -> None:
    predictions = samples.predictions()
    nll = -norm.logpdf(predictions["ms2"], predictions["mean"], predictions["sd"])
    by_track = pd.Series(nll).groupby(predictions["track_id"]).mean()
    chosen = figures.choose_examples(predictions, [0, 100])
    assert list(chosen["nll"]) == pytest.approx([by_track.min(), by_track.max()])


def test_new_figure_has_a_canvas_that_can_be_saved_without_pyplot(tmp_path: Path) -> None:
    figure = new_figure(2, 2)
    figure.subplots().plot([0, 1], [0, 1])
    figures.save_figure(figure, tmp_path / "deep" / "x.png", pd.DataFrame({"x": [0, 1]}))
    assert (tmp_path / "deep" / "x.csv").read_text() == "x\n0\n1\n"
