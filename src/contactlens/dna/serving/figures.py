"""Response curves of inserted motifs, and heatmaps of mutated regions."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from contactlens.dna.serving.scoring import LETTERS
from contactlens.reporting.figure_style import BLACK, DIVERGING, GREY, colours, new_figure, spread, styled, with_unit

QUANTITIES = {"effect": "-", "interaction": "--"}
LABELS_AT_MOST = 100


@styled
def marginal_figure(table: pd.DataFrame, title: str) -> Figure:
    """The response over the spacing, a colour for each orientation; without spacings, a point for each orientation.

    table: of `Marginal`.
    """
    figure = new_figure(6.4, 3.6)
    axis = figure.subplots()
    axis.axhline(0, color=BLACK, linewidth=0.7)
    shown = table[table["quantity"].isin(list(QUANTITIES))]
    colour = colours(list(dict.fromkeys(shown["orientation"])))
    if shown["spacing_bp"].isna().all():
        for name, rows in shown.groupby("quantity", sort=False):
            error = spread(rows["estimate"], rows["low"], rows["high"])
            axis.errorbar(rows["orientation"], rows["estimate"], error, fmt="o", capsize=3, label=str(name))
        axis.set_xlabel("orientation (strands)")
    else:
        for key, curve in shown.groupby(["quantity", "orientation"], sort=False):
            name, orientation = map(str, key)
            curve, line = curve.sort_values("spacing_bp"), QUANTITIES[name]
            x, label, color = curve["spacing_bp"], f"{name} {orientation}", colour[orientation]
            axis.plot(x, curve["estimate"], f"o{line}", markersize=3, color=color, label=label)
            axis.fill_between(x, curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0)
        axis.set_xlabel(with_unit("spacing of the motifs", "bp"))
    axis.set(ylabel=with_unit("mean change of the score", "logit"), title=title)
    axis.legend()
    return figure


@styled
def mutagenesis_figure(table: pd.DataFrame) -> Figure:
    """What each base contributes, above the effect of every single-base change.

    table: of `RegionMutagenesis`.
    """
    figure = new_figure(min(16.0, max(6.4, 0.09 * len(table))), 3.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1.6])
    place = table["pos"].to_numpy()
    top.bar(place, table["contribution"], width=1.0, color=GREY, linewidth=0)
    top.axhline(0, color=BLACK, linewidth=0.7)
    top.set_ylabel(with_unit("contribution", "logit"))
    effects = table[list(LETTERS)].to_numpy().T
    limit = float(np.abs(effects).max()) or 1.0
    extent = (place[0] - 0.5, place[-1] + 0.5, 3.5, -0.5)
    image = bottom.imshow(effects, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto", extent=extent)
    bottom.grid(False)
    bottom.set_yticks(range(4), list(LETTERS))
    bottom.set(ylabel="changed to", xlabel=with_unit(f"position on {table['chrom'].iloc[0]}", "bp"))
    bottom.ticklabel_format(axis="x", useOffset=False, style="plain")
    if len(table) <= LABELS_AT_MOST:
        known = table[table["base"].isin(list(LETTERS))]
        for at, base in zip(known["pos"], known["base"], strict=True):
            bottom.text(at, LETTERS.index(base), base, ha="center", va="center", fontsize=6)
    figure.colorbar(image, ax=[top, bottom], label=with_unit("change of the score", "logit"), pad=0.01)
    return figure
