"""One look for every figure: colours that all can tell apart, labels with units, no date in the bytes."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from contactlens.base.files import write_aside

P = ParamSpec("P")

# Okabe & Ito (2008), "Color universal design": eight colours distinct under the common colour deficiencies.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
GREY = "#8A8A8A"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE)
DIVERGING, SEQUENTIAL = "RdBu_r", "cividis"
OUTPUT_NAMES = {
    "mean": "predicted mean",
    "logvar": "predicted log-variance",
    "p_signal": "predicted P(signal)",
    "logit": "predicted log odds of on",
    "uncertainty": "predicted variance p (1 - p)",
}

RC: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "savefig.dpi": 152,
    "svg.hashsalt": "contactlens",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under the shared style, whatever matplotlibrc the user has."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.style.context(["default", RC]):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches outside pyplot's state, so nothing stays open after use."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path_png: Path | str, frame: pd.DataFrame) -> None:
    """Write the PNG and, beside it under the same stem, the CSV of what it shows.

    The bytes depend on the figure and the frame alone: no date, no software version.
    """
    path = Path(path_png)
    with matplotlib.style.context(["default", RC]), write_aside(path) as aside:
        figure.savefig(aside, format="png", metadata={"Software": None})
    with write_aside(path.with_suffix(".csv")) as aside:
        frame.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")


def with_unit(name: str, unit: str) -> str:
    """An axis label; a dimensionless quantity has unit "1"."""
    return f"{name} ({unit})"


def output_unit(output: str, signal_unit: str) -> str:
    """The unit of the model's output `mean`, `logvar`, `p_signal`, `logit` or `uncertainty`."""
    units = {"mean": signal_unit, "logvar": f"log ({signal_unit})²", "logit": "nats"}
    return units.get(output, "1")


def spread(estimate: pd.Series, low: pd.Series, high: pd.Series) -> np.ndarray:
    """Distances of an interval's ends from the estimate, (2, n), as matplotlib's error bars want them."""
    return np.clip(np.stack([estimate - low, high - estimate]), 0.0, None)


def plain(name: str) -> str:
    """A column's or model's name as words."""
    return name.replace("_", " ")


def colours(names: Sequence[object]) -> dict[object, str]:
    """One colour a name, in order; the palette starts again after its last colour."""
    return {name: CYCLE[index % len(CYCLE)] for index, name in enumerate(names)}


def legend_below(figure: Figure, axes: Sequence[Axes], most_columns: int | None = None) -> None:
    """One legend under the figure for all that `axes` show, each label once; on one line unless that is limited."""
    found: dict[str, Artist] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        found.update(zip(labels, handles, strict=True))
    columns = min(len(found), most_columns or len(found))
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=columns)


def true_line(axis: Axes, value: float | None, label: str, horizontal: bool = False) -> None:
    """Mark a known truth with the dashed black line that means truth in every figure; no truth, no line."""
    if value is not None:
        line = axis.axhline if horizontal else axis.axvline
        line(value, color=BLACK, linestyle="--", linewidth=1.2, label=label)
