"""Temporal motifs: logos of contact histories, the distances behind them, and when they end."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    GREY,
    VERMILION,
    colours,
    legend_below,
    new_figure,
    plain,
    styled,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.explanation.motifs.histories import ALL_WINDOWS

# A letter a state: filled for contact, as wide and empty for its absence.
CONTACT_LETTERS = {"contribution_contact": "I", "contribution_no_contact": "O"}
LETTER_COLOURS = {"I": VERMILION, "O": BLUE}


def motif_frame(patterns: pd.DataFrame, positions: pd.DataFrame, most: int) -> pd.DataFrame:
    """Rows of `positions` in the cores of the first `most` patterns, with each pattern's `n_seqlets`."""
    shown = patterns.head(most)[["pattern", "n_seqlets"]]
    return positions[positions["kept"].astype(bool)].merge(shown, on="pattern").drop(columns="kept")


def _draw_history(axis: Axes, rows: pd.DataFrame, output_unit: str) -> None:
    import logomaker

    heights = rows.set_index("position")[list(CONTACT_LETTERS)].rename(columns=CONTACT_LETTERS)
    logo = logomaker.Logo(heights, ax=axis, color_scheme=LETTER_COLOURS, flip_below=False, baseline_width=0.6)
    logo.style_spines(spines=["top", "right"], visible=False)
    axis.grid(False)
    name, seqlets = rows[["pattern", "n_seqlets"]].iloc[0]
    axis.set(title=f"{name}, {seqlets} seqlets", ylabel=with_unit("contribution", output_unit))


def _draw_distance(axis: Axes, rows: pd.DataFrame, driver: Driver, radius: float) -> None:
    axis.fill_between(rows["position"], rows["distance_low"], rows["distance_high"], color=GREY, alpha=0.3, linewidth=0)
    axis.plot(rows["position"], rows["distance"], color=BLACK, marker=".")
    if len(rows) == 1:  # a band of one frame has no width
        axis.vlines(rows["position"], rows["distance_low"], rows["distance_high"], color=GREY)
    axis.axhline(radius, color=VERMILION, linewidth=1.0, linestyle=":")
    axis.set(ylabel=with_unit(driver.name, driver.unit))


def _label_lags(axis: Axes, rows: pd.DataFrame) -> None:
    """Positions named by their median time before the predicted frame."""
    shown = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 6)).round().astype(int))]
    axis.set_xticks(shown["position"], [f"{lag / 60:.3g}" for lag in shown["lag_s"]])


@styled
def motif_figure(frame: pd.DataFrame, driver: Driver, output_unit: str, radius: float, reason: str = "") -> Figure:
    """One row a pattern: on the left what contact (I) and its absence (O) contribute at each frame of the core, on the
    right the distances seen there, mean and quartiles, with the radius that counts as contact.

    frame: `motif_frame`; reason: what to say where there is no pattern.
    """
    names = list(dict.fromkeys(frame["pattern"]))
    if not names:
        figure = new_figure(7.0, 1.2)
        figure.text(0.5, 0.5, f"No temporal motif found: {reason}", ha="center", va="center", wrap=True)
        return figure
    figure = new_figure(9.0, 0.5 + 1.7 * len(names))
    axes = figure.subplots(len(names), 2, squeeze=False)
    for (left, right), name in zip(axes, names, strict=True):
        rows = frame[frame["pattern"] == name]
        _draw_history(left, rows, output_unit)
        _draw_distance(right, rows, driver, radius)
        for axis in (left, right):
            _label_lags(axis, rows)
    for axis in axes[-1]:
        axis.set_xlabel(with_unit("median time before predicted frame", "min"))
    return figure


def lag_frame(lags: Mapping[str, pd.DataFrame], leading: Mapping[str, str]) -> pd.DataFrame:
    """Rows of all windows, and of its leading pattern where it has one, from the `lags` of each model: `model` and the
    columns of `lags`."""
    parts = [
        table[table["pattern"].isin([leading.get(model, ALL_WINDOWS), ALL_WINDOWS])].assign(model=model)
        for model, table in lags.items()
    ]
    return pd.concat(parts, ignore_index=True)


@styled
def motif_lag_figure(
    frame: pd.DataFrame, driver: Driver, output_unit: str, kernel: pd.DataFrame | None = None
) -> Figure:
    """When the frames of a pattern lie before the predicted one: contribution, contact and distance at each lag.

    frame: `lag_frame`; kernel: `lag_s`, `response` of the true response to a contact, scaled to the contributions.
    """
    figure = new_figure(10.5, 3.4)
    axes = figure.subplots(1, 3)
    shades = colours(list(dict.fromkeys(frame["model"])))
    labels = {
        "contribution": with_unit("contribution", output_unit),
        "contact": with_unit("share in contact", "1"),
        "distance": with_unit(driver.name, driver.unit),
    }
    for axis, (column, label) in zip(axes, labels.items(), strict=True):
        for (model, pattern), rows in frame.groupby(["model", "pattern"], sort=False):
            axis.plot(
                rows["lag_s"] / 60,
                rows[column],
                color=shades[model],
                linestyle=":" if pattern == ALL_WINDOWS else "-",
                label=f"{plain(str(model))}, {plain(str(pattern))}",
            )
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set(xlabel=with_unit("time before predicted frame", "min"), ylabel=label)
    if kernel is not None:
        top = frame["contribution"].max() / kernel["response"].max()
        axes[0].plot(kernel["lag_s"] / 60, top * kernel["response"], color=BLACK, linestyle="--", label="true response")
    legend_below(figure, [axes[0]])
    return figure
