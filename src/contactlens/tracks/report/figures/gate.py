"""The learned gate beside the distances that it sees."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from contactlens.reporting.figure_style import (
    BLUE,
    GREY,
    new_figure,
    styled,
    true_line,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver

GRID_POINTS = 400
BINS = 60


def gate_frame(seeds: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """What the gate figure shows: series (gate | histogram), seed, value (driver's unit), width, height.

    The gate is sigmoid(gate_alpha * (gate_midpoint - value)) for each row of `seeds.csv`; the histogram's heights
    are shares of `values`, the flat observed driver. Values above the 99.5th percentile are left off.
    """
    values = values[np.isfinite(values)]
    top = float(np.quantile(values, 0.995))
    bottom = min(0.0, float(values.min()))
    grid = np.linspace(bottom, top, GRID_POINTS)
    curves = [
        pd.DataFrame({"series": "gate", "seed": int(seed), "value": grid, "height": expit(alpha * (midpoint - grid))})
        for seed, alpha, midpoint in seeds[["seed", "gate_alpha", "gate_midpoint"]].to_numpy()
    ]
    counts, edges = np.histogram(values, bins=BINS, range=(bottom, top))
    histogram = pd.DataFrame(
        {"series": "histogram", "value": edges[:-1], "width": np.diff(edges), "height": counts / len(values)}
    )
    return pd.concat([*curves, histogram], ignore_index=True)


def draw_gate(axis: Axes, frame: pd.DataFrame, seeds: pd.DataFrame, true_radius: float | None) -> None:
    """The gate of every seed; the shaded span is the range of the gate's midpoint over seeds."""
    curves = frame[frame["series"] == "gate"]
    for index, (_, curve) in enumerate(curves.groupby("seed")):
        label = f"gate, {len(seeds)} seeds" if index == 0 else None
        axis.plot(curve["value"], curve["height"], color=BLUE, alpha=0.8, label=label)
    axis.axvspan(
        seeds["gate_midpoint"].min(),
        seeds["gate_midpoint"].max(),
        color=BLUE,
        alpha=0.2,
        linewidth=1,
        label="gate's midpoint, range",
    )
    true_line(axis, true_radius, "true radius")
    axis.set_ylim(-0.03, 1.03)


def draw_histogram(axis: Axes, frame: pd.DataFrame, true_radius: float | None) -> None:
    bars = frame[frame["series"] == "histogram"]
    axis.bar(bars["value"], 100 * bars["height"], width=bars["width"], align="edge", color=GREY)
    true_line(axis, true_radius, "true radius")


@styled
def gate_figure(frame: pd.DataFrame, seeds: pd.DataFrame, driver: Driver, true_radius: float | None = None) -> Figure:
    """The gate as a function of the driver, above the histogram of the driver on the same axis.

    frame: as `gate_frame` returns it; seeds: rows of `seeds.csv`; true_radius in the driver's unit.
    """
    figure = new_figure(5.6, 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    draw_gate(upper, frame, seeds, true_radius)
    draw_histogram(lower, frame, true_radius)
    upper.set_ylabel(with_unit("gate", "open = 1"))
    upper.legend()
    lower.set(xlabel=with_unit(driver.name, driver.unit), ylabel=with_unit("frames", "% per bin"))
    return figure
