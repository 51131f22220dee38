"""Whether the explanations can be believed: against the true kernel, and against a random control."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.tracks.figures.style import (
    BLACK,
    BLUE,
    GREY,
    OUTPUT_NAMES,
    VERMILION,
    colours,
    new_figure,
    plain,
    spread,
    styled,
    with_unit,
)

RANDOM, TRUTH = "random", "true_kernel"
OUTPUT_COLOURS = {"mean": BLUE, "logvar": VERMILION}


def lag_shares(profile: pd.DataFrame) -> pd.DataFrame:
    """Profiles on one scale: each method's attribution as % of its total absolute attribution over all lags.

    profile: rows of `lag_profile.csv`. Methods have units of their own; their shapes can be compared, not their sizes.
    """
    total = profile["attribution"].abs().groupby([profile["method"], profile["output"]]).transform("sum")
    scaled = profile.copy()
    for column in ("attribution", "low", "high"):
        scaled[column] = 100 * profile[column] / total
    return scaled


def _rows(frame: pd.DataFrame, method: str, output: str) -> pd.DataFrame:
    return frame[(frame["method"] == method) & (frame["output"] == output)]


def _draw_profile(axis: Axes, rows: pd.DataFrame, color: str, label: str, linestyle: str = "-") -> None:
    minutes = rows["lag_s"] / 60
    if rows["low"].notna().all():
        axis.fill_between(minutes, rows["low"], rows["high"], color=color, alpha=0.25, linewidth=0)
    axis.plot(minutes, rows["attribution"], color=color, label=label, linestyle=linestyle)


def draw_lag(axis: Axes, shares: pd.DataFrame, method: str, output: str) -> None:
    """One method's profile over the random control, with the true kernel where it is known.

    The true kernel belongs to the signal, so it is given once, under the mean, and drawn under every output.
    """
    _draw_profile(axis, _rows(shares, RANDOM, output), GREY, "random control")
    _draw_profile(axis, _rows(shares, method, output), OUTPUT_COLOURS[output], plain(method))
    kernel = shares[shares["method"] == TRUTH].drop_duplicates("lag_s")
    if len(kernel):
        sign = np.sign(_rows(shares, method, output)["attribution"].sum()) or 1.0
        axis.plot(
            kernel["lag_s"] / 60, sign * kernel["attribution"], color=BLACK, linestyle="--", label="true kernel"
        )
    axis.axvline(0, color=BLACK, linewidth=0.7, linestyle=":")


def explained_methods(frame: pd.DataFrame) -> list[str]:
    """The methods of a table, in order, without the control and the truth."""
    return [method for method in dict.fromkeys(frame["method"]) if method not in (RANDOM, TRUTH)]


@styled
def lag_figure(shares: pd.DataFrame) -> Figure:
    """Mean attribution against time before the predicted frame: a row a method, a column an output.

    shares: as `lag_shares` returns them.
    """
    methods = explained_methods(shares)
    outputs = [output for output in OUTPUT_NAMES if output in set(shares["output"])]
    figure = new_figure(0.8 + 3.8 * len(outputs), 0.9 + 1.7 * len(methods))
    axes = figure.subplots(len(methods), len(outputs), sharex=True, sharey=True, squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        for axis, output in zip(row, outputs, strict=True):
            draw_lag(axis, shares, method, output)
            axis.set_title(f"{plain(method)}: {OUTPUT_NAMES[output]}")
        row[0].set_ylabel(with_unit("share", "% per frame"))
    for axis in axes[-1]:
        axis.set_xlabel(with_unit("time before predicted frame", "min"))
    axes[0, 0].legend()
    return figure


def _draw_deletion(axis: Axes, rows: pd.DataFrame, shades: dict[object, str]) -> None:
    for method, curve in rows.groupby("method", sort=False):
        color = GREY if method == RANDOM else shades[method]
        percent = 100 * curve["fraction"]
        axis.fill_between(percent, curve["low"], curve["high"], color=color, alpha=0.2, linewidth=0)
        axis.plot(percent, curve["score"], color=color, label=plain(str(method)))


@styled
def deletion_figure(curves: pd.DataFrame) -> Figure:
    """Score against the share of input frames deleted, most attributed first; the control deletes at random.

    curves: rows of `deletion_curve.csv`.
    """
    outputs = [output for output in OUTPUT_NAMES if output in set(curves["output"])]
    shades = colours(explained_methods(curves))
    figure = new_figure(0.8 + 3.8 * len(outputs), 3.2)
    axes = figure.subplots(1, len(outputs), squeeze=False)[0]
    for axis, output in zip(axes, outputs, strict=True):
        _draw_deletion(axis, curves[curves["output"] == output], shades)
        axis.set(title=OUTPUT_NAMES[output], xlabel=with_unit("input frames deleted", "%"))
        axis.set_ylabel(with_unit("change of prediction", "1"))
    axes[0].legend()
    return figure


def _draw_scores(axis: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    heights = pd.Series(np.arange(len(methods)), index=methods)
    outputs = [output for output in OUTPUT_NAMES if output in set(rows["output"])]
    for shift, output in zip(np.linspace(-0.15, 0.15, 2), outputs, strict=False):
        mine = rows[rows["output"] == output]
        axis.errorbar(
            mine["estimate"],
            heights[mine["method"]] + shift,
            xerr=spread(mine["estimate"], mine["low"], mine["high"]),
            fmt="o",
            color=OUTPUT_COLOURS[output],
            markersize=5,
            capsize=2.5,
            label=OUTPUT_NAMES[output],
        )
    positive = rows["estimate"][rows["estimate"] > 0]
    if (rows["estimate"] > 0).all() and (rows["low"] > 0).all() and positive.max() > 50 * positive.min():
        axis.set_xscale("log")


@styled
def faithfulness_figure(faithfulness: pd.DataFrame) -> Figure:
    """Dot plot of every faithfulness metric by method, with intervals; the random control is the last row.

    faithfulness: rows of `faithfulness.csv`.
    """
    metrics = list(dict.fromkeys(faithfulness["metric"]))
    methods = explained_methods(faithfulness)
    methods += [RANDOM] if RANDOM in set(faithfulness["method"]) else []
    columns = min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    figure = new_figure(1.6 + 2.8 * columns, 0.7 + rows * (0.8 + 0.34 * len(methods)))
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _draw_scores(axis, faithfulness[faithfulness["metric"] == metric], methods)
        axis.set_xlabel(with_unit(plain(metric), "1"))
    for axis in axes.flat[len(metrics) :]:
        axis.set_axis_off()
    axes[0, 0].set_yticks(np.arange(len(methods)), [plain(method) for method in methods])
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
