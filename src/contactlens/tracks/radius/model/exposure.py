"""How much hazard each frame interval holds: H = -log E[exp(-sum of h over the interval)], E over the unseen path.

What matters of an interval is how far the conditional mean is from contact at its start, middle and end. Intervals
that are alike in that, and in the pattern of frames around, share a cell: its paths are drawn once and kept as bins of
distance, so that the integral of any law is a table look-up, whose cost does not grow with the number of tracks.
The part of a substep that is independent of all others is not drawn but integrated (Rao-Blackwell), which makes H a
smooth function of a step's radius.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr

from contactlens.tracks.data.motion import Motion
from contactlens.tracks.radius.model.directions import complete_directions
from contactlens.tracks.radius.model.kriging import ANCHORS, anchor_norms, local_kriging, patterns_of
from contactlens.tracks.radius.model.laws import (
    BINS,
    DistanceGrid,
    Law,
    hazard,
    scalar_grid,
    separation_grid,
    survival,
)
from contactlens.tracks.radius.model.observations import Observations

Floats = NDArray[Any]
NOISE_BANKS = 61
LANES = 4  # columns of a table are summed as many at once
MOST_HAZARD = 700.0  # of an interval: exp(-700) is not 0 yet
FLAT = 1e-9  # difference in H within a substep that counts as none
NEAR_STEP = 8.0  # side of a cell in SDs of the distance / 100 up to one SD; beyond, cells grow in proportion


@dataclass(frozen=True)
class Exposure:
    """N tracks, T - 1 intervals, S completions of the directions (1 where vectors were measured), M cells.

    cell: (N, T - 1, S) index of each interval's cell
    distance: (M, K, substeps) bin of `grid` of each drawn path; nearest: (M, K) the lowest of them
    smoothing: (BINS, BINS) distribution of a substep's distance about what was drawn of it
    step_s: seconds per substep
    held: whether contact holds through a substep; if not, the part that is independent of other substeps is averaged
        over within it
    """

    cell: NDArray[np.int32]
    distance: NDArray[np.uint8]
    nearest: NDArray[np.uint8]
    smoothing: Floats
    grid: DistanceGrid
    step_s: float
    held: bool = True

    def of_law(self, law: Law, q: Floats, want: bool = True) -> tuple[Floats, Floats]:
        """H of every interval (N, T - 1) and its derivatives (N, T - 1, P) by the law's parameters q; without them, P
        is 0."""
        if self.held:
            left, slopes = survival(law, q, self.grid, self.step_s)
            return self.integrate(left, slopes if want else slopes[:0])
        h, dh = hazard(law, q, self.grid)
        dh = dh if want else dh[:0]
        return self._summed(self.step_s * np.column_stack([self.smoothing @ h, self.smoothing @ dh.T]))

    def integrate(self, survival: Floats, slopes: Floats) -> tuple[Floats, Floats]:
        """H of every interval (N, T - 1) and its derivatives (N, T - 1, P), for the probability to stay off over a
        substep in each bin (BINS,) and its derivatives (P, BINS)."""
        smooth = np.maximum(self.smoothing @ survival, 1e-30)
        return self._summed(np.column_stack([-np.log(smooth), -(self.smoothing @ slopes.T) / smooth[:, None]]))

    def _summed(self, exact: Floats) -> tuple[Floats, Floats]:
        """exact: (BINS, 1 + P) H of a substep that starts in each bin, and its derivatives."""
        width = exact.shape[1]
        table = np.zeros((BINS, -(-width // LANES) * LANES), dtype=np.float32)
        table[:, :width] = exact
        differs = (np.abs(exact - exact[-1]) > FLAT).any(axis=1)
        flat = int(np.flatnonzero(differs)[-1]) + 1 if differs.any() else 0
        per_cell = _integrate_cells(self.distance, self.nearest, table, flat)
        return _spread(self.cell, per_cell[:, :width])


@njit(nogil=True, cache=True)
def _integrate_cells(
    distance: NDArray[np.uint8], nearest: NDArray[np.uint8], table: NDArray[np.float32], flat: int
) -> Floats:
    """(M, columns of `table`): H and its derivatives of each cell; from bin `flat` on all rows of `table` are alike."""
    cells, draws, steps = distance.shape
    width = table.shape[1]
    out = np.empty((cells, width))
    far = table[-1] * np.float32(steps)
    far_weight = np.exp(-min(np.float64(far[0]), MOST_HAZARD))
    total = np.empty(width)
    part = np.empty(width, dtype=np.float32)
    for c in range(cells):
        total[:] = 0
        for k in range(draws):
            if nearest[c, k] >= flat:
                total[0] += far_weight
                for p in range(1, width):
                    total[p] += far_weight * far[p]
                continue
            for p in range(0, width, 4):  # LANES at a time, so that the sums stay in registers
                s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for j in range(steps):
                    b = distance[c, k, j]
                    s0 += table[b, p]
                    s1 += table[b, p + 1]
                    s2 += table[b, p + 2]
                    s3 += table[b, p + 3]
                part[p], part[p + 1], part[p + 2], part[p + 3] = s0, s1, s2, s3
            weight = np.exp(-min(np.float64(part[0]), MOST_HAZARD))
            total[0] += weight
            for p in range(1, width):
                total[p] += weight * part[p]
        out[c, 0] = -np.log(total[0] / draws)
        for p in range(1, width):
            out[c, p] = total[p] / total[0]
    return out


@njit(nogil=True, cache=True)
def _spread(cell: NDArray[np.int32], per_cell: Floats) -> tuple[Floats, Floats]:
    """H and derivatives of each interval, over its completions."""
    n, t, s = cell.shape
    width = per_cell.shape[1] - 1
    out, derivative = np.empty((n, t)), np.empty((n, t, width))
    for i in range(n):
        for j in range(t):
            if s == 1:
                out[i, j] = per_cell[cell[i, j, 0], 0]
                derivative[i, j] = per_cell[cell[i, j, 0], 1:]
                continue
            total = 0.0
            part = np.zeros(width)
            for k in range(s):
                weight = np.exp(-per_cell[cell[i, j, k], 0])
                total += weight
                for p in range(width):
                    part[p] += weight * per_cell[cell[i, j, k], p + 1]
            out[i, j] = -np.log(total / s)
            derivative[i, j] = part / total
    return out, derivative


def exposure_of(
    observations: Observations, motion: Motion | None, substeps: int, samples: int, completions: int, seed: int,
    held: bool = True,
) -> Exposure:  # fmt: skip
    """Cells and their drawn paths.

    motion: of the separation; None for a scalar driver, which is read off the frames by linear interpolation
    samples: paths drawn in each cell, half of them mirror images of the other half
    completions: directions drawn for each track where only distances were measured
    """
    if motion is None:
        return _scalar_exposure(observations, substeps)
    dt = observations.frame_interval_s
    kriging = local_kriging(motion, dt, substeps)
    grid = separation_grid(motion)
    scale = np.sqrt(motion.axis_variance_nm2) / 100
    sets = [observations.driver]
    if observations.kind == "distance":
        sets = [complete_directions(observations.distance, motion, dt, seed + k) for k in range(completions)]
    pattern = patterns_of(np.isfinite(sets[0][:, :, 0]))
    norms = np.stack([anchor_norms(np.nan_to_num(x), pattern, kriging.weights) for x in sets], axis=2)
    patterns = np.broadcast_to(pattern[:, :, None], norms.shape[:3])
    cell, member_of = _cells(norms, patterns, scale)
    centre = _cell_means(cell.ravel(), norms.reshape(-1, len(ANCHORS)) ** 2)
    rng = np.random.default_rng([seed, 1])
    half = rng.standard_normal((NOISE_BANKS, samples // 2, 3, substeps), dtype=np.float32)
    distance = _draw(
        centre, member_of, kriging.factor.astype(np.float32), np.concatenate([half, -half], axis=1), grid.width
    )
    smoothing = smoothing_matrix(grid, kriging.independent_nm2)
    return Exposure(cell, distance, distance.min(axis=2), smoothing, grid, dt / substeps, held)


def _cells(norms: Floats, pattern: NDArray[np.int64], scale: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The cell of each interval, and the pattern of each cell."""
    x = norms / scale  # in hundredths of an SD
    level = np.where(x < 100, x / NEAR_STEP, 100 / NEAR_STEP * (1 + np.log(np.maximum(x, 100) / 100)))
    level = np.minimum(level, 31).astype(np.int64)
    key = ((pattern * 32 + level[..., 0]) * 32 + level[..., 1]) * 32 + level[..., 2]
    found, cell = np.unique(key.ravel(), return_inverse=True)
    return cell.reshape(key.shape).astype(np.int32), found // 32**3


