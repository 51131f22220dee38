"""Example tracks, picked by a rule and not by eye."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    GREY,
    PURPLE,
    VERMILION,
    YELLOW,
    legend_below,
    new_figure,
    styled,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver

PERCENTILES = (10.0, 50.0, 90.0)
PARTS = {
    "sd": ("all", BLACK),
    "aleatoric": ("aleatoric", BLUE),
    "epistemic": ("epistemic", VERMILION),
}  # of the predicted spread


def frame_nll(predictions: pd.DataFrame) -> np.ndarray:
    """NLL of each frame (nats): of the promoter's state where states are predicted, else of the signal."""
    if "p_on" in predictions:
        likely = np.where(predictions["state"], predictions["p_on"], 1 - predictions["p_on"])
        return -np.log(np.maximum(likely, np.finfo(np.float64).tiny))
    return predictions["frame_nll"].to_numpy()


def choose_examples(predictions: pd.DataFrame, percentiles: Sequence[float] = PERCENTILES) -> pd.DataFrame:
    """The test tracks at the given percentiles of the mean NLL per track.

    predictions: rows of `predictions.parquet`. Returns percentile, track_id and nll (nats per frame).
    """
    by_frame = pd.Series(frame_nll(predictions))
    nll = by_frame.groupby(predictions["track_id"].to_numpy()).mean().sort_values(kind="stable")
    ranks = np.rint(np.asarray(percentiles) / 100 * (len(nll) - 1)).astype(int)
    chosen = nll.iloc[ranks]
    return pd.DataFrame({"percentile": list(percentiles), "track_id": chosen.index, "nll": chosen.to_numpy()})


