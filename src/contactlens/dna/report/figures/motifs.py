"""The discovered motifs beside the known motifs that they match."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.dna.motifs.tomtom import Target
from contactlens.dna.report.figures.logo import BASES, draw_logo, information
from contactlens.reporting.figure_style import GREY, new_figure, styled, with_unit

PATTERN, MATCH = "pattern", "match"
HEAD = ["pattern", "n_seqlets", "matrix_id", "name", "q", "strand"]


def motif_frame(discovery: Discovery, matches: pd.DataFrame, targets: Sequence[Target], most: int) -> pd.DataFrame:
    """The cores of the first `most` patterns and their best matches, lined up as Tomtom aligned them.

    matches: `match_patterns`. Columns: `pattern`, `n_seqlets`, `matrix_id`, `name`, `q`, `strand` (of the match),
    `drawn` ("pattern" or "match"), `position` (0 = first base of the core), `A C G T`: mean contribution (logit) of the
    pattern's bases; letter heights in bits of the match, reverse-complemented where `strand` is "-".
    """
    best = {str(row["pattern"]): row for _, row in matches[matches["rank"] == 1].iterrows()}
    by_id = {target.matrix_id: target for target in targets}
    parts = [
        part
        for pattern in discovery.patterns[:most]
        for part in _rows(pattern, best[pattern.name], by_id[best[pattern.name]["matrix_id"]])
    ]
    columns = [*HEAD, "drawn", "position", *BASES]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _rows(pattern: Pattern, match: pd.Series, target: Target) -> list[pd.DataFrame]:
    heights = information(target.probabilities)
    heights = heights[::-1, ::-1] if match["strand"] == "-" else heights
    contributions = pattern.contributions[slice(*pattern.kept)]
    head = {"pattern": pattern.name, "n_seqlets": pattern.n_seqlets, **match[["matrix_id", "name", "q", "strand"]]}
    return [
        pd.DataFrame(values, columns=list(BASES)).assign(**head, drawn=drawn, position=np.arange(len(values)) + first)
        for drawn, values, first in ((PATTERN, contributions, 0), (MATCH, heights, -int(match["offset"])))
    ]


def _draw_row(left: Axes, right: Axes, rows: pd.DataFrame, max_q: float) -> None:
    head: Mapping = rows.iloc[0].to_dict()
    called = head["q"] <= max_q
    for axis, drawn in ((left, PATTERN), (right, MATCH)):
        part = rows[rows["drawn"] == drawn]
        draw_logo(
            axis,
            part[list(BASES)].to_numpy(),
            int(part["position"].iloc[0]),
            1.0 if called else 0.45 + 0.55 * (drawn == PATTERN),
        )
    ends = rows["position"].min() - 0.6, rows["position"].max() + 0.6
    left.set(
        xlim=ends, ylabel=with_unit("contribution", "logit"), title=f"{head['pattern']}, {head['n_seqlets']} seqlets"
    )
    strand = ", reverse complement" if head["strand"] == "-" else ""
    name = f"{head['name']} {head['matrix_id']}{strand}" if called else f"no match (nearest {head['name']})"
    right.set(xlim=ends, ylim=(0, 2.05), ylabel=with_unit("information", "bits"))
    right.set_title(f"{name}, q = {head['q']:.1e}", color="black" if called else GREY)


@styled
def motif_figure(frame: pd.DataFrame, max_q: float, reason: str = "") -> Figure:
    """One row a pattern: its contributions on the left, its best match on the right, base under base.

    frame: `motif_frame`; a match with q above `max_q` is drawn pale and not named as one; reason: what to say where
    there is no pattern.
    """
    names = list(dict.fromkeys(frame["pattern"]))
    if not names:
        figure = new_figure(7.0, 1.2)
        figure.text(0.5, 0.5, f"No motif found: {reason}", ha="center", va="center", wrap=True)
        return figure
    figure = new_figure(9.0, 0.5 + 1.5 * len(names))
    axes = figure.subplots(len(names), 2, squeeze=False)
    for (left, right), name in zip(axes, names, strict=True):
        _draw_row(left, right, frame[frame["pattern"] == name], max_q)
    for axis in axes[-1]:
        axis.set_xlabel(with_unit("position in pattern", "bp"))
    return figure
