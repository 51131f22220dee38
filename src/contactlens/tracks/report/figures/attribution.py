"""Where in the input each prediction comes from: whole tracks and single frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from contactlens.reporting.figure_style import (
    BLACK,
    DIVERGING,
    GREY,
    OUTPUT_NAMES,
    colours,
    legend_below,
    new_figure,
    output_unit,
    styled,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver

# The colour scale ends here, so that a few extreme cells do not bleach the rest.
SCALE_QUANTILE = 0.999


@dataclass(frozen=True)
class TrackAttribution:
    """The attribution matrix of one track with what was measured at its frames.

    matrix: (T, T), row = predicted frame, column = input frame
    minutes, driver, signal: (T,), NaN where not observed
    output: a key of `OUTPUT_NAMES`
    """

    track_id: str
    output: str
    matrix: np.ndarray
    minutes: np.ndarray
    driver: np.ndarray
    signal: np.ndarray

    @property
    def scale(self) -> float:
        return float(np.quantile(np.abs(self.matrix[self.matrix != 0]), SCALE_QUANTILE)) if self.matrix.any() else 1.0


def matrix_frame(track: TrackAttribution) -> pd.DataFrame:
    """The matrix as a table: predicted_min, driver and signal there, then one column an input minute."""
    cells = pd.DataFrame(track.matrix, columns=[f"{minute:.4g}" for minute in track.minutes])
    measured = pd.DataFrame({"predicted_min": track.minutes, "driver": track.driver, "signal": track.signal})
    return pd.concat([measured, cells], axis=1)


def lag_frame(track: TrackAttribution, max_lag_min: float) -> pd.DataFrame:
    """The matrix sheared to lags: predicted_min, driver, signal, then one column for each lag in minutes.

    Lag = predicted minus input time, from -max_lag_min to max_lag_min; NaN where that is off the track.
    """
    T = len(track.minutes)
    step = float(track.minutes[1] - track.minutes[0])
    reach = min(round(max_lag_min / step), T - 1)
    lags = np.arange(-reach, reach + 1)
    source = np.arange(T)[:, None] - lags  # (T, L): the input frame of each lag
    inside = (source >= 0) & (source < T)
    cells = np.where(inside, np.take_along_axis(track.matrix, source.clip(0, T - 1), axis=1), np.nan)
    measured = pd.DataFrame({"predicted_min": track.minutes, "driver": track.driver, "signal": track.signal})
    return pd.concat([measured, pd.DataFrame(cells, columns=[f"{lag * step:.4g}" for lag in lags])], axis=1)


def _heat(axis: Axes, cells: np.ndarray, x: np.ndarray, y: np.ndarray, scale: float) -> AxesImage:
    """Cells (len(y), len(x)) with row 0 at the bottom, each centred on its x and y."""
    dx, dy = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    extent = (x[0] - dx, x[-1] + dx, y[0] - dy, y[-1] + dy)
    axis.grid(False)
    return axis.imshow(cells, origin="lower", aspect="auto", cmap=DIVERGING, vmin=-scale, vmax=scale, extent=extent)


def _colour_bar(figure: Figure, image: AxesImage, axes: Sequence[Axes], output: str, signal_unit: str) -> None:
    label = with_unit(f"attribution to {OUTPUT_NAMES[output]}", output_unit(output, signal_unit))
    figure.colorbar(image, ax=axes, label=label, extend="both", shrink=0.9, pad=0.02)


@styled
def matrix_figure(track: TrackAttribution, driver: Driver, signal_unit: str) -> Figure:
    """The whole frame-by-frame matrix; the driver runs along the input axis, the signal along the other."""
    figure = new_figure(7.4, 6.6)
    grid = figure.subplots(2, 2, height_ratios=[1, 4], width_ratios=[4, 1])
    upper, corner, main, right = grid.flat
    image = _heat(main, track.matrix, track.minutes, track.minutes, track.scale)
    main.set(xlabel=with_unit("input time", "min"), ylabel=with_unit("predicted time", "min"))
    upper.plot(track.minutes, track.driver, color=GREY, linewidth=0.8)
    upper.set_ylabel(with_unit(driver.name, driver.unit))
    upper.sharex(main)
    right.plot(track.signal, track.minutes, color=BLACK, linewidth=0.8)
    right.set_xlabel(with_unit("signal", signal_unit))
    right.sharey(main)
    upper.tick_params(labelbottom=False)
    right.tick_params(labelleft=False)
    corner.set_axis_off()
    upper.set_title(f"track {track.track_id}")
    _colour_bar(figure, image, list(grid.flat), track.output, signal_unit)
    return figure


@styled
def lag_map_figure(frame: pd.DataFrame, track: TrackAttribution, driver: Driver, signal_unit: str) -> Figure:
    """The same attributions by lag, under the driver and above the signal of the track.

    frame: `lag_frame` of the track.
    """
    lags = np.array([float(name) for name in frame.columns[3:]])
    minutes = frame["predicted_min"].to_numpy()
    figure = new_figure(8.4, 5.4)
    upper, main, lower = figure.subplots(3, 1, sharex=True, height_ratios=[1.2, 2.4, 1.2])
    upper.plot(minutes, frame["driver"], color=GREY, linewidth=0.8)
    image = _heat(main, frame.iloc[:, 3:].to_numpy().T, minutes, lags, track.scale)
    main.axhline(0, color=BLACK, linewidth=0.7, linestyle=":")
    lower.plot(minutes, frame["signal"], color=BLACK, linewidth=0.8)
    upper.set(ylabel=with_unit(driver.name, driver.unit), title=f"track {track.track_id}")
    main.set_ylabel(with_unit("time before\npredicted frame", "min"))
    lower.set(ylabel=with_unit("signal", signal_unit), xlabel=with_unit("predicted time", "min"))
    _colour_bar(figure, image, [upper, main, lower], track.output, signal_unit)
    return figure


def feature_frame(by_output: dict[str, np.ndarray], features: Sequence[str], minutes: np.ndarray) -> pd.DataFrame:
    """Attributions of one predicted frame, long: output, feature, input_min, attribution.

    by_output: (C, T) for each output; features: the C channels' names; minutes: (T,).
    """
    parts = [
        pd.DataFrame({"output": output, "feature": name, "input_min": minutes, "attribution": values})
        for output, channels in by_output.items()
        for name, values in zip(features, channels, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _draw_course(axis: Axes, rows: pd.DataFrame, shades: dict[object, str], frame_min: float) -> None:
    for feature, course in rows.groupby("feature", sort=False):
        axis.plot(course["input_min"], course["attribution"], color=shades[feature], label=str(feature))
    axis.axvline(frame_min, color=BLACK, linestyle=":", linewidth=1.2, label="predicted frame")
    reach = rows.loc[rows["attribution"].abs() > 1e-3 * rows["attribution"].abs().max(), "input_min"]
    if len(reach):
        pad = 1.0 + 0.05 * (reach.max() - reach.min())
        axis.set_xlim(min(reach.min(), frame_min) - pad, max(reach.max(), frame_min) + pad)


def _draw_totals(axis: Axes, rows: pd.DataFrame, shades: dict[object, str]) -> None:
    totals = rows.groupby("feature", sort=False)["attribution"].sum()
    axis.barh(np.arange(len(totals)), totals, color=[shades[feature] for feature in totals.index])
    axis.axvline(0, color=BLACK, linewidth=0.8)
    axis.set_yticks(np.arange(len(totals)), list(totals.index))
    axis.invert_yaxis()


@styled
def feature_figure(frame: pd.DataFrame, frame_min: float, signal_unit: str) -> Figure:
    """Attribution per input channel for one predicted frame: its course over time, and its sum.

    frame: as `feature_frame` returns it; frame_min: time of the predicted frame in minutes.
    """
    outputs = list(dict.fromkeys(frame["output"]))
    shades = colours(list(dict.fromkeys(frame["feature"])))
    figure = new_figure(8.4, 2.7 * len(outputs))
    axes = figure.subplots(len(outputs), 2, squeeze=False, width_ratios=[2, 1])
    for (left, right), output in zip(axes, outputs, strict=True):
        rows = frame[frame["output"] == output]
        _draw_course(left, rows, shades, frame_min)
        _draw_totals(right, rows, shades)
        label = with_unit("attribution", output_unit(output, signal_unit))
        left.set(title=OUTPUT_NAMES[output], xlabel=with_unit("input time", "min"), ylabel=label)
        right.set(title="sum over input time", xlabel=label)
    legend_below(figure, [axes[0, 0]])
    return figure
