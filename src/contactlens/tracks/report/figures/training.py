"""How training went, seed by seed."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from contactlens.reporting.figure_style import (
    BLACK,
    CYCLE,
    colours,
    new_figure,
    plain,
    styled,
    true_line,
    with_unit,
)
from contactlens.tracks.data.track_set import Driver

MEASURES = {"train_loss", "validation_nll", "validation_crps", "gate_midpoint", "gate_alpha"}


def loss_terms(history: pd.DataFrame) -> list[str]:
    """The named terms of the loss: every column of `history.csv` that is neither an index nor a measure."""
    return [column for column in map(str, history) if column not in MEASURES | {"seed", "epoch"}]


def _draw_seeds(axis: Axes, history: pd.DataFrame, column: str) -> None:
    shades = colours(sorted(history["seed"].unique()))
    for seed, run in history.groupby("seed"):
        axis.plot(run["epoch"], run[column], color=shades[seed], label=f"seed {seed}")
    best = history.loc[history.groupby("seed")["validation_nll"].idxmin()]
    axis.plot(best["epoch"], best[column], "o", color=BLACK, markersize=4, label="kept epoch")


def _draw_terms(axis: Axes, history: pd.DataFrame) -> None:
    mean = history.drop(columns="seed").groupby("epoch").mean()
    axis.plot(mean.index, mean["train_loss"], color=BLACK, label="total")
    for term, color in zip(loss_terms(history), CYCLE, strict=False):
        axis.plot(mean.index, mean[term], color=color, linestyle="--", label=plain(term.removeprefix("train_")))
    axis.set_yscale("symlog", linthresh=0.1)
    axis.legend()


def _score_panels(history: pd.DataFrame, signal_unit: str, of_states: bool) -> dict[str, tuple[str, str]]:
    """Title and axis label of each curve of the likelihood, which the task decides."""
    nll, bound = with_unit("NLL", "nats per frame"), with_unit("NLL + divergence", "nats per frame")
    crps = ("validation Brier score", with_unit("Brier score", "1"))
    latent = "train_kl" in history
    return {
        "train_nll": ("training NLL" if of_states else "training NLL, standardised signal", nll),
        "validation_nll": ("validation NLL at mean latents + divergence", bound) if latent else ("validation NLL", nll),
        "validation_crps": crps if of_states else ("validation CRPS", with_unit("CRPS", signal_unit)),
    }


@styled
def training_figure(
    history: pd.DataFrame,
    driver: Driver,
    signal_unit: str,
    true_radius: float | None = None,
    of_states: bool = False,
) -> Figure:
    """Loss and its terms, training and validation NLL, CRPS, and the parameters of the gate where there is one.

    history: rows of `history.csv`; one line a seed, but for the terms, which are means over seeds. The
    training loss is of the standardised signal, the validation scores are not: the two share no axis.
    `true_radius` is in the driver's unit, None where it is not known. of_states: whether states are predicted, of
    which the CRPS is the Brier score.
    """
    gated = bool(history["gate_midpoint"].notna().any())
    figure = new_figure(10.4 if gated else 8.6, 5.6)
    axes = figure.subplots(2, 3 if gated else 2, sharex=True)
    scores = _score_panels(history, signal_unit, of_states)
    gate = {
        "gate_midpoint": ("gate's midpoint", with_unit("midpoint", driver.unit)),
        "gate_alpha": ("gate sharpness", with_unit("gate_alpha", f"1/{driver.unit}")),
    }
    terms, *after = axes.flat[len(scores) :]
    panels = zip((*axes.flat[: len(scores)], *after), {**scores, **(gate if gated else {})}.items(), strict=True)
    for axis, (column, (title, label)) in panels:
        _draw_seeds(axis, history, column)
        axis.set(title=title, ylabel=label)
    _draw_terms(terms, history)
    terms.set(title="training loss and its terms, mean of seeds", ylabel=with_unit("loss", "nats per frame"))
    if gated:
        true_line(after[0], true_radius, "truth", horizontal=True)
    (after[0] if gated else axes[0, 0]).legend()
    for axis in axes[1]:
        axis.set_xlabel(with_unit("training", "epochs"))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
