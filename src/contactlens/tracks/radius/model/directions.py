"""Directions for tracks of which only the distance was measured: drawn from their distribution given all distances.

Given its neighbours, a frame's vector is Gaussian about a weighted sum of theirs; at a fixed length its direction
follows a von Mises-Fisher distribution about that sum. A pass forwards is exact for a Markov process; sweeps of Gibbs
sampling over frames then bring in the neighbours on both sides.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from contactlens.tracks.data.motion import Motion

Floats = NDArray[Any]
REACH = 3  # neighbours on each side that a frame's direction depends on
SWEEPS = 25


def complete_directions(distance: Floats, motion: Motion, frame_interval_s: float, seed: int) -> Floats:
    """(N, T, 3) vectors of the measured lengths, NaN at missing frames."""
    weights, variance = _regressions(motion, frame_interval_s)
    observed = np.isfinite(distance)
    vectors = _gibbs(np.nan_to_num(distance), observed, weights, variance, np.random.default_rng(seed), SWEEPS)
    return np.where(observed[:, :, None], vectors, np.nan)


def _regressions(motion: Motion, frame_interval_s: float) -> tuple[Floats, Floats]:
    """Weights (patterns, 2 REACH + 1) and variances (patterns,) of a frame given the neighbours that a pattern names;
    bit k is the frame k - REACH away."""
    width = 2 * REACH + 1
    offsets = (np.arange(width) - REACH) * frame_interval_s
    among = motion.covariance(offsets[:, None] - offsets[None]) + motion.noise_nm**2 * np.eye(width)
    weights, variance = np.zeros((2**width, width)), np.zeros(2**width)
    for pattern in range(2**width):
        if (pattern >> REACH) & 1:
            continue
        near = np.flatnonzero([(pattern >> k) & 1 for k in range(width)])
        if near.size:
            weights[pattern, near] = np.linalg.solve(among[np.ix_(near, near)], among[near, REACH])
        variance[pattern] = among[REACH, REACH] - weights[pattern, near] @ among[near, REACH]
    return weights, variance


@njit(cache=True)
def _direction(x: float, y: float, z: float, rng: np.random.Generator, out: Floats) -> None:
    """A unit vector from the von Mises-Fisher distribution with mean direction and concentration (x, y, z)."""
    kappa = np.sqrt(x * x + y * y + z * z)
    u, angle = rng.random(), 2 * np.pi * rng.random()
    if kappa < 1e-9:
        along, ax, ay, az = 2 * u - 1, 0.0, 0.0, 1.0
    else:
        along = 1 + np.log(u + (1 - u) * np.exp(-2 * kappa)) / kappa
        ax, ay, az = x / kappa, y / kappa, z / kappa
    along = min(max(along, -1.0), 1.0)
    across = np.sqrt(1 - along * along)
    if abs(az) < 0.9:
        norm = np.sqrt(ax * ax + ay * ay)
        bx, by, bz = -ay / norm, ax / norm, 0.0
    else:
        norm = np.sqrt(ay * ay + az * az)
        bx, by, bz = 0.0, -az / norm, ay / norm
    cx, cy, cz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    cos, sin = across * np.cos(angle), across * np.sin(angle)
    out[0] = along * ax + cos * bx + sin * cx
    out[1] = along * ay + cos * by + sin * cy
    out[2] = along * az + cos * bz + sin * cz


@njit(nogil=True, cache=True)
def _gibbs(
    length: Floats,
    observed: NDArray[np.bool_],
    weights: Floats,
    variance: Floats,
    rng: np.random.Generator,
    sweeps: int,
) -> Floats:
    n, t = length.shape
    reach = (weights.shape[1] - 1) // 2
    out = np.zeros((n, t, 3))
    for i in range(n):
        unit, mean = np.zeros(3), np.zeros(3)
        for sweep in range(sweeps + 1):
            for j in range(t):
                if not observed[i, j]:
                    continue
                pattern = 0
                last = min(j - 1 if sweep == 0 else j + reach, t - 1)
                for f in range(max(j - reach, 0), last + 1):
                    if f != j and observed[i, f]:
                        pattern |= 1 << (f - j + reach)
                mean[:] = 0
                for f in range(max(j - reach, 0), last + 1):
                    if (pattern >> (f - j + reach)) & 1:
                        for axis in range(3):
                            mean[axis] += weights[pattern, f - j + reach] * out[i, f, axis]
                scale = length[i, j] / variance[pattern]
                _direction(scale * mean[0], scale * mean[1], scale * mean[2], rng, unit)
                for axis in range(3):
                    out[i, j, axis] = unit[axis] * length[i, j]
    return out
