"""What the hyper-parameter search tried, and how far the gate's midpoint depends on it."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    VERMILION,
    legend_below,
    new_figure,
    styled,
    true_line,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver

RESULTS = {
    "trial",
    "kind",
    "seed_offset",
    "budget",
    "epochs",
    "gate_midpoint",
    "validation_nll",
    "validation_crps",
    "validation_mace",
}
KINDS = {"fixed": ("fixed trial", VERMILION, "D"), "search": ("search trial", BLUE, "o")}
KEY_UNITS = {
    "lambda_contact": "nats",
    "lambda_var": "nats",
    "lambda_prior": "nats",
    "target_logvar": "log variance",
    "anneal_epochs": "epochs",
    "width": "channels",
    "depth": "levels",
}
NLL_LABEL = with_unit("validation NLL", "nats per frame")


class MeasuredRadius(NamedTuple):
    """The contact radius by `tracks/radius`, with its interval; `low` is 0 for an upper bound. In the driver's unit."""

    estimate: float
    low: float
    high: float


def searched_keys(trials: pd.DataFrame) -> list[str]:
    """The columns of `trials.csv` that were searched and took more than one value."""
    return [column for column in map(str, trials) if column not in RESULTS and len(trials[column].unique()) > 1]


def best_first(trials: pd.DataFrame) -> pd.DataFrame:
    """By validation NLL, those that were given the most epochs before all others: an NLL compares at equal epochs."""
    return trials.sort_values(["budget", "validation_nll"], ascending=[False, True], kind="stable")


def sensitivity(trials: pd.DataFrame) -> pd.DataFrame:
    """The fixed trials that differ in lambda_contact and seed alone, in order of lambda_contact."""
    fixed = trials[trials["kind"] == "fixed"]
    usual = fixed.loc[fixed["lambda_contact"] > 0, "radius_init"]
    return fixed[fixed["radius_init"].isin(usual)].sort_values("lambda_contact", kind="stable")


def _points(axis: Axes, trials: pd.DataFrame, x: str, y: str) -> None:
    """Filled where a trial was given the most epochs, hollow where it was stopped before."""
    most = trials["budget"].max()
    for kind, of_kind in trials.groupby("kind", sort=False):
        label, color, marker = KINDS.get(str(kind), (str(kind), BLACK, "^"))
        for budget, rows in of_kind.groupby("budget"):
            face = color if budget == most else "none"
            name = f"{label}, {budget:g} epochs"
            axis.scatter(rows[x], rows[y], marker=marker, s=22, facecolor=face, edgecolor=color, alpha=0.8, label=name)


def _scale_x(axis: Axes, values: pd.Series) -> None:
    """Logarithmic where values span a factor of 30; linear near zero where zero is among them."""
    positive = values[values > 0]
    if (values < 0).any() or positive.empty or positive.max() < 30 * positive.min():
        return
    if (values == 0).any():
        threshold = 10.0 ** math.floor(math.log10(positive.min()))
        axis.set_xscale("symlog", linthresh=threshold, linscale=0.6)
        axis.set_xlim(-0.3 * threshold, 2 * positive.max())
        decades = math.ceil(math.log10(positive.max() / threshold) / 4)
        powers = np.arange(round(math.log10(threshold)), math.log10(positive.max()) + 0.1, max(decades, 1))
        axis.set_xticks([0.0, *(10.0**powers)])
        axis.minorticks_off()
    else:
        axis.set_xscale("log")


def _draw_curve(axis: Axes, curve: pd.DataFrame, y: str) -> None:
    """Each seed as a point, and the mean with the standard deviation over seeds, where there are several."""
    label = "one seed"
    axis.scatter(curve["lambda_contact"], curve[y], color=VERMILION, s=12, alpha=0.6, linewidth=0, label=label)
    at = curve.groupby("lambda_contact")[y].agg(["mean", "std"])
    label = "mean and SD over seeds" if at["std"].notna().any() else "only lambda_contact changed"
    spread = at["std"].fillna(0.0)
    axis.errorbar(at.index, at["mean"], yerr=spread, color=VERMILION, linewidth=1, capsize=3, label=label)
    _scale_x(axis, curve["lambda_contact"])


def _draw_measured(axis: Axes, measured: MeasuredRadius | None) -> None:
    if measured is not None:
        label = "measured radius, interval" if measured.low > 0 else "measured radius, below its bound"
        axis.axhspan(measured.low, measured.high, color=GREEN, alpha=0.2, linewidth=0, label=label)
        axis.axhline(measured.estimate if measured.low > 0 else measured.high, color=GREEN, linewidth=1)


