"""Test tracks to choose from, zoom into and read values of: one canvas, one small script, nothing fetched."""

import json
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from contactlens.reporting.figure_style import BLUE, GREY, VERMILION, with_unit
from contactlens.tracks.data.track_set import SIGNAL_COLUMN, Driver
from contactlens.tracks.report.figures.tracks_examples import choose_examples, with_gaps

TRACKS = 9
DIGITS = 3
Z90 = 1.6449  # of the 5 and 95 % quantiles of a normal law, in standard deviations
STYLE = """
.tracks { background: var(--card, #ffffff); color: var(--ink, #1b1f24); font: .85rem/1.4 system-ui, sans-serif; }
.tracks canvas { width: 100%; height: 22rem; display: block; cursor: crosshair; touch-action: pan-y; }
.tracks .bar { display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: center; padding: .4rem .6rem; }
.tracks button, .tracks select { font: inherit; color: inherit; background: var(--card, #ffffff);
  border: 1px solid var(--soft, #5b6570); border-radius: .3rem; padding: .15rem .6rem; }
.tracks :focus-visible { outline: 3px solid var(--accent, #0072b2); outline-offset: 1px; }
.tracks output { color: var(--soft, #5b6570); min-height: 2.8em; }
"""
HINT = (
    "Point at a frame to read it, drag to zoom, double-click for all of it. Keys on the graph: arrows, + and -, 0 for "
    "all."
)


def _numbers(values: pd.Series | np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.{DIGITS}g}") for value in np.asarray(values, dtype="float64")]


def _track(predictions: pd.DataFrame, driver: Driver) -> dict[str, Any]:
    full = with_gaps(predictions)
    low, high = (full["mean"] + sign * Z90 * full["sd"] for sign in (-1, 1))
    return {
        "start": float(full["time_s"].iloc[0]),
        "driver": _numbers(full[driver.gate_column]),
        "signal": _numbers(full[SIGNAL_COLUMN]),
        "mean": _numbers(full["mean"]),
        "low": _numbers(low),
        "high": _numbers(high),
    }


def track_explorer_html(predictions: pd.DataFrame, driver: Driver, signal_unit: str, radius: float | None) -> str:
    """One HTML element to drop into a page: nine test tracks from the easiest to the hardest by mean NLL, each with
    driver, measured signal, predicted mean and mean ± 1.645 sd.

    predictions: rows of `predictions.parquet` with `mean` and `sd`; radius: a dashed line in the driver's unit
    It loads nothing from elsewhere, and takes its colours from the page where these are set.
    """
    chosen = choose_examples(predictions, list(np.linspace(0, 100, TRACKS))).drop_duplicates("track_id")
    by_track = {str(name): rows for name, rows in predictions.groupby("track_id", sort=False)}
    names = [str(name) for name in chosen["track_id"]]
    first = by_track[names[0]]
    interval_s = float((first["time_s"].diff() / first["frame"].diff()).median())
    data = {
        "interval_s": interval_s,
        "driver": with_unit(driver.name, driver.unit),
        "signal": with_unit("signal", signal_unit),
        "radius": radius,
        "colours": {"driver": GREY, "signal": VERMILION, "mean": BLUE, "band": f"{BLUE}40"},
        "tracks": [_track(by_track[name], driver) for name in names],
    }
    # "<" as an escape, so that no name in the data can end the script element
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).replace("<", "\\u003c")
    script = files("contactlens.tracks.report").joinpath("track_explorer.js").read_text(encoding="utf-8")
    options = "".join(
        f"<option>{escape(name)}: NLL {nll:.3f}</option>" for name, nll in zip(names, chosen["nll"], strict=True)
    )
    acts = {"in": "Zoom in", "out": "Zoom out", "back": "Earlier", "on": "Later", "all": "Whole track"}
    buttons = "".join(f'<button type="button" data-act="{act}">{label}</button>' for act, label in acts.items())
    return f"""<div class="tracks" id="tracks">
<style>{STYLE}</style>
<div class="bar"><label>Track <select>{options}</select></label>{buttons}</div>
<canvas tabindex="0" role="img" aria-label="Driver and signal of the chosen track over time"></canvas>
<div class="bar"><output aria-live="polite">{HINT}</output></div>
<script type="application/json">{text}</script>
<script>{script.rstrip()}(document.getElementById("tracks"));</script>
</div>
"""
