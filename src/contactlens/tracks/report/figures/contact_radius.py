"""The measured contact radius: its hazard curve, its ridge with k_on, and what the model says against the data."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    new_figure,
    styled,
    true_line,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver


@styled
def hazard_figure(
    hazard: pd.DataFrame,
    driver: Driver,
    true_radius: float | None = None,
    interval: tuple[float, float] | None = None,
) -> Figure:
    """Rate of switching on over distance with its band, the fitted step and smooth law, above the time spent there.

    hazard: distance, rate_per_min, low, high, step, gaussian, time_share
    interval: of the measured radius, or 0 and its upper bound, in the driver's unit; shaded
    """
    figure = new_figure(5.6, 4.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    at = hazard["distance"]
    upper.fill_between(at, hazard["low"], hazard["high"], color=BLUE, alpha=0.25, linewidth=0)
    if interval is not None:
        upper.axvspan(*interval, color=GREEN, alpha=0.3, linewidth=0, label="radius, its interval")
    upper.plot(at, hazard["rate_per_min"], color=BLUE, label="piecewise, 95 % band")
    upper.plot(at, hazard["step"], color=BLACK, linestyle="-.", label="step")
    upper.plot(at, hazard["gaussian"], color=ORANGE, linestyle=":", label="smooth (Gaussian)")
    upper.set_ylim(0, 1.15 * max(hazard["high"].quantile(0.9), hazard["step"].max(), hazard["gaussian"].max()))
    upper.set_ylabel(with_unit("switching on", "per min"))
    true_line(upper, true_radius, "true radius")
    upper.legend()
    lower.fill_between(at, 100 * hazard["time_share"], step="mid", color=GREY, linewidth=0)
    lower.set(xlabel=with_unit(driver.name, driver.unit), ylabel=with_unit("time", "% per bin"))
    return figure


@styled
def ridge_figure(posterior: pd.DataFrame, driver: Driver, true_radius: float | None = None) -> Figure:
    """Draws of the radius against k_on; along the line radius^3 k_on is the same."""
    figure = new_figure(4.6, 3.8)
    axis = figure.subplots()
    axis.scatter(posterior["radius"], posterior["k_on_per_min"], s=5, color=BLUE, alpha=0.3, linewidths=0)
    radius = np.linspace(posterior["radius"].quantile(0.002), posterior["radius"].quantile(0.998), 100)
    ridge = posterior["radius_cubed_k_on"].median() / radius**3
    axis.plot(radius, ridge, color=BLACK, linestyle="--", label="radius³ × k_on the same")
    true_line(axis, true_radius, "true radius")
    axis.set(xscale="log", yscale="log", xlabel=with_unit("radius", driver.unit), ylabel=with_unit("k_on", "per min"))
    axis.legend()
    return figure


def _against_model(axis: Axes, frame: pd.DataFrame, colour: str, label: str) -> None:
    minutes = frame["lag_s"] / 60
    axis.fill_between(minutes, frame["low"], frame["high"], color=colour, alpha=0.25, linewidth=0)
    axis.plot(minutes, frame["data"], color=colour, marker="o", markersize=3, label=label)


@styled
def onset_figure(onsets: pd.DataFrame, driver: Driver) -> Figure:
    """Mean distance around onsets of the signal: data, and the band of simulated experiments."""
    figure = new_figure(4.6, 3.4)
    axis = figure.subplots()
    _against_model(axis, onsets, BLUE, "data, band: model")
    label = with_unit(f"mean {driver.name}", driver.unit)
    axis.set(xlabel=with_unit("time from onset", "min"), ylabel=label)
    axis.legend()
    return figure


@styled
def coupling_figure(coupling: pd.DataFrame, signal_unit: str) -> Figure:
    """Mean signal at each lag from a frame in the nearest, a middle and the farthest class of distance."""
    figure = new_figure(4.8, 3.4)
    axis = figure.subplots()
    classes = sorted(coupling["distance_class"].unique())
    chosen = {
        classes[0]: (BLUE, "nearest"),
        classes[len(classes) // 2]: (ORANGE, "middle"),
        classes[-1]: (GREY, "farthest"),
    }
    for number, (colour, label) in chosen.items():
        _against_model(axis, coupling[coupling["distance_class"] == number], colour, label)
    axis.set(xlabel=with_unit("lag", "min"), ylabel=with_unit("signal less its mean", signal_unit))
    axis.legend(title="distance at lag 0; bands: model")
    return figure


@styled
def halves_figure(halves: pd.DataFrame, driver: Driver, true_radius: float | None = None) -> Figure:
    """The fitted radius of all tracks and of two halves, with two standard errors."""
    figure = new_figure(4.6, 2.2)
    axis = figure.subplots()
    place = np.arange(len(halves))
    axis.errorbar(
        halves["fitted_radius"], place, xerr=2 * halves["standard_error"], fmt="o", color=BLUE, markersize=4, capsize=3
    )
    axis.set_yticks(place, halves["tracks"])
    axis.invert_yaxis()
    true_line(axis, true_radius, "true radius")
    axis.set_xlabel(with_unit("fitted radius, before calibration", driver.unit))
    return figure
