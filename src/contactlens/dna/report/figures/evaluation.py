"""How well windows are told apart: curves of all models, calibration, and what the classes look like."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.dna.data.names import NETWORK, RECALIBRATED
from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    CYCLE,
    GREY,
    ORANGE,
    legend_below,
    new_figure,
    plain,
    spread,
    styled,
    with_unit,
)

NAMES = {
    "best_motif": "best single motif",
    "ceiling": "ceiling, given the true sites",
    "cnn": "CNN",
    "gc_content": "GC content",
    "kmer_logistic": "k-mers",
    "kmer_products": "k-mer products",
    "motif_arrangement": "motif scan told strands and places",
    "motif_scan": "motif scan, boosted trees",
    "fpr": "false positive rate",
    "tpr": "true positive rate",
}
CLASSES = {0: ("negative", GREY), 1: ("positive", BLUE)}
STAGES = {"network": ("before recalibration", ORANGE, "o"), "network_recalibrated": ("after recalibration", BLUE, "s")}
RANKING = ("auroc", "auprc")
PANELS_IN_ROW = 3


def model_name(model: str) -> str:
    """A model's name as legends give it."""
    plainly = model.removesuffix(RECALIBRATED)
    return NAMES.get(plainly, plain(plainly)) + (", recalibrated" if plainly != model else "")


