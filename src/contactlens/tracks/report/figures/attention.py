"""Attention of a Transformer at one predicted frame, beside what the attribution says of the same frame."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    OUTPUT_NAMES,
    colours,
    new_figure,
    output_unit,
    styled,
    with_unit,
)

ROLLOUT, ATTRIBUTION = "rollout", "integrated gradients"
LEAST_WEIGHT = 1e-3  # share of the largest below which a frame is not worth the axis


def attention_frame(
    weights: np.ndarray, rollout: np.ndarray, attribution: np.ndarray, minutes: np.ndarray
) -> pd.DataFrame:
    """One predicted frame, long: layer (0: of all layers), source (`head 1`, rollout, ...), input_min, value.

    weights: (layers, heads, T), what each head looks at; rollout, attribution, minutes: (T,).
    """
    sources = {
        (layer + 1, f"head {head + 1}"): values
        for layer, heads in enumerate(weights)
        for head, values in enumerate(heads)
    } | {(0, ROLLOUT): rollout, (0, ATTRIBUTION): attribution}
    parts = [
        pd.DataFrame({"layer": layer, "source": source, "input_min": minutes, "value": values})
        for (layer, source), values in sources.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _draw_heads(axis: Axes, rows: pd.DataFrame) -> None:
    shades = colours(list(dict.fromkeys(rows["source"])))
    for head, course in rows.groupby("source", sort=False):
        axis.plot(course["input_min"], course["value"], color=shades[head], label=str(head))
    axis.set_ylabel(with_unit("weight", "share"))
    axis.legend()


def _reach(frame: pd.DataFrame, frame_min: float) -> tuple[float, float]:
    """The minutes that any panel but the rollout, which never ends, has something to show in."""
    shown = frame[frame["source"] != ROLLOUT]
    largest = shown.groupby(["layer", "source"])["value"].transform(lambda values: values.abs().max())
    minutes = shown.loc[shown["value"].abs() > LEAST_WEIGHT * largest, "input_min"]
    return float(min(minutes.min(), frame_min)) - 1, float(max(minutes.max(), frame_min)) + 1


@styled
def attention_figure(frame: pd.DataFrame, frame_min: float, output: str, signal_unit: str) -> Figure:
    """What each head looks at from one predicted frame, a row a layer; below, the rollout through all layers and the
    integrated gradients of the same frame.

    frame: as `attention_frame` returns it; frame_min: time of the predicted frame; output: what the gradients are of.
    """
    layers = sorted(set(frame["layer"]) - {0})
    figure = new_figure(7.6, 0.8 + 1.6 * (len(layers) + 2))
    axes = figure.subplots(len(layers) + 2, 1, sharex=True)
    for axis, layer in zip(axes, layers, strict=False):
        _draw_heads(axis, frame[frame["layer"] == layer])
        axis.set_title(f"attention, layer {layer}")
    all_layers = frame[frame["layer"] == 0]
    labels = {
        ROLLOUT: with_unit("weight", "share"),
        ATTRIBUTION: with_unit("attribution", output_unit(output, signal_unit)),
    }
    for axis, (source, label) in zip(axes[-2:], labels.items(), strict=True):
        course = all_layers[all_layers["source"] == source]
        axis.plot(course["input_min"], course["value"], color=BLACK)
        axis.set(ylabel=label)
    axes[-2].set_title("attention rollout")
    axes[-1].set_title(f"integrated gradients of the {OUTPUT_NAMES[output]}")
    for axis in axes:
        axis.axvline(frame_min, color=BLACK, linestyle=":", linewidth=1.0)
    axes[-1].set_xlim(*_reach(frame, frame_min))
    axes[-1].set_xlabel(with_unit("input time", "min"))
    return figure
