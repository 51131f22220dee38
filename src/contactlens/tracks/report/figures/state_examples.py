"""Example tracks with their decoded promoter states."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import BLACK, BLUE, YELLOW, legend_below, new_figure, styled, with_unit
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.report.figures.tracks_examples import (
    draw_driver,
    draw_gate_course,
    example_title,
    shade_states,
    share_time,
    with_gaps,
)

# Column of the predictions, its name and colour, from the lower strip to the upper one.
STRIPS = (("on", "decoded on", BLUE), ("state", "truly on", YELLOW))
HEIGHTS = {"driver": 2.2, "gate": 1.5, "signal": 2.0, "p_on": 1.7, "states": 0.8}  # inches


def _runs(on: np.ndarray, minutes: np.ndarray) -> list[tuple[float, float]]:
    """Start and width (min) of each run of frames that are on; a frame stands for half an interval on either side."""
    step = float(minutes[1] - minutes[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(int)))
    return [(minutes[first] - step / 2, (last - first) * step) for first, last in edges.reshape(-1, 2)]


def _draw_strips(axis: Axes, track: pd.DataFrame) -> None:
    minutes = track["time_s"].to_numpy() / 60
    for row, (column, label, color) in enumerate(STRIPS):
        runs = _runs(track[column].eq(True).to_numpy(), minutes)
        axis.broken_barh(runs, (row, 0.8), color=color, linewidth=0, label=label)
    axis.set(ylim=(-0.1, 1.9), yticks=[0.4, 1.4], yticklabels=["decoded", "truth"])
    axis.grid(False)


def _draw_column(
    panels: dict[str, Axes],
    track: pd.DataFrame,
    driver: Driver,
    radius: float,
    true_radius: float | None,
    promoter_state: pd.DataFrame | None,
) -> None:
    full = with_gaps(track)
    minutes = full["time_s"] / 60
    for name, axis in panels.items():
        if name != "states":
            shade_states(axis, promoter_state, str(track["track_id"].iloc[0]))
    draw_driver(panels["driver"], full, driver, radius, true_radius)
    if "gate" in panels:
        draw_gate_course(panels["gate"], full)
    panels["signal"].plot(minutes, full["ms2"], color=BLACK, linewidth=0.8)
    panels["p_on"].plot(minutes, full["p_on"], color=BLUE)
    panels["p_on"].set_ylim(-0.03, 1.03)
    _draw_strips(panels["states"], full)
    panels["driver"].set_title(example_title(track))
    panels["states"].set_xlabel(with_unit("time", "min"))


@styled
def state_examples_figure(
    examples: pd.DataFrame,
    driver: Driver,
    signal_unit: str,
    radius: float,
    true_radius: float | None = None,
    promoter_state: pd.DataFrame | None = None,
) -> Figure:
    """Driver, gate, signal, P(on), and the decoded state below the true one; one column a track.

    examples: of `example_frames`, with state, p_on and on; radii in the driver's unit, `radius` NaN for a model
        without a gate
    promoter_state: the truth's on-intervals, shaded
    """
    tracks = [track for _, track in examples.groupby("percentile", sort=True)]
    names = [name for name in HEIGHTS if name != "gate" or np.isfinite(radius)]
    heights = [HEIGHTS[name] for name in names]
    figure = new_figure(1.2 + 3.3 * len(tracks), 0.8 + sum(heights))
    axes = figure.subplots(len(names), len(tracks), sharey="row", squeeze=False, height_ratios=heights)
    for column, track in zip(axes.T, tracks, strict=True):
        _draw_column(dict(zip(names, column, strict=True)), track, driver, radius, true_radius, promoter_state)
        share_time(column)
    _label_rows(dict(zip(names, axes[:, 0], strict=True)), driver, signal_unit)
    legend_below(figure, [axes[0, 0], axes[-1, 0]])
    return figure


def _label_rows(first: dict[str, Axes], driver: Driver, signal_unit: str) -> None:
    labels = {
        "driver": with_unit(driver.name, driver.unit),
        "gate": with_unit("gate", "open = 1"),
        "signal": with_unit("signal", signal_unit),
        "p_on": with_unit("P(on)", "probability"),
    }
    for name, axis in first.items():
        axis.set_ylabel(labels.get(name, ""))
