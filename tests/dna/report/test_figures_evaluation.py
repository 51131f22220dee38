"""Figures of the evaluation show what their tables hold, name their units, and have the same bytes each time."""

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.config import EvaluateConfig
from contactlens.dna.evaluation.evaluate import Evaluation, SplitLogits, evaluate, roc_by_epoch
from contactlens.dna.report.figures import evaluation as figures
from contactlens.dna.report.figures import training
from contactlens.reporting.figure_style import save_figure

MODELS = ["network", "distance", "element_propensity", "kmer_logistic", "kmer_products", "cnn"]


def windows(label: np.ndarray) -> WindowSet:
    n = len(label)
    table = pd.DataFrame({"window_id": [f"w{i}" for i in range(n)], "chrom": "sim1"})
    table["win_start"] = np.arange(n) * 500
    table["win_end"] = table["win_start"] + 500
    table = table.assign(enh_rel_start=10, enh_rel_end=30, prom_rel_start=100 + np.arange(n) % 300)
    table = table.assign(prom_rel_end=table["prom_rel_start"] + 50, label=label.astype(np.int64))
    return WindowSet("pair", table.assign(record="sim1", record_start=0), Genome.of({}), "toy", {}, None)


@cache
def evaluation() -> Evaluation:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, (2, 300))
    label = rng.random((2, 300)) < expit(truth)
    noise = {name: rng.normal(0, 0.5 + 2 * i, (2, 300)) for i, name in enumerate(MODELS)}
    models = {name: SplitLogits(*(2 * truth + noise[name])) for name in MODELS}
    return evaluate(windows(label[0]), windows(label[1]), models, EvaluateConfig(100, 0.95, 8), seed=0)


@cache
def epochs() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 100)
    return roc_by_epoch(windows(label), rng.normal(0, 1, (9, 100)) + label * np.arange(9)[:, None] / 3)


def history() -> pd.DataFrame:
    loss = [0.7, 0.6, 0.4, 0.45]
    return pd.DataFrame(
        {
            "epoch": np.arange(4.0),
            "train_loss": [0.69, 0.5, 0.3, 0.2],
            "validation_loss": loss,
            "validation_auroc": [0.5, 0.7, 0.9, 0.89],
        }
    )


def far() -> pd.DataFrame:
    distance = 10 ** np.random.default_rng(2).normal(4.6, 0.5, 300)
    return evaluation().predictions.assign(distance_bp=distance)


FIGURES: dict[str, Callable[[], Figure]] = {
    "curves": lambda: figures.curves_figure(evaluation().roc, evaluation().pr, evaluation().metrics),
    "epochs": lambda: training.roc_epochs_figure(epochs(), kept_epoch=7),
    "training": lambda: training.training_figure(history()),
    "reliability": lambda: figures.reliability_figure(evaluation().reliability, evaluation().predictions),
    "distance": lambda: figures.distance_figure(evaluation().predictions),
    "far": lambda: figures.distance_figure(far()),
    "scores": lambda: figures.score_figure(evaluation().predictions, MODELS[:4]),
    "comparison": lambda: figures.comparison_figure(evaluation().metrics),
}


@cache
def drawn(name: str) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name]()
        figure.canvas.draw()
    return figure


def panels(name: str) -> list[Axes]:
    return [axes for axes in drawn(name).axes if axes.axison]


def of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model]


def line(axes: Axes, start: str) -> tuple[np.ndarray, np.ndarray]:
    """The one line whose label starts so."""
    (found,) = [one for one in axes.lines if str(one.get_label()).startswith(start)]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_names_its_quantity_and_unit(name: str):
    for axes in panels(name):
        assert axes.has_data()
        shared = [axes, *axes.get_shared_x_axes().get_siblings(axes)]
        assert any(re.search(r"\w.*\(.+\)$", one.get_xlabel()) for one in shared)
        models_as_ticks = name == "comparison"
        siblings = [axes, *axes.get_shared_y_axes().get_siblings(axes)]
        assert models_as_ticks or any(re.search(r"\w.*\(.+\)$", one.get_ylabel()) for one in siblings)


@pytest.mark.parametrize("name", FIGURES)
def test_text_and_legends_stay_inside_the_figure(name: str):
    figure = drawn(name)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    page = figure.bbox.padded(2)
    for axes in figure.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, axes._left_title]  # type: ignore[attr-defined]
        boxes = [text.get_window_extent(renderer) for text in texts if text.get_text() and axes.axison]
        boxes += [legend.get_window_extent(renderer)] if (legend := axes.get_legend()) else []
        for box in boxes:
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1


