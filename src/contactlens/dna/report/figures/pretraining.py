"""What the backbone learned of DNA before it saw a label."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from contactlens.dna.data.names import NETWORK
from contactlens.reporting.figure_style import BLACK, BLUE, GREY, new_figure, plain, styled, with_unit

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
