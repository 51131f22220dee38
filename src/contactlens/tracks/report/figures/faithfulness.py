"""Whether the explanations can be believed: against the true kernel, and against a random control."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    OUTPUT_NAMES,
    VERMILION,
    colours,
    legend_below,
    new_figure,
    plain,
    spread,
    styled,
    true_line,
    with_unit,
)

RANDOM, TRUTH = "random", "true_kernel"
METRIC_NAMES = {"lag_peak_s": ("lag of the peak", "s"), "lag_mean_s": ("mean lag", "s")}
OUTPUT_COLOURS = {"mean": BLUE, "logvar": VERMILION, "p_signal": GREEN, "logit": BLUE, "uncertainty": VERMILION}
LINES = ("-", "--", ":")  # the palette has fewer colours than there may be methods
FEW_METHODS, CURVE_COLUMNS = 4, 4


def _rows(frame: pd.DataFrame, method: str, output: str) -> pd.DataFrame:
    return frame[(frame["method"] == method) & (frame["output"] == output)]


def _draw_profile(axis: Axes, rows: pd.DataFrame, color: str, label: str) -> None:
    minutes = rows["lag_s"] / 60
    axis.fill_between(minutes, rows["low"], rows["high"], color=color, alpha=0.25, linewidth=0)
    axis.plot(minutes, rows["attribution"], color=color, label=label)


def draw_lag(axis: Axes, profile: pd.DataFrame, method: str, output: str, label: str | None = None) -> None:
    """One method's profile over the random control, with the true kernel if that output has one.

    label: of the method, its name where None
    """
    _draw_profile(axis, _rows(profile, RANDOM, output), GREY, "random control")
    _draw_profile(axis, _rows(profile, method, output), OUTPUT_COLOURS[output], label or plain(method))
    kernel = _rows(profile, TRUTH, output)
    if len(kernel):
        axis.plot(kernel["lag_s"] / 60, kernel["attribution"], color=BLACK, linestyle="--", label="true kernel")
    axis.axvline(0, color=BLACK, linewidth=0.7, linestyle=":")


def metric_label(metric: str) -> str:
    """Name and unit of a metric of `faithfulness.csv`."""
    name, unit = METRIC_NAMES.get(metric, (plain(metric), "1"))
    return with_unit(name, unit)


def explained_methods(frame: pd.DataFrame) -> list[str]:
    """The methods of a table, in order, without the control and the truth."""
    return [method for method in dict.fromkeys(frame["method"]) if method not in (RANDOM, TRUTH)]


@styled
def lag_figure(profile: pd.DataFrame) -> Figure:
    """Attribution against time before the predicted frame: a row a method, a column an output.

    profile: rows of `lag_profile.csv`, in units of each method's peak.
    """
    methods = explained_methods(profile)
    outputs = [output for output in OUTPUT_NAMES if output in set(profile["output"])]
    height = 1.7 if len(methods) <= FEW_METHODS else 1.2
    figure = new_figure(0.8 + 3.8 * len(outputs), 0.9 + height * len(methods))
    axes = figure.subplots(len(methods), len(outputs), sharex=True, sharey=True, squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        for axis, output in zip(row, outputs, strict=True):
            if len(_rows(profile, method, output)):
                draw_lag(axis, profile, method, output, f"method, {OUTPUT_NAMES[output]}")
            else:
                axis.text(0.5, 0.5, "not allowed", transform=axis.transAxes, ha="center", color=GREY)
            axis.set_title(f"{plain(method)}: {OUTPUT_NAMES[output]}")
    axes[len(methods) // 2, 0].set_ylabel(with_unit("attribution", "peak = 1"))  # one: low rows have no room for each
    for axis in axes[-1]:
        axis.set_xlabel(with_unit("time before predicted frame", "min"))
    legend_below(figure, axes[0])
    return figure


def _draw_curves(axis: Axes, rows: pd.DataFrame, shades: dict[object, str]) -> None:
    lines = {method: LINES[index // len(CYCLE) % len(LINES)] for index, method in enumerate(shades)}
    for method, curve in rows.groupby("method", sort=False):
        color = GREY if method == RANDOM else shades[method]
        percent = 100 * curve["fraction"]
        axis.fill_between(percent, curve["low"], curve["high"], color=color, alpha=0.2, linewidth=0)
        axis.plot(percent, curve["score"], color=color, linestyle=lines.get(method, "-"), label=plain(str(method)))


def _replacement_figure(curves: pd.DataFrame, replaced: str) -> Figure:
    outputs = [output for output in OUTPUT_NAMES if output in set(curves["output"])]
    shades = colours(explained_methods(curves))
    figure = new_figure(max(0.8 + 3.8 * len(outputs), 6.0), 3.2 + 0.2 * (len(shades) // CURVE_COLUMNS))
    axes = figure.subplots(1, len(outputs), sharey=True, squeeze=False)[0]
    for axis, output in zip(axes, outputs, strict=True):
        _draw_curves(axis, curves[curves["output"] == output], shades)
        axis.set(title=OUTPUT_NAMES[output], xlabel=with_unit(f"input frames {replaced}", "%"))
    axes[0].set_ylabel(with_unit("change of the\nprediction", "share of largest"))
    legend_below(figure, axes, CURVE_COLUMNS)
    return figure


@styled
def deletion_figure(curves: pd.DataFrame) -> Figure:
    """Change of the prediction against the input frames deleted, most attributed first; control: at random.

    curves: rows of `deletion_curve.csv`.
    """
    return _replacement_figure(curves, "deleted")


@styled
def insertion_figure(curves: pd.DataFrame) -> Figure:
    """Change of the prediction from that of the reference against the input frames put into it, likewise.

    curves: rows of `insertion_curve.csv`.
    """
    return _replacement_figure(curves, "inserted")


def _draw_scores(axis: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    heights = pd.Series(np.arange(len(methods)), index=methods)
    outputs = [output for output in OUTPUT_NAMES if output in set(rows["output"])]
    shifts = np.linspace(-0.15, 0.15, 2) if len(outputs) > 1 else [0.0]
    for shift, output in zip(shifts, outputs, strict=True):
        mine = rows[(rows["output"] == output) & (rows["method"] != TRUTH)]
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
    axis.locator_params(axis="x", nbins=5)
    truth = rows.loc[rows["method"] == TRUTH, "estimate"]
    true_line(axis, float(truth.iloc[0]) if len(truth) else None, "truth")


@styled
def faithfulness_figure(faithfulness: pd.DataFrame) -> Figure:
    """Dot plot of every metric that compares methods, with intervals; the random control is the last row.

    faithfulness: rows of `faithfulness.csv`. Gains are left out: they are areas less the control's.
    """
    compared = faithfulness.groupby("metric", sort=False)["method"].nunique()
    metrics = [str(metric) for metric in compared.index[compared > 1] if not str(metric).endswith("_gain")]
    methods = explained_methods(faithfulness)
    methods += [RANDOM] if RANDOM in set(faithfulness["method"]) else []
    columns = 2 if len(metrics) == 4 else min(len(metrics), 3 if len(metrics) < 9 else 4)
    rows = -(-len(metrics) // columns)
    row_height = 0.34 if len(methods) <= FEW_METHODS + 1 else 0.24
    figure = new_figure(1.6 + 2.8 * columns, 0.7 + rows * (0.8 + row_height * len(methods)))
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _draw_scores(axis, faithfulness[faithfulness["metric"] == metric], methods)
        axis.set_xlabel(metric_label(metric))
    for axis in axes.flat[len(metrics) :]:
        axis.set_axis_off()
    axes[0, 0].set_yticks(np.arange(len(methods)), [plain(method) for method in methods])
    axes[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    legend_below(figure, list(axes.flat))
    return figure
