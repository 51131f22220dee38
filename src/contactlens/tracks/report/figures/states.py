"""Decoded promoter states beside the truth: on example tracks, how often right, how long, and how sure."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    YELLOW,
    colours,
    legend_below,
    new_figure,
    plain,
    styled,
    with_unit,
)
from contactlens.reporting.tables import number
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.report.figures.calibration import reliability_figure
from contactlens.tracks.report.figures.tracks_examples import (
    draw_driver,
    draw_gate_course,
    example_title,
    shade_states,
    share_time,
    with_gaps,
)

NETWORK, TRUTH = "network", "truth"
# Column of the predictions, its name and colour, from the lower strip to the upper one.
STRIPS = (("on", "decoded on", BLUE), ("state", "truly on", YELLOW))
HEIGHTS = {"driver": 2.2, "gate": 1.5, "signal": 2.0, "p_on": 1.7, "states": 0.8}  # inches


def shades(models: Iterable[object]) -> dict[object, str]:
    """One colour a model, the same in every figure of states: the truth black, the network blue, then baselines."""
    baselines = [model for model in dict.fromkeys(models) if model not in (NETWORK, TRUTH)]
    return colours([NETWORK, *baselines]) | {TRUTH: BLACK}


def _with_score(model: object, metrics: pd.DataFrame | None) -> str:
    if metrics is None:
        return plain(str(model))
    row = metrics[(metrics["model"] == model) & (metrics["metric"] == "auroc")].iloc[0]
    return f"{plain(str(model))}  {number(row['estimate'])} [{number(row['low'])}, {number(row['high'])}]"


@styled
def roc_figure(roc: pd.DataFrame, metrics: pd.DataFrame | None = None) -> Figure:
    """ROC curves of P(on) frame by frame; with `metrics` the legend gives each area and its interval.

    roc: model, fpr, tpr; metrics: rows of `metrics.csv`.
    """
    figure = new_figure(4.8, 5.0 + 0.2 * roc["model"].nunique())
    axis = figure.subplots()
    for model, color in shades(roc["model"]).items():
        curve = roc[roc["model"] == model]
        if len(curve):
            width = 2.2 if model == NETWORK else 1.4
            axis.plot(curve["fpr"], curve["tpr"], color=color, linewidth=width, label=_with_score(model, metrics))
    axis.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1)
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axis.set(xlabel=with_unit("false positive rate", "fraction"), ylabel=with_unit("true positive rate", "fraction"))
    figure.legend(loc="outside lower center", title=None if metrics is None else "AUROC (95 % interval)")
    return figure


def state_reliability_figure(reliability: pd.DataFrame) -> Figure:
    """Share of frames that are on against the predicted P(on), in bins of equal counts.

    reliability: model, predicted, observed, low, high.
    """
    table = reliability.rename(columns={"predicted": "expected"})
    return reliability_figure(table, "predicted P(on)", "observed share on")


def _draw_lengths(axis: Axes, segments: pd.DataFrame, looks: dict[object, str]) -> None:
    for model, rows in segments.groupby("model", sort=False):
        edges = np.append(rows["left_s"], rows["right_s"].iloc[-1]) / 60
        heights = rows["density"].where(rows["density"] > 0)  # an empty bin has no place on a logarithmic axis
        main = model in (NETWORK, TRUTH)
        axis.stairs(
            60 * heights,
            edges,
            baseline=None,
            color=looks[model],
            linewidth=2.0 if main else 1.1,
            linestyle="--" if model == TRUTH else "-",
            label=plain(str(model)),
            zorder=3 if main else 2,
        )
        if main:
            low, high = (np.append(60 * rows[side], 60 * rows[side].iloc[-1]) for side in ("low", "high"))
            axis.fill_between(edges, low, high, step="post", color=looks[model], alpha=0.15, linewidth=0)


@styled
def lengths_figure(segments: pd.DataFrame) -> Figure:
    """Distribution of how long the promoter stays off and on, decoded beside true; segments cut off by the edges of a
    track count as longer than seen. Bands: intervals of the truth and of the network.

    segments: model (`truth` among them), state, left_s, right_s, density (1/s), low, high.
    """
    states = list(dict.fromkeys(segments["state"]))
    looks = shades(segments["model"])
    figure = new_figure(0.8 + 4.0 * len(states), 3.8)
    axes = figure.subplots(1, len(states), sharey=True, squeeze=False)[0]
    for axis, state in zip(axes, states, strict=True):
        _draw_lengths(axis, segments[segments["state"] == state], looks)
        axis.set(xscale="log", yscale="log", title=f"promoter {state}", xlabel=with_unit("length of segment", "min"))
    axes[0].set_ylabel(with_unit("density", "1/min"))
    lowest = 60 * segments.loc[segments["density"] > 0, "density"].min()
    axes[0].set_ylim(bottom=lowest / 2)
    legend_below(figure, axes)
    return figure


def _draw_accuracy(axis: Axes, per_track: pd.DataFrame, looks: dict[object, str]) -> None:
    for model, rows in per_track.groupby("model", sort=False):
        axis.ecdf(
            rows["accuracy"],
            color=looks[model],
            linewidth=2.2 if model == NETWORK else 1.4,
            label=f"{plain(str(model))}, median {rows['accuracy'].median():.3f}",
        )
    axis.set(xlabel=with_unit("accuracy on the track", "fraction of frames"))
    axis.set(ylabel=with_unit("tracks below", "fraction"), ylim=(0, 1), title="accuracy per track")


@styled
def track_accuracy_figure(per_track: pd.DataFrame) -> Figure:
    """Share of right frames, track by track, of every model; and how long the network calls each track on.

    per_track: model, track_id, on_share, called_share, accuracy.
    """
    figure = new_figure(8.6, 4.2)
    left, right = figure.subplots(1, 2)
    _draw_accuracy(left, per_track, shades(per_track["model"]))
    network = per_track[per_track["model"] == NETWORK]
    right.plot(network["on_share"], network["called_share"], "o", color=BLUE, markersize=3.5, alpha=0.6)
    top = 1.05 * float(network[["on_share", "called_share"]].max().max())
    right.plot([0, top], [0, top], color=BLACK, linestyle="--", linewidth=1)
    right.set(xlabel=with_unit("truly on", "fraction of frames"), title="the network, one point a track")
    right.set(ylabel=with_unit("decoded on", "fraction of frames"), xlim=(0, top), ylim=(0, top))
    legend_below(figure, [left])
    return figure


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
