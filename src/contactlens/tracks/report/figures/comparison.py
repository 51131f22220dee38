"""The network beside its baselines."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import BLUE, GREY, new_figure, plain, spread, styled, with_unit
from contactlens.reporting.metric_names import metric_name, metric_unit


def _draw_metric(axis: Axes, rows: pd.DataFrame, models: list[str]) -> None:
    rows = rows.set_index("model").reindex(models)
    is_network = np.array([model.startswith("network") for model in models])
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
