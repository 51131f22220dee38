"""How pre-training and fine-tuning went, epoch by epoch."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from contactlens.dna.data.names import CRITERION, NETWORK
from contactlens.reporting.figure_style import BLACK, BLUE, GREY, SEQUENTIAL, new_figure, plain, styled, with_unit
from contactlens.reporting.trials import Trials

EPOCHS_NAMED = 6
TRIALS = Trials(
    CRITERION,
    with_unit("validation loss", "nats per window"),
    frozenset({CRITERION, "validation_refined_loss", "validation_auroc", "validation_ece"}),
    {"unfrozen_layers": "blocks", "head_hidden": "units"},
)
PRETRAINING_TRIALS = Trials(
    "validation_loss",
    with_unit("loss of masked bases", "nats"),
    frozenset({"validation_loss", "validation_accuracy"}),
    {"crop_bp": "bp", "batch_size": "crops", "crops_per_epoch": "crops"},
)
SERIES = {"train_loss": ("training", GREY), "validation_loss": ("validation", BLUE)}


def pretraining_frame(history: pd.DataFrame, losses: pd.DataFrame | None) -> pd.DataFrame:
    """`series` (training, validation, and each baseline), `epoch` (from 1; missing for baselines), `loss`.

    history: epoch (from 0), train_loss, validation_loss. losses: model, loss, of the network and of models that need no
    training; None where there are none.
    """
    parts = [
        pd.DataFrame({"series": name, "epoch": history["epoch"] + 1, "loss": history[column]})
        for column, (name, _) in SERIES.items()
    ]
    if losses is not None:
        others = losses[losses["model"] != NETWORK]
        parts.append(
            pd.DataFrame({"series": others["model"].map(plain), "epoch": float("nan"), "loss": others["loss"]})
        )
    return pd.concat(parts, ignore_index=True)


@styled
def pretraining_figure(frame: pd.DataFrame) -> Figure:
    """Loss over epochs, and the loss of the baselines as levels, the best and the worst named.

    frame: `pretraining_frame`.
    """
    figure = new_figure(6.4, 3.4)
    axis = figure.subplots()
    for name, color in SERIES.values():
        rows = frame[frame["series"] == name]
        axis.plot(rows["epoch"], rows["loss"], "o-", markersize=3, color=color, label=name)
    levels = frame[frame["epoch"].isna()].sort_values("loss", kind="stable")
    for level in levels["loss"]:
        axis.axhline(level, color=BLACK, linestyle="--", linewidth=0.7)
    for name, level in levels[["series", "loss"]].iloc[[0, -1] if len(levels) > 1 else []].to_numpy().tolist():
        axis.text(1.01, level, name, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
    axis.set(xlabel=with_unit("pre-training", "epochs"), ylabel=with_unit("cross-entropy", "nats per masked base"))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend()
    return figure


@styled
def roc_epochs_figure(roc: pd.DataFrame, kept_epoch: int | None = None) -> Figure:
    """The ROC curve on validation windows after each epoch, dark to light. roc: table of `roc_by_epoch`.

    kept_epoch: the epoch, from 1, whose weights were kept; drawn thick.
    """
    figure = new_figure(4.8, 4.4)
    axis = figure.subplots()
    epochs = sorted(roc["epoch"].unique())
    shades = colormaps[SEQUENTIAL](np.linspace(0, 0.92, len(epochs)))
    named = set(np.array(epochs)[np.linspace(0, len(epochs) - 1, min(EPOCHS_NAMED, len(epochs))).round().astype(int)])
    for epoch, shade in zip(epochs, shades, strict=True):
        rows = roc[roc["epoch"] == epoch]
        kept = epoch == kept_epoch
        label = f"epoch {epoch}  {rows['auroc'].iloc[0]:.3f}" + (", kept" if kept else "")
        style: dict[str, Any] = {"linewidth": 2.6, "zorder": 3} if kept else {"linewidth": 1.1}
        axis.plot(rows["fpr"], rows["tpr"], color=shade, label=label if kept or epoch in named else None, **style)
    axis.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1)
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axis.set(xlabel=with_unit("false positive rate", "fraction"), ylabel=with_unit("true positive rate", "fraction"))
    axis.legend(title="AUROC on validation", loc="lower right")
    return figure


@styled
def training_figure(history: pd.DataFrame) -> Figure:
    """Loss on training and validation windows, and validation AUROC, over epochs.

    history: epoch (from 0), train_loss, validation_loss, validation_auroc and the criterion that weights are kept by.
    The dots mark the epoch that was kept.
    """
    figure = new_figure(7.6, 3.2)
    left, right = figure.subplots(1, 2)
    epoch, kept = history["epoch"] + 1, int(history[CRITERION].argmin())
    for axis, column, color, label in (
        (left, "train_loss", GREY, "training"),
        (left, "validation_loss", BLUE, "validation"),
        (right, "validation_auroc", BLUE, "validation"),
    ):
        axis.plot(epoch, history[column], color=color, label=label)
        if column != "train_loss":
            axis.plot(
                epoch.iloc[kept], history[column].iloc[kept], "o", color=BLACK, markersize=4.5, label="kept epoch"
            )
    left.axhline(np.log(2), color=BLACK, linestyle="--", linewidth=1, label="even odds")
    right.axhline(0.5, color=BLACK, linestyle="--", linewidth=1, label="chance")
    left.set(title="loss", ylabel=with_unit("cross-entropy", "nats per window"))
    right.set(
        title="ranking", ylabel=with_unit("AUROC", "1"), ylim=(min(0.45, history["validation_auroc"].min()), 1.01)
    )
    for axis in (left, right):
        axis.set_xlabel(with_unit("training", "epochs"))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend()
    return figure