def _cell_means(cell: NDArray[np.int32], values: Floats) -> Floats:
    count = np.bincount(cell)
    return np.stack([np.bincount(cell, column) / count for column in values.T], axis=1)


@njit(nogil=True, cache=True)
def _draw(
    squares: Floats, pattern: NDArray[np.int64], factor: NDArray[np.float32], noise: NDArray[np.float32], width: float
) -> NDArray[np.uint8]:
    """(M, K, substeps) bins of distance. squares: (M, 3) squared length of the mean at the anchors; a straight line's
    is quadratic in time, which is how it is followed in between."""
    cells, banks, draws, steps = len(squares), noise.shape[0], noise.shape[1], noise.shape[3]
    out = np.empty((cells, draws, steps), dtype=np.uint8)
    for c in range(cells):
        a, m, b = squares[c]
        lower = factor[pattern[c]]
        for j in range(steps):
            s = j / steps
            square = a * (1 - s) * (1 - 2 * s) + 4 * m * s * (1 - s) + b * s * (2 * s - 1)
            mean = np.float32(np.sqrt(max(square, 0.0)))
            for k in range(draws):
                total = np.float32(0)
                for axis in range(3):
                    value = mean if axis == 0 else np.float32(0)
                    for q in range(j + 1):
                        value += lower[j, q] * noise[c % banks, k, axis, q]
                    total += value * value
                out[c, k, j] = min(int(np.sqrt(total) / width), 255)
    return out