def example_frames(predictions: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The predictions of the chosen tracks, in the order chosen, with percentile and nll in front."""
    return chosen.merge(predictions, on="track_id", how="left", sort=False)


def with_gaps(track: pd.DataFrame) -> pd.DataFrame:
    """One row a frame from the first to the last, NaN where none was observed, so that lines break there."""
    frames = np.arange(track["frame"].min(), track["frame"].max() + 1)
    full = track.set_index("frame").reindex(frames)
    interval = (track["time_s"].diff() / track["frame"].diff()).median()
    full["time_s"] = track["time_s"].iloc[0] + (frames - frames[0]) * interval
    return full.reset_index()


def shade_states(axis: Axes, promoter_state: pd.DataFrame | None, track_id: str, label: bool = False) -> None:
    """Shade the true promoter-on intervals of a track; nothing where the truth is not known."""
    if promoter_state is None:
        return
    mine = promoter_state[promoter_state["track_id"] == track_id]
    for index, (start, end) in enumerate(zip(mine["start_s"] / 60, mine["end_s"] / 60, strict=True)):
        name = "promoter on (truth)" if label and index == 0 else None
        axis.axvspan(start, end, color=YELLOW, alpha=0.3, linewidth=0, label=name)


def draw_driver(axis: Axes, track: pd.DataFrame, driver: Driver, radius: float, true_radius: float | None) -> None:
    """The driver over time with the learned threshold (NaN: the model has none) and the true one."""
    axis.plot(track["time_s"] / 60, track[driver.gate_column], color=GREY, linewidth=0.9)
    if np.isfinite(radius):
        axis.axhline(radius, color=VERMILION, linewidth=1.2, label="gate's midpoint")
    if true_radius is not None:
        axis.axhline(true_radius, color=BLACK, linestyle="--", linewidth=1.2, label="true radius")


def draw_gate_course(axis: Axes, track: pd.DataFrame) -> None:
    """How open the gate is over time."""
    axis.plot(track["time_s"] / 60, track["contact"], color=PURPLE, linewidth=0.9)
    axis.set_ylim(-0.03, 1.03)


def example_title(track: pd.DataFrame) -> str:
    """Which rule picked a track of `example_frames`, and how well it was predicted."""
    row = track.iloc[0]
    return f"{row['percentile']:g}th percentile: {row['track_id']}\nNLL {row['nll']:.2f} nats per frame"


def draw_signal(axis: Axes, track: pd.DataFrame) -> None:
    """The signal with the predicted mean and 90 % band."""
    minutes = track["time_s"] / 60
    axis.fill_between(minutes, track["low90"], track["high90"], color=BLUE, alpha=0.25, linewidth=0, label="90 % band")
    axis.plot(minutes, track["ms2"], color=BLACK, linewidth=0.8, label="measured")
    axis.plot(minutes, track["mean"], color=BLUE, label="predicted mean")


def share_time(column: Sequence[Axes]) -> None:
    """One time axis for a column of panels, labelled under the last."""
    *others, last = column
    for axis in others:
        axis.sharex(last)
        axis.tick_params(labelbottom=False)


def _draw_column(
    axes: Sequence[Axes],
    track: pd.DataFrame,
    driver: Driver,
    radius: float,
    true_radius: float | None,
    promoter_state: pd.DataFrame | None,
) -> None:
    upper, *gate, lower = axes
    for axis in axes:
        shade_states(axis, promoter_state, str(track["track_id"].iloc[0]), label=axis is lower)
    full = with_gaps(track)
    draw_driver(upper, full, driver, radius, true_radius)
    for axis in gate:
        draw_gate_course(axis, full)
    draw_signal(lower, full)
    upper.set_title(example_title(track))
    lower.set_xlabel(with_unit("time", "min"))


@styled
def examples_figure(
    examples: pd.DataFrame,
    driver: Driver,
    signal_unit: str,
    radius: float,
    true_radius: float | None = None,
    promoter_state: pd.DataFrame | None = None,
) -> Figure:
    """Driver, gate and signal of example tracks, one column a track.

    examples: as `example_frames` returns them; radii in the driver's unit, `radius` NaN for a model without a gate
    promoter_state: the truth's on-intervals
    """
    tracks = [track for _, track in examples.groupby("percentile", sort=True)]
    gated = bool(np.isfinite(radius))
    heights = [3, 1.3, 3] if gated else [3, 3]
    figure = new_figure(1.2 + 3.3 * len(tracks), 5.6 if gated else 4.6)
    axes = figure.subplots(len(heights), len(tracks), sharey="row", squeeze=False, height_ratios=heights)
    for column, track in zip(axes.T, tracks, strict=True):
        _draw_column(column, track, driver, radius, true_radius, promoter_state)
        share_time(column)
    axes[0, 0].set_ylabel(with_unit(driver.name, driver.unit))
    if gated:
        axes[1, 0].set_ylabel(with_unit("gate", "open = 1"))
    axes[-1, 0].set_ylabel(with_unit("signal", signal_unit))
    legend_below(figure, [axes[0, 0], axes[-1, 0]])
    return figure


def _draw_parts(axis: Axes, track: pd.DataFrame) -> None:
    for name, (label, color) in PARTS.items():
        axis.plot(track["time_s"] / 60, track[name], color=color, linewidth=0.9, label=label)
    axis.set_ylim(bottom=0)


@styled
def spread_parts_figure(examples: pd.DataFrame, driver: Driver, signal_unit: str) -> Figure:
    """Driver, signal with its band, and the parts of the predicted spread, one column a track.

    examples: as `example_frames` returns them, of predictions with `aleatoric` and `epistemic`
    """
    tracks = [track for _, track in examples.groupby("percentile", sort=True)]
    figure = new_figure(1.2 + 3.3 * len(tracks), 5.8)
    axes = figure.subplots(3, len(tracks), sharey="row", squeeze=False, height_ratios=[1.6, 2.4, 2.4])
    for (upper, middle, lower), track in zip(axes.T, tracks, strict=True):
        full = with_gaps(track)
        upper.plot(full["time_s"] / 60, full[driver.gate_column], color=GREY, linewidth=0.9)
        draw_signal(middle, full)
        _draw_parts(lower, full)
        upper.set_title(example_title(track))
        lower.set_xlabel(with_unit("time", "min"))
        share_time([upper, middle, lower])
    for axis, (name, unit) in zip(
        axes[:, 0],
        ((driver.name, driver.unit), ("signal", signal_unit), ("standard deviation", signal_unit)),
        strict=True,
    ):
        axis.set_ylabel(with_unit(name, unit))
    legend_below(figure, [axes[1, 0], axes[2, 0]])
    return figure