def looks(models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each model's curve is drawn: the network thick and blue, the others in the palette's further colours."""
    others = [model for model in models if model != NETWORK]
    styles = {model: {"color": CYCLE[1 + i % (len(CYCLE) - 1)], "linewidth": 1.2} for i, model in enumerate(others)}
    return {NETWORK: {"color": BLUE, "linewidth": 2.2, "zorder": 3}} | styles


def _labelled(model: str, metric: str, metrics: pd.DataFrame) -> str:
    row = metrics[(metrics["model"] == model) & (metrics["metric"] == metric)].iloc[0]
    return f"{model_name(model)}  {row['estimate']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _draw_curves(
    axis: Axes, below: Axes, curves: pd.DataFrame, x: str, y: str, metric: str, metrics: pd.DataFrame
) -> None:
    """The curves on one axis, their legend in the empty one below it."""
    for model, look in looks(list(dict.fromkeys(curves["model"]))).items():
        rows = curves[curves["model"] == model]
        steps = "steps-post" if metric == "auprc" else "default"
        axis.plot(rows[x], rows[y], drawstyle=steps, label=_labelled(model, metric, metrics), **look)
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axis.set(xlabel=with_unit(NAMES.get(x, x), "fraction"), ylabel=with_unit(NAMES.get(y, y), "fraction"))
    below.axis("off")
    below.legend(*axis.get_legend_handles_labels(), title=f"{metric.upper()} (interval)", loc="upper center")


@styled
def curves_figure(roc: pd.DataFrame, pr: pd.DataFrame, metrics: pd.DataFrame) -> Figure:
    """ROC and precision-recall curves of every model on the test windows, areas with intervals in the legends.

    roc, pr, metrics: tables of `Evaluation`. Dashed: a model that knows nothing.
    """
    legend = 0.5 + 0.17 * roc["model"].nunique()
    figure = new_figure(8.6, 4.3 + legend)
    (left, right), below = figure.subplots(2, 2, height_ratios=[4.3, legend])
    _draw_curves(left, below[0], roc, "fpr", "tpr", "auroc", metrics)
    # Before the first positive is found precision is 0 or undefined: not a part of the curve.
    _draw_curves(right, below[1], pr[pr["recall"] > 0], "recall", "precision", "auprc", metrics)
    prevalence = float(pr.loc[pr["recall"] == 1, "precision"].min())
    left.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1)
    right.axhline(prevalence, color=BLACK, linestyle="--", linewidth=1)
    left.set_title("ROC")
    right.set_title("precision-recall")
    return figure


@styled
def reliability_figure(reliability: pd.DataFrame, predictions: pd.DataFrame) -> Figure:
    """Observed share of positives against predicted probability, in bins of equal counts, and how predictions spread.

    reliability, predictions: tables of `Evaluation`. Bars are bootstrap intervals; the dashed line is calibrated.
    """
    figure = new_figure(4.6, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.2])
    edges = np.linspace(0, 1, 26).tolist()
    for model, rows in reliability.groupby("model", sort=False):
        label, color, marker = STAGES.get(str(model), (model_name(str(model)), BLACK, "^"))
        errors = spread(rows["observed"], rows["low"], rows["high"])
        style = {"color": color, "marker": marker, "markersize": 4.5, "capsize": 2, "elinewidth": 0.9, "linewidth": 1.2}
        upper.errorbar(rows["predicted"], rows["observed"], yerr=errors, label=label, **style)
        lower.hist(predictions[str(model)], bins=edges, histtype="step", color=color, linewidth=1.3)
    upper.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1)
    upper.set(ylabel=with_unit("observed share of positives", "fraction"), xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.legend(loc="upper left")
    lower.set(xlabel=with_unit("predicted probability", "1"), ylabel=with_unit("count", "windows"))
    return figure


def _draw_classes(axis: Axes, values: pd.Series, label: pd.Series, edges: list[float]) -> None:
    """Share of each class in each bin, so that classes of different size can be compared."""
    for value, (name, color) in CLASSES.items():
        some = values[label == value]
        weights = np.full(len(some), 1 / max(len(some), 1))
        axis.hist(some, bins=edges, weights=weights, histtype="stepfilled", color=color, alpha=0.4, linewidth=0)
        axis.hist(some, bins=edges, weights=weights, histtype="step", color=color, label=f"{name} ({len(some):,})")
    axis.set_ylabel(with_unit("share of the class", "fraction"))


@styled
def distance_figure(predictions: pd.DataFrame, bins: int = 30) -> Figure:
    """Enhancer-promoter distance by class: where the two differ, distance alone tells them apart.

    predictions: label, distance_bp. The scale is logarithmic where distances span more than a factor of 30.
    """
    figure = new_figure(5.2, 3.2)
    axis = figure.subplots()
    distance = predictions["distance_bp"]
    low, high = max(float(distance.min()), 1.0), float(distance.max())
    wide = high / low > 30
    unit, size = ("kb", 1000.0) if high >= 10_000 else ("bp", 1.0)
    scale: Callable[..., np.ndarray] = np.geomspace if wide else np.linspace
    edges = scale(low / size, max(high, low + 1) / size, bins + 1)
    _draw_classes(axis, distance / size, predictions["label"], edges.tolist())
    axis.set(xscale="log" if wide else "linear", xlabel=with_unit("enhancer-promoter distance", unit))
    axis.xaxis.set_major_formatter("{x:,g}")
    legend_below(figure, [axis])  # the bars leave it no room
    return figure


@styled
def score_figure(predictions: pd.DataFrame, models: Sequence[str], bins: int = 25) -> Figure:
    """Predicted probability by class, one panel a model. predictions: label and one column for each model."""
    columns = min(PANELS_IN_ROW, len(models))
    rows = -(-len(models) // columns)
    figure = new_figure(0.7 + 2.6 * columns, 0.3 + 2.4 * rows)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis, model in zip(axes.flat, models, strict=False):
        _draw_classes(axis, predictions[model], predictions["label"], np.linspace(0, 1, bins + 1).tolist())
        axis.set(title=model_name(model), xlabel=with_unit("predicted probability", "1"))
        axis.tick_params(labelbottom=True)
        if axis not in axes[:, 0]:
            axis.set_ylabel("")
    for axis in axes.flat[len(models) :]:
        axis.set_axis_off()
    axes.flat[0].legend()
    return figure


@styled
def comparison_figure(metrics: pd.DataFrame, chosen: Sequence[str] = ("auroc", "auprc", "nll")) -> Figure:
    """Dot plot of each chosen metric by model with its interval, in the order of `metrics.csv`.

    Hollow: after recalibration, which changes no ranking and is left out of AUROC and AUPRC.
    """
    models = [str(model) for model in dict.fromkeys(metrics["model"]) if not str(model).endswith(RECALIBRATED)]
    figure = new_figure(1.8 + 2.5 * len(chosen), 1.1 + 0.34 * len(models))
    axes = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, chosen, strict=True):
        rows = metrics[metrics["metric"] == metric].set_index("model")
        both = metric not in RANKING
        _draw_metric(axis, rows.reindex(models), -0.12 * both, "as it is", {})
        if both:
            recalibrated = rows.reindex([model + RECALIBRATED for model in models])
            _draw_metric(axis, recalibrated, 0.14, "recalibrated", {"markerfacecolor": "white"})
            handles, labels = axis.get_legend_handles_labels()
            axis.legend(handles[::2], labels[::2])
        axis.set(title=metric.upper(), xlabel=with_unit(metric.upper(), "nats per window" if metric == "nll" else "1"))
    axes[0].set_yticks(range(len(models)), [model_name(model) for model in models])
    axes[0].invert_yaxis()
    return figure


def _draw_metric(axis: Axes, rows: pd.DataFrame, shift: float, label: str, look: dict[str, Any]) -> None:
    heights = np.arange(len(rows)) + shift
    mine = rows.index.str.removesuffix(RECALIBRATED) == NETWORK
    for wanted, color in ((mine, BLUE), (~mine, GREY)):
        some = rows[wanted]
        errors = spread(some["estimate"], some["low"], some["high"])
        style = {"fmt": "o", "color": color, "elinewidth": 1.6, "capsize": 2.5, "markersize": 5, **look}
        axis.errorbar(some["estimate"], heights[wanted], xerr=errors, label=label, **style)
