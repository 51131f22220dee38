"""Networks beside their baselines: the scores of one system, and every system on one page of common test tracks."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import BLUE, GREY, legend_below, new_figure, plain, spread, styled, with_unit
from contactlens.reporting.metric_names import metric_name, metric_unit

NETWORK, ENSEMBLE, RECALIBRATED = "network", "ensemble", "_recalibrated"
MARKERS = "sD^vPX*<>h"
LABEL_CHARACTERS = 36
LABELS = {"r2": "R² of the signal", "balanced_accuracy": "balanced accuracy of the promoter's state"}


def _draw_metric(axis: Axes, rows: pd.DataFrame, models: list[str]) -> None:
    rows = rows.set_index("model").reindex(models)
    is_network = np.array([model.startswith((NETWORK, ENSEMBLE)) for model in models])
    heights = np.arange(len(models))
    for mine, color in ((is_network, BLUE), (~is_network, GREY)):
        some = rows[mine]
        errors = spread(some["estimate"], some["low"], some["high"])
        axis.errorbar(some["estimate"], heights[mine], xerr=errors, fmt="o", color=color, elinewidth=2, capsize=3)


@styled
def comparison_figure(metrics: pd.DataFrame, signal_unit: str, chosen: Sequence[str] = ("nll", "crps")) -> Figure:
    """Dot plot of each chosen metric by model with its interval, in the order of `metrics.csv`."""
    models = list(dict.fromkeys(metrics["model"]))
    figure = new_figure(1.6 + 3.2 * len(chosen), 1.1 + 0.34 * len(models))
    axes = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, chosen, strict=True):
        _draw_metric(axis, metrics[metrics["metric"] == metric], models)
        axis.set_xlabel(with_unit(metric_name(metric), metric_unit(metric, signal_unit)))
    axes[0].set_yticks(np.arange(len(models)), [plain(model) for model in models])
    axes[0].set_ylim(len(models) - 0.5, -0.5)
    return figure


def headline(metrics: list[str]) -> str:
    """The score that a system is shown by: F1 of its loading times, balanced accuracy of its states, R² of its signal.

    metrics: names of those that it was given; of several tolerances the first is the main one.
    """
    loading = [metric for metric in metrics if metric.startswith("f1_within_") and "_minus_" not in metric]
    return next(name for name in (*loading, "balanced_accuracy", "r2") if name in metrics)


def headline_frame(systems: pd.DataFrame) -> pd.DataFrame:
    """Rows of `systems.csv` that hold each system's `headline`, of the network and of its baselines as they are, before
    recalibration; `system` names task and model, and what else its command sets."""
    chosen = systems.groupby("command")["metric"].transform(lambda names: headline(list(dict.fromkeys(names))))
    shown = systems[(systems["metric"] == chosen) & ~systems["row"].str.endswith(RECALIBRATED)]
    settings = shown["command"].str.findall(r"--set tracks\.(?:\w+\.)*(\w+=\S+)").str.join(", ")
    settings = settings.map(lambda text: "\n".join(wrap(text, LABEL_CHARACTERS)))
    names = shown["task"] + ", " + shown["model"] + settings.where(settings == "", "\n" + settings)
    return shown.assign(system=names).reset_index(drop=True)


def _label(metric: str) -> str:
    if metric.startswith("f1_within_"):
        return f"F1 of loading times within {metric.removeprefix('f1_within_').removesuffix('s')} s"
    return LABELS[metric]


def _draw_panel(axis: Axes, rows: pd.DataFrame, markers: Mapping[str, str]) -> None:
    names = list(dict.fromkeys(rows["system"]))
    heights = pd.Series(np.arange(len(names)), index=names)
    for model, mine in rows.groupby("row", sort=False):
        own = model == NETWORK
        axis.errorbar(
            mine["estimate"],
            heights[mine["system"]],
            xerr=spread(mine["estimate"], mine["low"], mine["high"]),
            fmt="o" if own else markers[str(model)],
            color=BLUE if own else GREY,
            markersize=6 if own else 5,
            elinewidth=1.8 if own else 1.0,
            capsize=2.5,
            zorder=3 if own else 2,
            label=plain(str(model)),
        )
    axis.set_yticks(heights, names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(with_unit(_label(str(rows["metric"].iloc[0])), "1"))


@styled
def systems_figure(headlines: pd.DataFrame) -> Figure:
    """One panel a kind of score, one row a system: the network in blue, its baselines and controls in grey.

    headlines: as `headline_frame` returns it.
    """
    panels = [part for _, part in headlines.groupby("metric", sort=False)]
    counts = [part["system"].nunique() for part in panels]
    baselines = [row for row in dict.fromkeys(headlines["row"]) if row != NETWORK]
    markers = {model: MARKERS[index % len(MARKERS)] for index, model in enumerate(baselines)}
    figure = new_figure(8.0, 0.9 + sum(0.75 + 0.52 * count for count in counts))
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[count + 1 for count in counts])[:, 0]
    for axis, part in zip(axes, panels, strict=True):
        _draw_panel(axis, part, markers)
    legend_below(figure, list(axes), most_columns=4)
    return figure
