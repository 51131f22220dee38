"""Sequence logos on an axis, in colours that all can tell apart."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from contactlens.reporting.figure_style import BLUE, GREEN, ORANGE, VERMILION

BASES = "ACGT"
BASE_COLOURS = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": VERMILION}


def draw_logo(axis: Axes, heights: np.ndarray, start: int, alpha: float = 1.0) -> None:
    """Letters of `heights` (W, 4; A, C, G, T), the first centred on x = `start`; negative ones hang below the axis."""
    import logomaker

    frame = pd.DataFrame(heights, columns=list(BASES), index=np.arange(start, start + len(heights)))
    logo = logomaker.Logo(frame, ax=axis, color_scheme=BASE_COLOURS, flip_below=False, alpha=alpha, baseline_width=0.6)
    logo.style_spines(spines=["top", "right"], visible=False)
    axis.grid(False)


def information(pwm: np.ndarray) -> np.ndarray:
    """Letter heights (W, 4) in bits: each base's share of the position's information against uniform bases
    (Schneider & Stephens 1990), without small-sample correction."""
    bits = 2 + np.sum(pwm * np.log2(np.maximum(pwm, 1e-12)), axis=1, keepdims=True)
    return pwm * bits
