"""Whether contributions of bases can be believed: beside their controls, and whether relevance is conserved."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    CYCLE,
    GREY,
    ORANGE,
    colours,
    legend_below,
    new_figure,
    plain,
    spread,
    styled,
    with_unit,
)

RANDOM = "random"
PERMUTED, LEGEND_COLUMNS = ":", 3
NAMES = {"lrp": "LRP", "auroc": "AUROC", "auprc": "AUPRC"}
PANELS = ("planted_auroc", "planted_auprc", "decoy_auroc", "deletion_gain", "insertion_gain", "mutation_correlation")
DRAWN = {"deletion": "bases replaced, largest contribution first", "insertion": "bases put back, largest first"}
SHARES = {"tokens": "bases", "convolution": "bias of convolutions", "norm": "bias of norms", "head": "bias of the head"}


def name_of(column: str) -> str:
    """A method's or metric's name as words."""
    return " ".join(NAMES.get(word, word) for word in plain(column).split())


def explained(frame: pd.DataFrame) -> list[str]:
    """The methods of a table, in order, without the random control."""
    return [str(method) for method in dict.fromkeys(frame["method"]) if method != RANDOM]


def _draw_curves(axis: Axes, rows: pd.DataFrame, shades: dict[object, str]) -> None:
    lines = {method: "-" if index < len(CYCLE) else "--" for index, method in enumerate(shades)}
    for (method, control), curve in rows.groupby(["method", "control"], sort=False):
        color = GREY if method == RANDOM else shades[method]
        percent = 100 * curve["fraction"]
        if control and method != RANDOM:
            axis.plot(percent, curve["score"], PERMUTED, color=color)
            continue
        axis.fill_between(percent, curve["low"], curve["high"], color=color, alpha=0.18, linewidth=0)
        axis.plot(percent, curve["score"], lines.get(method, "-"), color=color, label=name_of(str(method)))


@styled
def curves_figure(curves: pd.DataFrame) -> Figure:
    """Deletion and insertion curves of every method, of its own permutation, and of a random order.

    curves: rows of `curves.csv`.
    """
    drawn = [name for name in DRAWN if name in set(curves["curve"])]
    shades = colours(explained(curves))
    figure = new_figure(0.8 + 4.0 * len(drawn), 3.8)
    axes = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, drawn, strict=True):
        _draw_curves(axis, curves[curves["curve"] == name], shades)
        axis.set(title=name, xlabel=with_unit(DRAWN[name], "%"))
    axes[0].set_ylabel(with_unit("change of the logit that is left", "share"))
    axes[0].plot([], [], PERMUTED, color=GREY, label="its own, permuted (its colour)")
    legend_below(figure, axes, LEGEND_COLUMNS)
    return figure


def _draw_scores(axis: Axes, rows: pd.DataFrame, methods: Sequence[str]) -> None:
    height = {method: place for place, method in enumerate(methods)}
    mine = rows["method"] != RANDOM
    kinds = (
        ("method", ~rows["control"], BLUE, BLUE, -0.1),
        ("its own, permuted within elements", rows["control"] & mine, BLUE, "white", 0.12),
        ("random order", rows["control"] & ~mine, GREY, GREY, 0.0),
    )
    for label, chosen, color, face, shift in kinds:
        some = rows[chosen]
        if some.empty:
            continue
        errors = spread(some["estimate"], some["low"], some["high"])
        places = some["method"].map(height) + shift
        style: dict[str, Any] = {
            "fmt": "o",
            "markersize": 5,
            "capsize": 2.5,
            "elinewidth": 1.2,
            "markerfacecolor": face,
        }
        axis.errorbar(some["estimate"], places, xerr=errors, color=color, label=label, **style)


@styled
def faithfulness_figure(faithfulness: pd.DataFrame) -> Figure:
    """Dot plot of each metric of `PANELS` that was computed, a row a method, its controls beside it.

    faithfulness: rows of `faithfulness.csv`. Dotted: chance, where chance has a fixed value.
    """
    metrics = [metric for metric in PANELS if metric in set(faithfulness["metric"])]
    faithfulness = faithfulness[faithfulness["metric"].isin(metrics)]
    methods = [*explained(faithfulness), *([RANDOM] if RANDOM in set(faithfulness["method"]) else [])]
    columns = min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    figure = new_figure(1.6 + 2.7 * columns, 0.8 + rows * (0.8 + 0.34 * len(methods)))
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _draw_scores(axis, faithfulness[faithfulness["metric"] == metric], methods)
        if not metric.endswith("auprc"):
            axis.axvline(0.5 if metric.endswith("auroc") else 0.0, color=BLACK, linestyle=":", linewidth=0.9)
        axis.set_xlabel(with_unit(name_of(metric), "1"))
    for axis in axes.flat[len(metrics) :]:
        axis.set_axis_off()
    axes[0, 0].set_yticks(np.arange(len(methods)), [name_of(method) for method in methods])
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    legend_below(figure, list(axes.flat))
    return figure


def conservation_frame(conservation: pd.DataFrame) -> pd.DataFrame:
    """`conservation.csv` with `relative_gap`, |gap| / |logit| of each window."""
    return conservation.assign(relative_gap=conservation["gap"].abs() / conservation["logit"].abs())


@styled
def conservation_figure(frame: pd.DataFrame) -> Figure:
    """What is lost or made up by each variant, a dot a window, and where the logit of LRP goes.

    frame: `conservation_frame`.
    """
    methods = list(dict.fromkeys(frame["method"]))
    figure = new_figure(9.0, 0.9 + 0.42 * len(methods))
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for place, method in enumerate(methods):
        gap = np.maximum(frame.loc[frame["method"] == method, "relative_gap"], 1e-9)
        jitter = np.linspace(-0.22, 0.22, len(gap))
        left.plot(gap, place + jitter, ".", color=BLUE if method == "lrp" else ORANGE, markersize=3.5, alpha=0.7)
        left.plot([np.median(gap)] * 2, [place - 0.35, place + 0.35], color=BLACK, linewidth=1.6)
    left.set(
        xscale="log", xlabel=with_unit("|sum of relevance − logit| / |logit|", "1"), title="relevance lost or made up"
    )
    left.set_yticks(range(len(methods)), [name_of(method) for method in methods])
    left.invert_yaxis()
    rows = frame[frame["method"] == "lrp"]
    shares = {label: float((rows[key] / rows["logit"]).median()) for key, label in SHARES.items()}
    right.barh(list(shares), list(shares.values()), color=[BLUE, *CYCLE[1:4]])
    for place, share in enumerate(shares.values()):
        right.text(
            share, place, f" {100 * share:.3g} % ", va="center", ha="left" if share >= 0 else "right", fontsize=8
        )
    right.axvline(0, color=BLACK, linewidth=0.7)
    right.margins(x=0.45)
    right.set(title="where the logit goes (LRP)", xlabel=with_unit("median share of the logit", "1"))
    right.invert_yaxis()
    return figure
