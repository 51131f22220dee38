"""Whether the predicted uncertainty is the right size, before and after recalibration."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    ORANGE,
    new_figure,
    plain,
    spread,
    styled,
    with_unit,
)

BEFORE, AFTER = ("before recalibration", ORANGE, "o"), ("after recalibration", BLUE, "s")
STAGES = {
    **dict.fromkeys(("network", "ensemble"), BEFORE),
    **dict.fromkeys(("network_recalibrated", "ensemble_recalibrated"), AFTER),
}


def _look(model: str) -> tuple[str, str, str]:
    return STAGES.get(model, (plain(model), BLACK, "^"))


def draw_reliability(axis: Axes, reliability: pd.DataFrame, difference: bool = False) -> None:
    """Observed against expected share, with the bootstrap band; as difference from the diagonal if asked."""
    for model, rows in reliability.groupby("model", sort=False):
        label, color, marker = _look(str(model))
        base = rows["expected"] if difference else 0.0
        axis.fill_between(
            rows["expected"], rows["low"] - base, rows["high"] - base, color=color, alpha=0.25, linewidth=0
        )
        axis.plot(rows["expected"], rows["observed"] - base, color=color, marker=marker, markersize=3, label=label)
    axis.plot([0, 1], [0, 0] if difference else [0, 1], color=BLACK, linestyle="--", linewidth=1)


@styled
def reliability_figure(
    reliability: pd.DataFrame, expected: str = "expected share", observed: str = "observed share"
) -> Figure:
    """Reliability diagram, and below it the distance from the diagonal, where small errors can be seen.

    reliability: model, expected, observed, low, high; the latter two arguments name what they are shares of.
    """
    figure = new_figure(4.8, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
    draw_reliability(upper, reliability)
    draw_reliability(lower, reliability, difference=True)
    upper.set(ylabel=with_unit(observed, "fraction"), ylim=(0, 1), xlim=(0, 1))
    upper.legend()
    lower.set(xlabel=with_unit(expected, "fraction"), ylabel=with_unit("observed - expected", "fraction"))
    return figure


def _draw_pit(axis: Axes, rows: pd.DataFrame, model: str) -> None:
    label, color, _ = _look(model)
    centre = (rows["bin_left"] + rows["bin_right"]) / 2
    width = rows["bin_right"] - rows["bin_left"]
    axis.bar(centre, rows["density"], width=width, color=color, alpha=0.6, edgecolor="white", linewidth=0.5)
    errors = spread(rows["density"], rows["low"], rows["high"])
    axis.errorbar(centre, rows["density"], yerr=errors, fmt="none", ecolor=BLACK, elinewidth=0.9, capsize=2)
    axis.axhline(1.0, color=BLACK, linestyle="--", linewidth=1)
    axis.set(title=label, xlabel=with_unit("probability integral transform", "probability"), xlim=(0, 1))


@styled
def pit_figure(pit: pd.DataFrame) -> Figure:
    """PIT histograms side by side; a calibrated model is flat at density 1."""
    models = list(dict.fromkeys(pit["model"]))
    figure = new_figure(0.8 + 3.6 * len(models), 3.0)
    axes = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for axis, model in zip(axes, models, strict=True):
        _draw_pit(axis, pit[pit["model"] == model], model)
    axes[0].set_ylabel(with_unit("density", "uniform = 1"))
    return figure


@styled
def ence_figure(bins: pd.DataFrame, signal_unit: str) -> Figure:
    """RMSE against root mean predicted variance, in bins of that variance; the line is calibrated."""
    figure = new_figure(4.6, 4.2)
    axis = figure.subplots()
    for model, rows in bins.groupby("model", sort=False):
        label, color, marker = _look(str(model))
        axis.plot(rows["rmv"], rows["rmse"], color=color, marker=marker, markersize=4.5, label=label)
    top = 1.06 * float(bins[["rmv", "rmse"]].max().max())
    axis.plot([0, top], [0, top], color=BLACK, linestyle="--", linewidth=1, label="calibrated")
    axis.set(
        xlabel=with_unit("root mean predicted variance", signal_unit),
        ylabel=with_unit("root mean squared error", signal_unit),
        xlim=(0, top),
        ylim=(0, top),
    )
    axis.legend()
    return figure
