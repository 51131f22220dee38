"""A window as a DNA double helix, coloured by attribution, with its enhancer and promoter marked.

A drawing to find one's way by, not a structure: the bend of the axis carries no information.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure

from contactlens.dna.motifs.peaks import smoothed
from contactlens.dna.report.figures.logo import BASE_COLOURS
from contactlens.dna.report.figures.places import ELEMENT_COLOURS, ELSEWHERE
from contactlens.reporting.figure_style import BLUE, GREY, VERMILION, new_figure, styled, with_unit

# B-DNA (Franklin & Gosling 1953; Wang 1979): 10.5 bp a turn, 0.34 nm rise a bp, radius 1 nm; the strands stand about
# 150 degrees apart, which makes one groove wider than the other.
BASES_PER_TURN = 10.5
RISE_NM = 0.34
RADIUS_NM = 1.0
GROOVE = np.deg2rad(150)
COLOURS = LinearSegmentedColormap.from_list("attribution", [BLUE, "#D8D8D8", VERMILION])
ENDS = ["x1", "y1", "z1", "x2", "y2", "z2"]
FADE = 0.4  # how far the most distant part fades into the paper
WIDTHS_PT = {False: (2.4, 1.8), True: (4.2, 3.2)}  # of rungs and of backbones; True where a rung is a base


@dataclass(frozen=True)
class HelixView:
    """A stretch of DNA as base pairs to draw ("rungs"), each standing for `bp_per_rung` bases.

    rungs: `start_bp`, `end_bp` (from win_start), `attribution` (sum over the rung's bases, logit), `element`, `bases`
        ("" where a rung stands for more than one); coordinates of its two ends (nm): x1, y1, z1, x2, y2, z2
    """

    title: str
    bp_per_rung: int
    rungs: pd.DataFrame

    @property
    def scale(self) -> float:
        """Attribution of the strongest colour."""
        return float(self.rungs["attribution"].abs().max()) or 1.0


def helix_points(n: int, arch: float) -> np.ndarray:
    """(n, 6): both ends of each rung of a helix in nm, its axis a circular arc of angle `arch` (rad; 0 for straight).

    Rungs are a base pair's rise apart along the axis.
    """
    along = (np.arange(n) - (n - 1) / 2) * RISE_NM
    turn = 2 * np.pi * np.arange(n) / BASES_PER_TURN
    if arch:
        bend = n * RISE_NM / arch
        angle = along / bend
        axis = np.stack([bend * np.sin(angle), np.zeros(n), bend * np.cos(angle) - bend], axis=1)
        normal = np.stack([np.sin(angle), np.zeros(n), np.cos(angle)], axis=1)
    else:
        axis = np.stack([along, np.zeros(n), np.zeros(n)], axis=1)
        normal = np.tile([0.0, 0.0, 1.0], (n, 1))
    side = np.array([0.0, 1.0, 0.0])
    ends = [
        axis + RADIUS_NM * (np.cos(turn + shift)[:, None] * normal + np.sin(turn + shift)[:, None] * side)
        for shift in (0.0, GROOVE)
    ]
    return np.concatenate(ends, axis=1)


def _view(
    title: str, attribution: np.ndarray, sequence: str, elements: Mapping[str, tuple[int, int]], first: int, n: int,
    bp: int, arch: float,
) -> HelixView:  # fmt: skip
    """`n` rungs of `bp` bases from base `first` on; the last may hold fewer."""
    starts = first + bp * np.arange(n)
    ends = np.minimum(starts + bp, len(attribution))
    frame = pd.DataFrame({"start_bp": starts, "end_bp": ends})
    frame["attribution"] = [attribution[start:end].sum() for start, end in zip(starts, ends, strict=True)]
    frame["element"] = ELSEWHERE
    for name, (start, end) in elements.items():
        frame.loc[(ends > start) & (starts < end), "element"] = name
    frame["bases"] = [sequence[start] for start in starts] if bp == 1 else ""
    frame[ENDS] = helix_points(n, arch)
    return HelixView(title, bp, frame)


def helix_views(
    attribution: np.ndarray,
    sequence: str,
    elements: Mapping[str, tuple[int, int]],
    most_rungs: int = 210,
    zoom_bp: int = 32,
) -> list[HelixView]:
    """The whole window as an arch, then the `zoom_bp` bases around the strongest place of each element, base by base.

    attribution: (L,) contributions to the logit; sequence: L letters; elements: name -> (start, end) in bp.
    """
    length = len(attribution)
    bp = -(-length // most_rungs)
    overview = _view("whole window", attribution, sequence, elements, 0, -(-length // bp), bp, np.deg2rad(150))
    height = smoothed(np.abs(attribution), 11)
    views = [overview]
    for name, (start, end) in elements.items():
        peak = start + int(np.argmax(height[start:end]))
        first = int(np.clip(peak - zoom_bp // 2, 0, max(length - zoom_bp, 0)))
        title = f"{name}, strongest place"
        views.append(_view(title, attribution, sequence, elements, first, min(zoom_bp, length), 1, 0.0))
    return views


def helix_frame(views: Sequence[HelixView]) -> pd.DataFrame:
    """What the figure shows as one table: `view`, then the columns of `HelixView.rungs`."""
    return pd.concat([view.rungs.assign(view=view.title) for view in views], ignore_index=True)[
        ["view", *views[0].rungs.columns]
    ]


def _projected(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (..., 3) as the viewer sees them from slightly above: (..., 2) on paper, depth (...) toward the viewer."""
    tilt, yaw = np.deg2rad(14), np.deg2rad(-9)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    x, y = x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw)
    up, depth = z * np.cos(tilt) + y * np.sin(tilt), z * np.sin(tilt) - y * np.cos(tilt)
    return np.stack([x, up], axis=-1), depth


