"""What a model with binary latents found: where it placed polymerases, and how well these agree with the truth."""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.reporting.figure_style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    legend_below,
    new_figure,
    plain,
    spread,
    styled,
    with_unit,
)
from contactlens.tracks.report.figures.tracks_examples import draw_signal, with_gaps

SCORES = ("precision", "recall", "f1")
NAMES = {"network": "latent ones", "truth": "loading (truth)"}
LOOKS = {
    "truth": (BLACK, "-"),
    "network": (BLUE, "-"),
    "deconvolution_gated": (VERMILION, "-"),
    "deconvolution": (ORANGE, "-"),
    "rate_matched_random": (GREY, ":"),
    "circular_shift": (GREY, "--"),
}
ZOOM_MIN = 30.0


class LoadingExample(NamedTuple):
    """One test track. track: rows of `predictions.parquet`; events: model (`truth`, `network`, ...), time_s."""

    track: pd.DataFrame
    events: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Both in one table: model and time_s of an event, or the columns of a frame."""
        return pd.concat([self.track.assign(model="signal"), self.events], ignore_index=True)

    def busiest_min(self) -> float:
        """Start (min) of the `ZOOM_MIN` with most true loading; of most latent ones where the truth is not known."""
        of = self.events["model"]
        times = self.events.loc[of == ("truth" if "truth" in set(of) else "network"), "time_s"] / 60
        start = self.track["time_s"].min() / 60
        bins = ((times - start) // ZOOM_MIN).value_counts()
        return float(start + ZOOM_MIN * (bins.idxmax() if len(bins) else 0))


def _name(model: str) -> str:
    return NAMES.get(model, plain(model))


def _draw_events(axis: Axes, events: pd.DataFrame) -> None:
    """One row of ticks a model, the truth on top."""
    models = [model for model in LOOKS if model in set(events["model"])]
    rows = [events.loc[events["model"] == model, "time_s"] / 60 for model in models]
    places = range(len(models) - 1, -1, -1)
    axis.eventplot(
        rows, lineoffsets=list(places), linelengths=0.8, linewidths=0.8, colors=[LOOKS[model][0] for model in models]
    )
    axis.set_yticks(list(places), [_name(model) for model in models])
    axis.grid(False)


@styled
def loading_figure(example: LoadingExample, signal_unit: str) -> Figure:
    """Signal with its reconstruction above the times at which polymerases were placed and truly loaded: the whole
    track, and its busiest half hour."""
    figure = new_figure(10.6, 4.4)
    axes = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=[2.2, 1], width_ratios=[1.5, 1])
    full = with_gaps(example.track)
    for upper, lower in axes.T:
        draw_signal(upper, full)
        _draw_events(lower, example.events)
        lower.set_xlabel(with_unit("time", "min"))
    start = example.busiest_min()
    axes[0, 0].set_xlim(full["time_s"].min() / 60, full["time_s"].max() / 60)
    axes[0, 1].set_xlim(start, start + ZOOM_MIN)
    axes[0, 0].axvspan(start, start + ZOOM_MIN, color=VERMILION, alpha=0.1, linewidth=0)
    axes[0, 0].set(ylabel=with_unit("signal", signal_unit), title=f"track {example.track['track_id'].iloc[0]}")
    axes[0, 1].set_title("its busiest half hour")
    legend_below(figure, [axes[0, 0]])
    return figure


def alignment_frame(metrics: pd.DataFrame) -> pd.DataFrame:
    """Rows of `metrics.csv` that score loading times: model, score, tolerance_s, estimate, low, high."""
    parts = metrics["metric"].str.extract(rf"^({'|'.join(SCORES)})_within_([\d.]+)s$")
    table = metrics.assign(score=parts[0], tolerance_s=parts[1].astype("float64")).dropna(subset=["score"])
    columns = ["model", "score", "tolerance_s", "estimate", "low", "high"]
    return table[columns].sort_values("tolerance_s", kind="stable").reset_index(drop=True)


@styled
def alignment_figure(frame: pd.DataFrame) -> Figure:
    """Precision, recall and F1 of found loading times against the tolerance, with intervals over tracks.

    frame: as `alignment_frame` returns it.
    """
    figure = new_figure(9.8, 3.6)
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    for axis, score in zip(axes, SCORES, strict=True):
        rows = frame[frame["score"] == score]
        for model, (color, line) in LOOKS.items():
            mine = rows[rows["model"] == model]
            if mine.empty:
                continue
            errors = spread(mine["estimate"], mine["low"], mine["high"])
            axis.errorbar(
                mine["tolerance_s"],
                mine["estimate"],
                yerr=errors,
                color=color,
                linestyle=line,
                marker="o",
                markersize=4,
                capsize=2.5,
                label=_name(model),
            )
        axis.set(title="F1" if score == "f1" else score, xlabel=with_unit("tolerance", "s"), ylim=(0, 1))
    axes[0].set_ylabel(with_unit("score", "fraction"))
    legend_below(figure, [axes[0]])
    return figure
