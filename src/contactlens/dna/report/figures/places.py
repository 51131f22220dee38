"""Which bases of a window lie in which element, and which were planted."""

import numpy as np
import pandas as pd

from contactlens.dna.data.window_set import WindowSet
from contactlens.reporting.figure_style import GREEN, GREY, ORANGE

ELEMENT_COLOURS = {"enhancer": ORANGE, "promoter": GREEN, "region": ORANGE, "elsewhere": GREY}
ELSEWHERE = "elsewhere"


def element_spans(windows: WindowSet) -> pd.DataFrame:
    """`window_id`, `element`, `start`, `end` (bp from win_start): enhancer and promoter, or the region as a whole."""
    table = windows.windows
    if windows.task == "region":
        ends = {"start": 0, "end": windows.length}
        return pd.DataFrame({"window_id": table["window_id"], "element": "region", **ends})
    parts = [
        pd.DataFrame(
            {
                "window_id": table["window_id"],
                "element": element,
                "start": table[f"{key}_rel_start"],
                "end": table[f"{key}_rel_end"],
            }
        )
        for element, key in (("enhancer", "enh"), ("promoter", "prom"))
    ]
    return pd.concat(parts, ignore_index=True)


def span_mask(spans: pd.DataFrame, windows: WindowSet) -> np.ndarray:
    """(N, L) bool: the bases inside any of `spans` (`window_id`, `start`, `end`), rows as in `windows`."""
    mask = np.zeros((len(windows.windows), windows.length), dtype=bool)
    row = {window_id: n for n, window_id in enumerate(windows.windows["window_id"])}
    for window_id, start, end in zip(spans["window_id"], spans["start"], spans["end"], strict=True):
        mask[row[window_id], max(start, 0) : max(end, 0)] = True
    return mask


def element_masks(windows: WindowSet) -> dict[str, np.ndarray]:
    """(N, L) bool for each element, and for the bases in none."""
    masks = {str(name): span_mask(rows, windows) for name, rows in element_spans(windows).groupby("element")}
    elsewhere = ~np.any(list(masks.values()), axis=0)
    return {**masks, ELSEWHERE: elsewhere} if elsewhere.any() else masks