def _segments(view: HelixView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rungs and both backbones: (S, 2, 3) line segments, their colours (S, 3) and widths in points (S,)."""
    ends = view.rungs[ENDS].to_numpy().reshape(-1, 2, 3)
    rungs = COLOURS(Normalize(-view.scale, view.scale)(view.rungs["attribution"].to_numpy()))[:, :3]
    backbone = np.array([to_rgb(ELEMENT_COLOURS[name]) for name in view.rungs["element"][:-1]])
    strands = [np.stack([ends[:-1, side], ends[1:, side]], axis=1) for side in (0, 1)]
    widths = np.repeat(WIDTHS_PT[view.bp_per_rung == 1], [len(rungs), 2 * len(backbone)])
    return np.concatenate([ends, *strands]), np.concatenate([rungs, backbone, backbone]), widths


def _draw(axis: Axes, view: HelixView) -> None:
    segments, shades, widths = _segments(view)
    paper, depth = _projected(segments)
    order = np.argsort(depth.mean(axis=1), kind="stable")  # the painter's algorithm: far ones first
    near = (depth.mean(axis=1) - depth.min()) / np.ptp(depth)
    shades = shades + (1 - shades) * (FADE * (1 - near))[:, None]
    lines = LineCollection(list(paper[order]), colors=shades[order], linewidths=widths[order], capstyle="round")
    axis.add_collection(lines)
    _label(axis, view)
    low, high = paper.min(axis=(0, 1)), paper.max(axis=(0, 1))
    floor = low[1] - (1.1 if view.bp_per_rung == 1 else 0.5)
    axis.set(xlim=(low[0] - 0.5, high[0] + 0.5), ylim=(floor, high[1] + 1.5), aspect="equal")
    axis.set_axis_off()
    unit = "base" if view.bp_per_rung == 1 else f"{view.bp_per_rung} bp"
    span = f"{view.rungs['start_bp'].iloc[0]:,}-{view.rungs['end_bp'].iloc[-1]:,} bp"
    axis.set_title(f"{view.title}: {span}, one rung per {unit}")


def _label(axis: Axes, view: HelixView) -> None:
    """Name the elements beside their stretches; where a rung is a base, write the bases below."""
    middles, _ = _projected(view.rungs[ENDS].to_numpy().reshape(-1, 2, 3).mean(axis=1))
    named = view.bp_per_rung > 1 or len(view.rungs["element"].unique()) > 1
    for element in view.rungs["element"].unique():
        rows = np.flatnonzero(view.rungs["element"] == element)
        if element != ELSEWHERE and named:
            x, up = middles[rows[len(rows) // 2]]
            side = np.array([x, up - middles[:, 1].min() + 1e-6]) / np.hypot(x, up - middles[:, 1].min() + 1e-6)
            x, up = np.array([x, up]) + 2.2 * RADIUS_NM * side
            anchor = "left" if side[0] > 0.3 else "right" if side[0] < -0.3 else "center"
            axis.text(x, up, element, color=ELEMENT_COLOURS[element], ha=anchor, va="center", fontweight="bold")
    if view.bp_per_rung == 1:
        floor = middles[:, 1].min() - 1.5 * RADIUS_NM
        for (x, _), base in zip(middles, view.rungs["bases"], strict=True):
            axis.text(x, floor, base, color=BASE_COLOURS.get(base, GREY), ha="center", va="top", fontsize=8)


@styled
def helix_figure(views: Sequence[HelixView], title: str) -> Figure:
    """The whole window above, the strongest place of each element below; blue lowers the logit, vermilion raises it.

    views: `helix_views`. Backbones carry the element's colour; the first strand's bases stand below.
    """
    figure = new_figure(10.0, 6.0)
    grid = figure.add_gridspec(2, max(len(views) - 1, 1), height_ratios=[2.1, 1])
    places = [grid[0, :], *(grid[1, column] for column in range(len(views) - 1))]
    for place, view in zip(places, views, strict=True):
        axis = figure.add_subplot(place)
        _draw(axis, view)
        label = "logit per base" if view.bp_per_rung == 1 else with_unit("attribution", "logit per rung")
        scale = ScalarMappable(Normalize(-view.scale, view.scale), COLOURS)
        figure.colorbar(scale, ax=axis, label=label, shrink=0.8, aspect=14, pad=0.01)
    figure.suptitle(title, fontsize=9.5, fontweight="bold", x=0.01, ha="left")
    return figure
