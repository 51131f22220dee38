"""What the hyper-parameter search tried, and how far the gate's midpoint depends on it."""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    GREEN,
    VERMILION,
    legend_below,
    new_figure,
    styled,
    true_line,
    with_unit,
)
from contactlens.reporting.trials import Trials, points, scale_x, trials_figure
from contactlens.tracks.data.track_set import Driver

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


def trials_of(driver: Driver) -> Trials:
    """What the columns of `trials.csv` are."""
    results = {"seed_offset", "gate_midpoint", "validation_nll", "validation_crps", "validation_mace"}
    return Trials("validation_nll", NLL_LABEL, frozenset(results), KEY_UNITS | {"radius_init": driver.unit})


class MeasuredRadius(NamedTuple):
    """The contact radius by `tracks/radius`, with its interval; `low` is 0 for an upper bound. In the driver's unit."""

    estimate: float
    low: float
    high: float


def sensitivity(trials: pd.DataFrame) -> pd.DataFrame:
    """The fixed trials that differ in lambda_contact and seed alone, in order of lambda_contact."""
    fixed = trials[trials["kind"] == "fixed"]
    usual = fixed.loc[fixed["lambda_contact"] > 0, "radius_init"]
    return fixed[fixed["radius_init"].isin(usual)].sort_values("lambda_contact", kind="stable")


def _draw_curve(axis: Axes, curve: pd.DataFrame, y: str) -> None:
    """Each seed as a point, and the mean with the standard deviation over seeds, where there are several."""
    label = "one seed"
    axis.scatter(curve["lambda_contact"], curve[y], color=VERMILION, s=12, alpha=0.6, linewidth=0, label=label)
    at = curve.groupby("lambda_contact")[y].agg(["mean", "std"])
    label = "mean and SD over seeds" if at["std"].notna().any() else "only lambda_contact changed"
    spread = at["std"].fillna(0.0)
    axis.errorbar(at.index, at["mean"], yerr=spread, color=VERMILION, linewidth=1, capsize=3, label=label)
    scale_x(axis, curve["lambda_contact"])


def _draw_measured(axis: Axes, measured: MeasuredRadius | None) -> None:
    if measured is not None:
        label = "measured radius, interval" if measured.low > 0 else "measured radius, below its bound"
        axis.axhspan(measured.low, measured.high, color=GREEN, alpha=0.2, linewidth=0, label=label)
        axis.axhline(measured.estimate if measured.low > 0 else measured.high, color=GREEN, linewidth=1)


def _draw_starts(
    axis: Axes, trials: pd.DataFrame, driver: Driver, true_radius: float | None, measured: MeasuredRadius | None
) -> None:
    starts = trials[(trials["kind"] == "fixed") & (trials["lambda_contact"] == 0)]
    points(axis, starts, "radius_init", "gate_midpoint")
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


def sweep_figure(trials: pd.DataFrame, driver: Driver) -> Figure:
    """Validation NLL against every searched key, one panel a key. trials: rows of `trials.csv`."""
    return trials_figure(trials, trials_of(driver))