@pytest.mark.parametrize("name", ["curves", "epochs", "scores"])
def test_bytes_are_the_same_whatever_the_users_settings(name: str, tmp_path: Path):
    save_figure(FIGURES[name](), tmp_path / "a.png", evaluation().roc)
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "pink"}):
        save_figure(FIGURES[name](), tmp_path / "b.png", evaluation().roc)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_curves_are_the_tables_and_legends_give_area_and_interval():
    left, right = panels("curves")
    for model, name in zip(MODELS, map(figures.model_name, MODELS), strict=True):
        rows = of(evaluation().roc, model)
        np.testing.assert_array_equal(np.stack(line(left, f"{name}  ")), rows[["fpr", "tpr"]].to_numpy().T)
        rows = of(evaluation().pr, model).query("recall > 0")
        np.testing.assert_array_equal(np.stack(line(right, f"{name}  ")), rows[["recall", "precision"]].to_numpy().T)
    legends = [axes.get_legend() for axes in drawn("curves").axes if not axes.axison]
    row = evaluation().metrics.query("model == 'kmer_products' and metric == 'auprc'").iloc[0]
    expected = f"k-mer products  {row['estimate']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
    assert expected in [text.get_text() for text in legends[1].get_texts()]
    assert all(len(legend.get_texts()) == len(MODELS) for legend in legends)


def test_precision_of_a_model_that_knows_nothing_is_the_prevalence():
    _, right = panels("curves")
    (dashed,) = [one for one in right.lines if one.get_linestyle() == "--"]
    assert dashed.get_ydata()[0] == pytest.approx(evaluation().predictions["label"].mean())


def test_the_kept_epoch_is_named_and_thickest():
    (axes,) = panels("epochs")
    widths = {str(one.get_label()): one.get_linewidth() for one in axes.lines}
    (kept,) = [label for label in widths if "kept" in label]
    assert kept.startswith("epoch 7 ") and widths[kept] == max(widths.values())
    auroc = epochs().query("epoch == 7")["auroc"].iloc[0]
    assert f"{auroc:.3f}" in kept


def test_training_marks_the_epoch_whose_weights_were_kept():
    left, right = panels("training")
    assert [float(v[0]) for v in line(left, "kept epoch")] == [3, 0.4]
    assert [float(v[0]) for v in line(right, "kept epoch")] == [3, 0.9]


def test_histograms_compare_shares_not_counts():
    """Each class adds up to 1 whatever its size, and every window is in the figure."""
    for name in ("distance", "far"):
        (axes,) = panels(name)
        outlines = [patch.get_path().vertices for patch in axes.patches if not patch.get_fill()]
        assert len(outlines) == 2
        for outline in outlines:
            heights = outline[1:-1:2, 1]
            assert heights.sum() == pytest.approx(1)


def test_far_distances_are_in_kb_on_a_logarithmic_scale():
    (near,), (wide,) = panels("distance"), panels("far")
    assert (near.get_xscale(), wide.get_xscale()) == ("linear", "log")
    assert "(bp)" in near.get_xlabel() and "(kb)" in wide.get_xlabel()


def test_comparison_shows_ranking_once_and_scores_before_and_after():
    auroc, auprc, nll = panels("comparison")
    points = [sum(len(container[0].get_xdata()) for container in axes.containers) for axes in (auroc, auprc, nll)]
    assert points == [len(MODELS), len(MODELS), 2 * len(MODELS)]
    after = evaluation().metrics.query("model == 'network_recalibrated' and metric == 'nll'")["estimate"].iloc[0]
    assert after in [float(x) for container in nll.containers for x in container[0].get_xdata()]


def test_reliability_shows_the_bins_before_and_after():
    upper, lower = panels("reliability")
    for model, container in zip(("network", "network_recalibrated"), upper.containers, strict=True):
        rows = of(evaluation().reliability, model)
        np.testing.assert_allclose(container[0].get_xdata().astype(float), rows["predicted"])
        np.testing.assert_allclose(container[0].get_ydata().astype(float), rows["observed"])
    assert lower.has_data()


def test_one_distance_only_can_be_drawn():
    figure = figures.distance_figure(evaluation().predictions.assign(distance_bp=250.0))
    figure.canvas.draw()
    low, high = figure.axes[0].get_xlim()
    assert figure.axes[0].has_data() and low < high


def test_drawing_leaves_nothing_behind_in_pyplot():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    for build in FIGURES.values():
        build()
    assert pyplot.get_fignums() == before
