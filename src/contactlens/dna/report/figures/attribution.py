"""Where in a window the model looks: distributions, one window in detail, and all windows lined up by element."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.motifs.peaks import smoothed
from contactlens.dna.report.figures.logo import BASES, draw_logo
from contactlens.dna.report.figures.places import ELEMENT_COLOURS, ELSEWHERE, element_masks, element_spans, span_mask
from contactlens.reporting.figure_style import (
    BLACK,
    DIVERGING,
    GREY,
    colours,
    legend_below,
    new_figure,
    styled,
    with_unit,
)

# The bins and colour scales end here, so that a few extreme bases do not squeeze the rest.
SCALE_QUANTILE = 0.999
UNIT = "logit per base"


def _scale(values: np.ndarray) -> float:
    return float(np.nanquantile(np.abs(values), SCALE_QUANTILE)) or 1.0


def distribution_frame(contributions: Attributions, windows: WindowSet, bins: int = 81) -> pd.DataFrame:
    """Histograms of the attributions of single bases.

    Columns: `element`; `planted` ("all", and where the truth is known "planted", "not planted"); `bin_left`,
    `bin_right` (logit; the end bins hold what lies beyond); `share` of the group's bases; `n_bases`.
    """
    windows = windows.select([str(name) for name in contributions.window_ids])
    actual = contributions.actual
    top = _scale(actual)
    edges = np.linspace(-top, top, bins + 1)
    kinds = {"all": np.ones(actual.shape, dtype=bool)}
    if windows.planted is not None:
        planted = span_mask(windows.planted, windows)
        kinds |= {"planted": planted, "not planted": ~planted}
    parts = []
    for element, inside in element_masks(windows).items():
        for kind, chosen in kinds.items():
            counts, _ = np.histogram(np.clip(actual[inside & chosen], -top, top), edges)
            group = {"element": element, "planted": kind, "bin_left": edges[:-1], "bin_right": edges[1:]}
            n = int(counts.sum())
            parts.append(pd.DataFrame({**group, "share": counts / max(n, 1), "n_bases": n}))
    frame = pd.concat(parts, ignore_index=True)
    return frame[frame["n_bases"] > 0].reset_index(drop=True)


@styled
def distribution_figure(frame: pd.DataFrame) -> Figure:
    """Attributions by element, and by what was planted where that is known; the share axis is logarithmic."""
    kinds = [["all"], ["planted", "not planted"]] if (frame["planted"] == "planted").any() else [["all"]]
    figure = new_figure(0.6 + 4.0 * len(kinds), 4.0)
    axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axis, shown in zip(axes, kinds, strict=True):
        for (element, kind), rows in frame[frame["planted"].isin(shown)].groupby(["element", "planted"], sort=False):
            _draw_histogram(axis, rows, str(element), str(kind))
        axis.axvline(0, color=BLACK, linewidth=0.7)
        axis.set(yscale="log", xlabel=with_unit("attribution", UNIT))
        axis.set_title("by element" if shown == ["all"] else "by what was planted")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2 if len(shown) > 1 else 3)
    axes[0].set_ylabel(with_unit("share of bases per bin", "fraction"))
    return figure


def _draw_histogram(axis: Axes, rows: pd.DataFrame, element: str, kind: str) -> None:
    edges = [*rows["bin_left"], rows["bin_right"].iloc[-1]]
    share = rows["share"].where(rows["share"] > 0)
    label = element if kind == "all" else f"{element}, {kind}"
    style = ":" if kind == "not planted" else "-"
    axis.stairs(share, edges, color=ELEMENT_COLOURS[element], linestyle=style, linewidth=1.4, label=label)


def zoom_frame(contributions: Attributions, windows: WindowSet, window_id: str, zoom_bp: int) -> pd.DataFrame:
    """One window base by base: `position` (bp from win_start), `base`, `attribution` (logit), `element`, `planted`
    (factor and strand, "" where none), `in_zoom` (the `zoom_bp` bases around the peak of |attribution|)."""
    one = windows.select([window_id])
    actual = contributions.select([window_id]).actual[0]
    centre = int(np.argmax(smoothed(np.abs(actual), 11)))
    first = int(np.clip(centre - zoom_bp // 2, 0, max(len(actual) - zoom_bp, 0)))
    position = np.arange(len(actual))
    frame = pd.DataFrame({"position": position, "base": list(one.sequences()[0]), "attribution": actual})
    frame["element"], frame["planted"] = ELSEWHERE, ""
    for _, element, start, end in element_spans(one).to_numpy().tolist():
        frame.loc[start : end - 1, "element"] = element
    if one.planted is not None:
        for name, strand, start, end in one.planted[["name", "strand", "start", "end"]].to_numpy().tolist():
            frame.loc[start : end - 1, "planted"] = f"{name} {strand}"
    frame["in_zoom"] = (position >= first) & (position < first + zoom_bp)
    return frame


def _runs(column: pd.Series) -> list[tuple[str, int, int]]:
    """(value, first, one past the last row) of runs of an equal value."""
    number = (column != column.shift()).cumsum()
    return [(str(run.iloc[0]), int(run.index[0]), int(run.index[-1]) + 1) for _, run in column.groupby(number)]


@styled
def zoom_figure(frame: pd.DataFrame, title: str) -> Figure:
    """A whole window above, the bases around its strongest peak as a logo below, planted motifs marked in both.

    frame: `zoom_frame`; title: what to call the window.
    """
    figure = new_figure(9.0, 4.6)
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 1.25])
    shades = colours(sorted({name.split()[0] for name in frame["planted"] if name}))
    _draw_window(upper, frame, shades)
    _draw_letters(lower, frame[frame["in_zoom"]], shades)
    upper.set(title=title, ylabel=with_unit("attribution", "logit"))
    lower.set(xlabel=with_unit("position in window", "bp"), ylabel=with_unit("attribution", "logit"))
    legend_below(figure, [upper])
    return figure


def _draw_window(axis: Axes, frame: pd.DataFrame, shades: dict[object, str]) -> None:
    for element, start, end in _runs(frame["element"]):
        if element != ELSEWHERE:
            axis.axvspan(start, end, color=ELEMENT_COLOURS[element], alpha=0.22, linewidth=0, label=element)
    axis.plot(frame["position"], frame["attribution"], color=BLACK, linewidth=0.5)
    for name, start, end in _runs(frame["planted"]):
        if name:
            colour = shades[name.split()[0]]
            axis.plot((start + end) / 2, -0.04, "^", color=colour, transform=axis.get_xaxis_transform(), clip_on=False,
                      markersize=4.5, label=f"planted {name.split()[0]}")  # fmt: skip
    zoom = frame.loc[frame["in_zoom"], "position"]
    axis.axvspan(zoom.iloc[0], zoom.iloc[-1] + 1, facecolor="none", edgecolor=BLACK, linewidth=0.9, label="shown below")
    axis.tick_params(axis="x", pad=6)
    axis.margins(x=0)


def _draw_letters(axis: Axes, rows: pd.DataFrame, shades: dict[object, str]) -> None:
    first = int(rows["position"].iloc[0])
    heights = rows["attribution"].to_numpy()[:, None] * (rows["base"].to_numpy()[:, None] == np.array(list(BASES)))
    draw_logo(axis, heights, first)
    low, high = min(float(heights.min()), 0.0), float(heights.max())
    gap = 0.08 * (high - low)
    for name, start, end in _runs(rows["planted"]):
        if name:
            colour, height = shades[name.split()[0]], low - gap
            axis.plot([start - 0.4, end - 0.6], [height, height], color=colour, linewidth=3, solid_capstyle="butt")
            axis.text((start + end - 1) / 2, height - 0.4 * gap, name, color=colour, ha="center", va="top", fontsize=8)
    axis.set(ylim=(low - 3.2 * gap, high + 0.5 * gap), xlim=(first - 0.5, first + len(rows) - 0.5))


def region_frame(
    contributions: Attributions, windows: WindowSet, flank_bp: int = 100, body_bins: int = 100, most: int = 200
) -> pd.DataFrame:
    """The windows of the highest logits lined up by each element.

    Columns: `element`, `rank` (0 = highest logit), `window_id`, `bin` (< 0 before the element: bp from its start;
    0 to `body_bins` - 1 inside, the element's length divided evenly; from `body_bins` bp past its end), `attribution`
    (mean in the bin, logit per base; NaN outside of the window). A region fills its window and has no flanks.
    """
    flank_bp = 0 if windows.task == "region" else flank_bp
    order = np.argsort(-contributions.logits, kind="stable")[:most]
    rank = {str(contributions.window_ids[row]): n for n, row in enumerate(order)}
    chosen = contributions.select(list(rank))
    actual = chosen.actual
    spans = element_spans(windows.select(list(rank)))
    bins = np.arange(-flank_bp, body_bins + flank_bp)
    parts = [
        pd.DataFrame(
            {
                "element": element,
                "rank": rank[window_id],
                "window_id": window_id,
                "bin": bins,
                "attribution": _lined_up(actual[rank[window_id]], start, end, flank_bp, body_bins),
            }
        )
        for window_id, element, start, end in spans.itertuples(index=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _lined_up(values: np.ndarray, start: int, end: int, flank_bp: int, body_bins: int) -> np.ndarray:
    padded = np.concatenate([np.full(flank_bp, np.nan), values, np.full(flank_bp, np.nan)])
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    edges = np.linspace(start, end, body_bins + 1)  # bins may hold parts of bases
    body = np.diff(np.interp(edges, np.arange(len(sums)), sums)) * body_bins / (end - start)
    return np.concatenate([padded[start : start + flank_bp], body, padded[end + flank_bp : end + 2 * flank_bp]])


@styled
def region_figure(frame: pd.DataFrame) -> Figure:
    """A heatmap of windows x position for each element, above it the mean over windows. frame: `region_frame`."""
    elements = list(dict.fromkeys(frame["element"]))
    tables = {
        e: frame[frame["element"] == e].pivot_table(index="rank", columns="bin", values="attribution", dropna=False)
        for e in elements
    }
    scale = _scale(np.concatenate([table.to_numpy().ravel() for table in tables.values()]))
    figure = new_figure(0.8 + 4.2 * len(elements), 5.0)
    axes = figure.subplots(2, len(elements), height_ratios=[1, 3], squeeze=False, sharex="col", sharey="row")
    for (upper, lower), element in zip(axes.T, elements, strict=True):
        image = _draw_rows(lower, tables[element], scale)
        mean = tables[element].mean()
        upper.plot(mean.index, mean, color=ELEMENT_COLOURS[element], linewidth=1.2)
        upper.axhline(0, color=BLACK, linewidth=0.6)
        upper.set_title(element)
        for axis in (upper, lower):
            _mark_element(axis, tables[element].columns.to_numpy())
        lower.set_xlabel(with_unit(f"position along the {element}; outside of it", "bp"))
    axes[0, 0].set_ylabel("mean\n(logit per base)")
    axes[1, 0].set_ylabel("windows, by logit (rank)")
    figure.colorbar(image, ax=axes[1].tolist(), label=with_unit("attribution", UNIT), extend="both", pad=0.02)
    return figure


def _draw_rows(axis: Axes, table: pd.DataFrame, scale: float) -> AxesImage:
    bins = table.columns.to_numpy()
    axis.grid(False)
    axis.set_facecolor("#ECECEC")
    extent = (bins[0] - 0.5, bins[-1] + 0.5, len(table) - 0.5, -0.5)
    return axis.imshow(
        table, aspect="auto", cmap=DIVERGING, vmin=-scale, vmax=scale, extent=extent, interpolation="nearest"
    )


def _mark_element(axis: Axes, bins: np.ndarray) -> None:
    flank = -int(bins[0])
    body = len(bins) - 2 * flank
    for at in (-0.5, body - 0.5):
        axis.axvline(at, color=GREY, linestyle="--", linewidth=0.9)
    if flank:
        axis.set_xticks([-flank, -0.5, body - 0.5, body + flank], [f"-{flank}", "start", "end", f"+{flank}"])
    else:
        axis.set_xticks([-0.5, body - 0.5], ["start", "end"])