def _draw_starts(
    axis: Axes, trials: pd.DataFrame, driver: Driver, true_radius: float | None, measured: MeasuredRadius | None
) -> None:
    starts = trials[(trials["kind"] == "fixed") & (trials["lambda_contact"] == 0)]
    _points(axis, starts, "radius_init", "gate_midpoint")
    _draw_measured(axis, measured)
    ends = [starts["radius_init"].min(), starts["radius_init"].max()]
    axis.plot(ends, ends, color=BLACK, linestyle=":", linewidth=1, label="unchanged")
    true_line(axis, true_radius, "true radius", horizontal=True)
    axis.set_xlabel(with_unit("midpoint at the start", driver.unit))
    axis.set_ylabel(with_unit("gate's midpoint", driver.unit))
    axis.set_title("start, at lambda_contact 0")


@styled
def gate_midpoint_figure(
    trials: pd.DataFrame, driver: Driver, true_radius: float | None = None, measured: MeasuredRadius | None = None
) -> Figure:
    """The gate's midpoint and validation NLL over lambda_contact, over seeds, and the midpoint against its start at 0
    of it.

    Beside the midpoint stands the measured contact radius, which the regulariser of a predictor does not move.

    trials: rows of `trials.csv`; radii in the driver's unit.
    """
    trials = trials.dropna(subset=["validation_nll"])
    figure = new_figure(10.2, 3.4)
    left, middle, right = figure.subplots(1, 3)
    curve = sensitivity(trials)
    _draw_curve(left, curve, "gate_midpoint")
    _draw_measured(left, measured)
    true_line(left, true_radius, "true radius", horizontal=True)
    _draw_curve(middle, curve, "validation_nll")
    for axis in (left, middle):
        axis.set_xlabel(with_unit("lambda_contact", "nats"))
    left.set(ylabel=with_unit("gate's midpoint", driver.unit), title="gate's midpoint")
    middle.set(ylabel=NLL_LABEL, title="validation NLL")
    _draw_starts(right, trials, driver, true_radius, measured)
    legend_below(figure, [left, middle, right])
    return figure


def ceiling(values: pd.Series) -> float:
    """The highest value worth an axis: a few failed trials must not flatten all others."""
    quarter, upper = values.quantile([0.25, 0.75])
    return float(min(values.max(), upper + 3 * (upper - quarter)))


def _clip(axis: Axes, values: pd.Series) -> None:
    top, bottom = ceiling(values), float(values.min())
    margin = 0.07 * (top - bottom) or 0.1
    axis.set_ylim(bottom - margin, top + margin)


def _draw_nll(axis: Axes, trials: pd.DataFrame, key: str) -> None:
    """Validation NLL against a key, below the ceiling; trials above it are arrow heads at the upper edge."""
    top = ceiling(trials["validation_nll"])
    above = trials["validation_nll"] > top
    _points(axis, trials[~above], key, "validation_nll")
    lost = trials[above]
    if len(lost):
        axis.scatter(lost[key], np.full(len(lost), top), marker="^", color=BLACK, s=24, label="worse, off the axis")
    best = best_first(trials).iloc[0]
    axis.scatter([best[key]], [best["validation_nll"]], marker="*", s=110, color=BLACK, zorder=4, label="best trial")
    _clip(axis, trials["validation_nll"])
    if pd.api.types.is_numeric_dtype(trials[key]):
        _scale_x(axis, trials[key])


@styled
def sweep_figure(trials: pd.DataFrame, driver: Driver) -> Figure:
    """Validation NLL against every searched key, one panel a key. trials: rows of `trials.csv`."""
    trials = trials.dropna(subset=["validation_nll"])
    keys = searched_keys(trials)
    units = KEY_UNITS | {"radius_init": driver.unit}
    columns = min(4, len(keys))
    rows = math.ceil(len(keys) / columns)
    figure = new_figure(0.8 + 2.6 * columns, 0.7 + 2.2 * rows)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, key in zip(axes.flat, keys, strict=False):
        _draw_nll(axis, trials, key)
        axis.set_xlabel(with_unit(key, units.get(key, "1")))
    for axis in axes.flat[len(keys) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel(NLL_LABEL)
    legend_below(figure, [axes[0, 0]])
    return figure
