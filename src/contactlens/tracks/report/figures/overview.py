"""The picture at the top of the README: one row of data, three of what was learned from it."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import new_figure, styled, with_unit
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.report.figures.calibration import draw_reliability
from contactlens.tracks.report.figures.faithfulness import draw_lag, explained_methods
from contactlens.tracks.report.figures.gate import draw_gate
from contactlens.tracks.report.figures.tracks_examples import draw_driver, draw_signal, shade_states, with_gaps


@dataclass(frozen=True)
class Overview:
    """What the overview shows; each table is the one that the figure of its family draws.

    example: one track of `example_frames`; gate: of `gate_frame`; seeds: `seeds.csv`
    profile: `lag_profile.csv`; reliability: `reliability.csv`
    radius, true_radius: in the driver's unit; promoter_state: the truth's on-intervals
    """

    example: pd.DataFrame
    gate: pd.DataFrame
    seeds: pd.DataFrame
    profile: pd.DataFrame
    reliability: pd.DataFrame
    radius: float
    true_radius: float | None = None
    promoter_state: pd.DataFrame | None = None


def _draw_example(upper: Axes, lower: Axes, view: Overview, driver: Driver, signal_unit: str) -> None:
    track = with_gaps(view.example)
    for axis in (upper, lower):
        shade_states(axis, view.promoter_state, str(view.example["track_id"].iloc[0]), label=axis is lower)
    draw_driver(upper, track, driver, view.radius, view.true_radius)
    draw_signal(lower, track)
    upper.set(ylabel=with_unit(driver.name, driver.unit), title="a test track the model has not seen")
    lower.set(xlabel=with_unit("time", "min"), ylabel=with_unit("signal", signal_unit))
    upper.tick_params(labelbottom=False)
    for axis in (upper, lower):
        axis.margins(x=0)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_learned(gate: Axes, lag: Axes, reliability: Axes, view: Overview, driver: Driver) -> None:
    draw_gate(gate, view.gate, view.seeds, view.true_radius)
    gate.set(title="the threshold it learned", xlabel=with_unit(driver.name, driver.unit))
    gate.set_ylabel(with_unit("gate", "open = 1"))
    draw_lag(lag, view.profile, explained_methods(view.profile)[0], "mean")
    lag.set(title="when the input acts on the signal", xlabel=with_unit("time before predicted frame", "min"))
    lag.set_ylabel(with_unit("attribution", "peak = 1"))
    draw_reliability(reliability, view.reliability)
    reliability.set(title="whether its uncertainty is right", xlim=(0, 1), ylim=(0, 1))
    reliability.set_xlabel(with_unit("expected share", "fraction"))
    reliability.set_ylabel(with_unit("observed share", "fraction"))


@styled
def overview_figure(view: Overview, driver: Driver, signal_unit: str) -> Figure:
    """An example track with its prediction; below it the gate, the lag profile and the reliability."""
    figure = new_figure(11.0, 6.6)
    grid = figure.add_gridspec(2, 1, height_ratios=[1.15, 1])
    upper, lower = figure.add_subfigure(grid[0]).subplots(2, 1, sharex=True)
    _draw_example(upper, lower, view, driver, signal_unit)
    gate, lag, reliability = figure.add_subfigure(grid[1]).subplots(1, 3)
    _draw_learned(gate, lag, reliability, view, driver)
    for axis in (gate, lag, reliability):
        axis.legend()
    return figure
