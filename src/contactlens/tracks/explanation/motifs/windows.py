"""Windows of contact history around the attribution peak of each predicted frame."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d

from contactlens.tracks.explanation.motifs.contact_alphabet import MISSING, one_hot

if TYPE_CHECKING:
    from contactlens.tracks.explanation.motifs.contributions import Contributions


@dataclass(frozen=True)
class HistoryWindows:
    """M windows of W frames, one a predicted frame.

    table: a row each: `track` (row of the contributions), `slot` (which of its predicted frames), `predicted_frame`,
        `start` (first input frame), `peak` (input frame), `height` (smoothed |contribution|
        at the peak, in the output's unit per frame)
    hypothetical: (M, W, 4) float32, contact, no contact and two letters that do not occur
    one_hot: (M, W, 4) uint8; both are 0 where a frame is missing
    """

    table: pd.DataFrame
    hypothetical: np.ndarray
    one_hot: np.ndarray


def cut_histories(contributions: "Contributions", width: int, smoothing: int) -> HistoryWindows:
    """Windows of `width` frames centred on the highest |contribution|, smoothed over `smoothing` frames.

    Near the ends of a track a window is shifted inside: TF-MoDISco fails on long stretches without any letter. Where
    all tracks are shorter than `width` they are taken whole. A predicted frame to which nothing contributes has no
    window.
    """
    T = contributions.states.shape[1]
    width = min(width, T)
    actual = contributions.actual  # (P, F, T)
    height = uniform_filter1d(np.abs(actual), smoothing, axis=-1, mode="constant")
    peak, top = height.argmax(axis=-1), height.max(axis=-1)
    track, slot = np.nonzero((contributions.frames >= 0) & actual.any(axis=-1))
    end = T - (contributions.states[:, ::-1] != MISSING).argmax(axis=1)  # (P,) one past each track's last frame
    start = (peak[track, slot] - width // 2).clip(0, (end[track] - width).clip(0))
    frames = start[:, None] + np.arange(width)  # (M, W)
    table = pd.DataFrame(
        {
            "track": track,
            "slot": slot,
            "predicted_frame": contributions.frames[track, slot],
            "start": start,
            "peak": peak[track, slot],
            "height": top[track, slot],
        }
    )
    hypothetical = np.zeros((*frames.shape, 4), dtype=np.float32)
    hypothetical[..., :2] = contributions.by_state[track[:, None], slot[:, None], frames]
    return HistoryWindows(table, hypothetical, one_hot(contributions.states[track[:, None], frames]))
