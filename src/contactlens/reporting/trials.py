"""The trials of a sweep, of either branch: a table of the best, and the metric over every key that was searched."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.blocks import Block, FigureBlock, TableBlock
from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    VERMILION,
    legend_below,
    new_figure,
    styled,
    with_unit,
)

ALWAYS = {"trial", "kind", "budget", "epochs"}
KINDS = {"fixed": ("fixed trial", VERMILION, "D"), "search": ("search trial", BLUE, "o")}
BEST_TRIALS = 5


@dataclass(frozen=True)
class Trials:
    """What the columns of a `trials.csv` are.

    metric: what was minimised; label: what an axis calls it
    results: columns that no trial was given
    units: of searched keys, 1 where none is named
    """

    metric: str
    label: str
    results: frozenset[str]
    units: Mapping[str, str] = field(default_factory=dict)


def searched_keys(trials: pd.DataFrame, columns: Trials) -> list[str]:
    """The columns that were searched and took more than one value."""
    given = [column for column in map(str, trials) if column not in ALWAYS | columns.results]
    return [column for column in given if len(trials[column].unique()) > 1]


def best_first(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """By the metric, those that were given the most epochs before all others: it compares at equal epochs."""
    return trials.sort_values(["budget", metric], ascending=[False, True], kind="stable")


def points(axis: Axes, trials: pd.DataFrame, x: str, y: str) -> None:
    """Filled where a trial was given the most epochs, hollow where it was stopped before."""
    most = trials["budget"].max()
    for kind, of_kind in trials.groupby("kind", sort=False):
        label, color, marker = KINDS.get(str(kind), (str(kind), BLACK, "^"))
        for budget, rows in of_kind.groupby("budget"):
            face = color if budget == most else "none"
            name = f"{label}, {budget:g} epochs"
            axis.scatter(rows[x], rows[y], marker=marker, s=22, facecolor=face, edgecolor=color, alpha=0.8, label=name)


def scale_x(axis: Axes, values: pd.Series) -> None:
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


def ceiling(values: pd.Series) -> float:
    """The highest value worth an axis: a few failed trials must not flatten all others."""
    quarter, upper = values.quantile([0.25, 0.75])
    return float(min(values.max(), upper + 3 * (upper - quarter)))


def _clip(axis: Axes, values: pd.Series) -> None:
    top, bottom = ceiling(values), float(values.min())
    margin = 0.07 * (top - bottom) or 0.1
    axis.set_ylim(bottom - margin, top + margin)


def _draw_metric(axis: Axes, trials: pd.DataFrame, key: str, metric: str) -> None:
    """The metric against a key, below the ceiling; trials above it are arrow heads at the upper edge."""
    top = ceiling(trials[metric])
    above = trials[metric] > top
    points(axis, trials[~above], key, metric)
    lost = trials[above]
    if len(lost):
        axis.scatter(lost[key], np.full(len(lost), top), marker="^", color=BLACK, s=24, label="worse, off the axis")
    best = best_first(trials, metric).iloc[0]
    axis.scatter([best[key]], [best[metric]], marker="*", s=110, color=BLACK, zorder=4, label="best trial")
    _clip(axis, trials[metric])
    if pd.api.types.is_numeric_dtype(trials[key]):
        scale_x(axis, trials[key])


@styled
def trials_figure(trials: pd.DataFrame, columns: Trials) -> Figure:
    """The metric against every searched key, one panel a key. trials: rows of `trials.csv`."""
    trials = trials.dropna(subset=[columns.metric])
    keys = searched_keys(trials, columns)
    across = min(4, len(keys))
    rows = math.ceil(len(keys) / across)
    figure = new_figure(0.8 + 2.6 * across, 0.7 + 2.2 * rows)
    axes = figure.subplots(rows, across, sharey=True, squeeze=False)
    for axis, key in zip(axes.flat, keys, strict=False):
        _draw_metric(axis, trials, key, columns.metric)
        axis.set_xlabel(with_unit(key, columns.units.get(key, "1")))
    for axis in axes.flat[len(keys) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel(columns.label)
    legend_below(figure, [axes[0, 0]])
    return figure


def trial_blocks(
    trials: pd.DataFrame, columns: Trials, figure: Callable[[Figure], FigureBlock], caption: Callable[..., str]
) -> list[Block]:
    """`trials_figure`, where there is something to draw, and the table of the best trials.

    figure: makes the branch's block of it; caption: the branch's own, with one for `best_trials`
    """
    best = best_first(trials, columns.metric).head(BEST_TRIALS)
    formats = {str(column): ".4g" for column in best.select_dtypes("float")}
    blocks: list[Block] = [TableBlock(best, caption("best_trials", best=len(best), all=len(trials)), formats)]
    if searched_keys(trials.dropna(subset=[columns.metric]), columns):  # a sweep of one trial has nothing to draw
        blocks.insert(0, figure(trials_figure(trials, columns)))
    return blocks
