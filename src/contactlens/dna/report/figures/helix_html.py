"""The helix as a piece of HTML that turns and zooms: one canvas, one small script, nothing fetched."""

import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from contactlens.dna.report.figures.helix import COLOURS, ENDS, HelixView
from contactlens.dna.report.figures.logo import BASE_COLOURS
from contactlens.dna.report.figures.places import ELEMENT_COLOURS, ELSEWHERE

STYLE = """
.helix { background: var(--card, #ffffff); color: var(--ink, #1b1f24); font: .85rem/1.4 system-ui, sans-serif; }
.helix canvas { width: 100%; height: 26rem; display: block; cursor: grab; touch-action: pan-y; }
.helix canvas:active { cursor: grabbing; }
.helix .bar { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .4rem .6rem; }
.helix button { font: inherit; color: inherit; background: none; border: 1px solid var(--rule, #c9cfd6);
  border-radius: .3rem; padding: .15rem .6rem; cursor: pointer; }
.helix button[aria-pressed=true] { border-color: currentColor; font-weight: bold; }
.helix .ramp { display: inline-block; width: 7rem; height: .7rem; margin: 0 .4rem; vertical-align: middle; }
.helix output { color: var(--soft, #5b6570); }
"""
HINT = "Drag to turn, shift-drag to move, click and scroll to zoom, double-click to reset; point at a rung to read it."


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    return (np.round(values.astype(np.float64), digits) + 0.0).tolist()


def _data(views: Sequence[HelixView]) -> dict[str, Any]:
    names = sorted({name for view in views for name in view.rungs["element"]})
    return {
        "ramp": [[round(255 * channel) for channel in COLOURS(x)[:3]] for x in (0.0, 0.5, 1.0)],
        "bases": BASE_COLOURS,
        "elements": [{"name": n, "colour": ELEMENT_COLOURS[n], "named": n != ELSEWHERE} for n in names],
        "views": [
            {
                "unit": "logit per base" if view.bp_per_rung == 1 else f"logit per {view.bp_per_rung} bp",
                "scale": float(f"{view.scale:.4g}"),
                "ends": _rounded(view.rungs[ENDS].to_numpy(), 3),
                "value": _rounded(view.rungs["attribution"].to_numpy(), 5),
                "start": view.rungs["start_bp"].tolist(),
                "end": view.rungs["end_bp"].tolist(),
                "element": [names.index(name) for name in view.rungs["element"]],
                "bases": "".join(view.rungs["bases"]),
            }
            for view in views
        ],
    }


def helix_html(views: Sequence[HelixView], element_id: str, title: str) -> str:
    """One HTML element to drop into a page: the same views as the figure, turned by dragging, zoomed by the wheel.

    element_id: unique in the page, letters, digits and hyphens (ValueError otherwise). It loads nothing from elsewhere,
    and takes its colours from the page's `--card`, `--ink`, `--soft` and `--rule` where they are set.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", element_id):
        raise ValueError(f"element_id must be letters, digits and hyphens, got {element_id!r}")
    # "<" as an escape, so that no name in the data can end the script element
    data = json.dumps(_data(views), separators=(",", ":"), sort_keys=True).replace("<", "\\u003c")
    script = files("contactlens.dna.report.figures").joinpath("helix.js").read_text(encoding="utf-8").rstrip()
    low, middle, high = (f"rgb({','.join(str(round(255 * v)) for v in to_rgb(COLOURS(x)))})" for x in (0.0, 0.5, 1.0))
    buttons = "\n".join(f'<button type="button" data-view>{escape(view.title)}</button>' for view in views)
    return f"""<div class="helix" id="{element_id}">
<style>{STYLE}</style>
<div class="bar"><strong>{escape(title)}</strong>
{buttons}
<span><span data-low></span><span class="ramp"
 style="background: linear-gradient(to right, {low}, {middle}, {high})"></span><span data-high></span></span></div>
<canvas tabindex="0" role="img" aria-label="{escape(title)}: DNA double helix coloured by attribution"></canvas>
<div class="bar"><output>{HINT}</output></div>
<script type="application/json">{data}</script>
<script>{script}(document.getElementById("{element_id}"));</script>
</div>
"""