def smoothing_matrix(grid: DistanceGrid, variance_nm2: float) -> Floats:
    """(bins, bins): distribution over bins of |y + e|, |y| in the middle of a bin, e ~ N(0, variance I) in 3-D."""
    sd = np.sqrt(variance_nm2)
    if sd < 0.05 * grid.width:
        return np.eye(grid.occupancy.size)
    y, x = grid.middles[:, None], grid.edges[None]
    near, far = (x - y) / sd, (x + y) / sd
    density = (np.exp(-near * near / 2) - np.exp(-far * far / 2)) / np.sqrt(2 * np.pi)
    cdf = np.clip(ndtr(near) - ndtr(-far) - sd / y * density, 0, 1)
    share = np.diff(np.maximum.accumulate(cdf, axis=1), axis=1)
    share[:, -1] += 1 - share.sum(axis=1)
    return share


def _scalar_exposure(observations: Observations, substeps: int) -> Exposure:
    """Every interval is a cell of its own with one path, the line between the frames, also across missing ones."""
    value = filled(observations.driver[:, :, 0])
    grid = scalar_grid(observations.driver)
    share = np.arange(substeps) / substeps
    path = value[:, :-1, None] * (1 - share) + value[:, 1:, None] * share
    index = np.clip((path - grid.low) / grid.width, 0, BINS - 1).astype(np.uint8)
    n, t = value.shape[0], value.shape[1] - 1
    cell = np.arange(n * t, dtype=np.int32).reshape(n, t, 1)
    step_s = observations.frame_interval_s / substeps
    path_bins = index.reshape(n * t, 1, substeps)
    return Exposure(cell, path_bins, path_bins.min(axis=2), np.eye(BINS), grid, step_s)


def filled(values: Floats) -> Floats:
    """(N, T) values with missing frames interpolated in time, and held beyond the first and last that are there."""
    out = values.copy()
    frames = np.arange(values.shape[1])
    for row in out:
        observed = np.isfinite(row)
        row[~observed] = np.interp(frames[~observed], frames[observed], row[observed]) if observed.any() else 0.0
    return out
