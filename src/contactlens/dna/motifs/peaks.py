"""Windows around the peaks of |contribution|: what motif discovery looks at."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contactlens.attribution.centring import centred
from contactlens.base.errors import InputError
from contactlens.dna.explanation.attributions import Attributions, InPieces

PEAK_COLUMNS = ("window_id", "start", "peak", "height", "chrom", "genome_start")


@dataclass(frozen=True)
class PeakWindows:
    """M windows of W bp, the highest peak first within each labelled window.

    table: one row each: `window_id`, `start` and `peak` (bp from win_start), `height` (smoothed |contribution| at the
        peak, logit per base), `chrom`, `genome_start` (0-based)
    hypothetical: (M, W, 4) float32, centred over A, C, G, T
    one_hot: (M, W, 4) uint8
    """

    table: pd.DataFrame
    hypothetical: np.ndarray
    one_hot: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    @property
    def width(self) -> int:
        return int(self.one_hot.shape[1])


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Centred moving average along the last axis; near an end over the bases that exist."""
    length = values.shape[-1]
    width = min(width, length)
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1, dtype=np.float64)], axis=-1)
    first = np.clip(np.arange(length) - width // 2, 0, length)
    last = np.clip(np.arange(length) - width // 2 + width, 0, length)
    return (sums[..., last] - sums[..., first]) / (last - first)


def window_peaks(height: np.ndarray, width: int, most: int) -> list[tuple[int, int]]:
    """(start, peak) of up to `most` windows of `width` bp that do not overlap, the highest peak first.

    A window is centred on its peak, or shifted aside as far as the sequence's ends and the windows already placed
    demand; a peak in a gap too short for a window gets none. Places of height 0 are no peaks.
    """
    height = np.array(height, dtype=np.float64)
    taken = [(0, 0), (len(height), len(height))]
    found: list[tuple[int, int]] = []
    while len(found) < most and height.max() > 0:
        peak = int(np.argmax(height))
        left = max(end for _, end in taken if end <= peak)
        right = min(start for start, _ in taken if start > peak)
        if right - left < width:
            height[left:right] = 0
            continue
        start = int(np.clip(peak - width // 2, left, right - width))
        found.append((start, peak))
        taken.append((start, start + width))
        height[start : start + width] = 0
    return found


def _each_place_once(table: pd.DataFrame, width: int) -> pd.DataFrame:
    """Drop windows that overlap a higher one on the genome, so that a promoter shared by ten pairs counts once."""
    taken: dict[str, list[int]] = {}
    keep = []
    order = table.sort_values("height", ascending=False, kind="stable").index
    for row, chrom, start in zip(order, table.loc[order, "chrom"], table.loc[order, "genome_start"], strict=True):
        starts = taken.setdefault(chrom, [])
        at = bisect_left(starts, start)
        if starts[max(at - 1, 0) : at + 1] and min(abs(s - start) for s in starts[max(at - 1, 0) : at + 1]) < width:
            continue
        starts.insert(at, start)
        keep.append(row)
    return table.loc[sorted(keep)].reset_index(drop=True)


def cut_peaks(
    contributions: InPieces, places: pd.DataFrame, window_bp: int, peaks_per_window: int, smoothing_bp: int
) -> PeakWindows:
    """The windows of `window_bp` around the peaks of smoothed |contribution|.

    places: `window_id`, `chrom` and `win_start` of the contributions' windows, in their order

    No two overlap on the genome; of those that would, the higher is kept. A labelled window of `window_bp` or less is
    taken whole. Raises InputError where `places` are not those of the contributions' windows.
    """
    require_places(contributions, places)
    width = min(window_bp, contributions.length)
    found, first = [], 0
    for piece in contributions.pieces():
        own = places.iloc[first : first + len(piece.logits)]
        found.append(_cut(piece, own, width, peaks_per_window, smoothing_bp))
        first += len(own)
    every = pd.concat([table for table, _, _ in found], ignore_index=True)
    kept = _each_place_once(every.assign(row=np.arange(len(every))), width)
    rows = kept.pop("row").to_numpy(dtype=np.int64)
    hypothetical, one_hot = (np.concatenate([piece[at] for piece in found])[rows] for at in (1, 2))
    return PeakWindows(kept, hypothetical, one_hot)


def require_places(contributions: InPieces, places: pd.DataFrame) -> None:
    """InputError where the rows of `places` have other names than the contributions' windows."""
    names = contributions.window_ids
    if len(places) != len(names):
        raise InputError(f"contributions of {len(names)} windows, and places of {len(places)}")
    other = np.flatnonzero(places["window_id"].to_numpy(dtype=str) != names)
    if len(other):
        row = int(other[0])
        raise InputError(
            f"contributions of {names[row]} in row {row + 1}, and places of {places['window_id'].iloc[row]}"
        )


def _cut(
    piece: Attributions, places: pd.DataFrame, width: int, peaks_per_window: int, smoothing_bp: int
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Table and arrays of `PeakWindows`, of one piece."""
    height = smoothed(np.abs(piece.actual), smoothing_bp)
    rows = [
        (window_id, start, peak, height[n, peak], chrom, win_start + start, n)
        for n, (window_id, chrom, win_start) in enumerate(
            zip(places["window_id"], places["chrom"], places["win_start"], strict=True)
        )
        for start, peak in window_peaks(height[n], width, peaks_per_window)
    ]
    table = pd.DataFrame(rows, columns=[*PEAK_COLUMNS, "row"])
    source = table.pop("row").to_numpy(dtype=np.int64)[:, None]
    bases = table["start"].to_numpy(dtype=np.int64)[:, None] + np.arange(width)
    return table, centred(piece.hypothetical[source, bases].astype(np.float32)), piece.one_hot[source, bases]
