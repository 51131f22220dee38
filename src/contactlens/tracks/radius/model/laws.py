"""How likely the promoter is to switch on at each distance: the laws that are compared, on a grid of distances.

Every law is h(d) = kappa [(1 - f) s(d) / C + f]: s falls from 1 to 0, C is its mean over the distances that occur, so
that kappa is the mean hazard (per s) whatever the shape, and f is the share of it that no distance explains. The rate
in contact is k_on = kappa (1 - f) / C. `none` is h = kappa; `monotone` is a sum of steps at fixed distances.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from contactlens.tracks.data.motion import Motion

Floats = NDArray[Any]
Law = Literal["none", "step", "gaussian", "logistic", "monotone"]
LAWS: tuple[Law, ...] = ("none", "step", "gaussian", "logistic", "monotone")
BINS = 256
MONOTONE_PIECES = 6


@dataclass(frozen=True)
class DistanceGrid:
    """Bins of one width from `low`, BINS but in `finer`; the last one holds all beyond.

    occupancy: share of the time in each
    """

    low: float
    width: float
    occupancy: Floats

    @property
    def edges(self) -> Floats:
        return self.low + self.width * np.arange(self.occupancy.size + 1)

    @property
    def middles(self) -> Floats:
        return self.low + self.width * (np.arange(self.occupancy.size) + 0.5)

    def finer(self, times: int) -> "DistanceGrid":
        """The same with every bin cut into as many; the time in it is shared evenly."""
        return DistanceGrid(self.low, self.width / times, np.repeat(self.occupancy / times, times))

    def quantiles(self, levels: Floats) -> Floats:
        """The distances below which the driver is for these shares of the time."""
        return np.interp(levels, np.concatenate([[0.0], np.cumsum(self.occupancy)]), self.edges)


def separation_grid(motion: Motion) -> DistanceGrid:
    """Of the length of a Gaussian vector, which follows a Maxwell distribution."""
    sd = np.sqrt(motion.axis_variance_nm2)
    width = 5.5 * sd / BINS
    share = maxwell_cdf(np.arange(BINS + 1) * width / sd)
    share[-1] = 1.0
    return DistanceGrid(0.0, width, np.diff(share))


def scalar_grid(values: Floats) -> DistanceGrid:
    """Of a scalar driver, from its observed values (NaN apart)."""
    observed = values[np.isfinite(values)]
    low, high = np.quantile(observed, [0.0, 0.9995])
    width = max(float(high - low), 1e-12) / (BINS - 1)
    index = np.clip(((observed - low) / width).astype(np.int64), 0, BINS - 1)
    return DistanceGrid(float(low), width, np.bincount(index, minlength=BINS) / observed.size)


def maxwell_cdf(x: Floats) -> Floats:
    """P(|z| < x) of a 3-D standard normal z: the share of time in contact at radius x SDs."""
    x = np.asarray(x, dtype=np.float64)
    return erf(x / np.sqrt(2)) - np.sqrt(2 / np.pi) * x * np.exp(-x * x / 2)


def parameter_names(law: Law) -> list[str]:
    """Free parameters of a law's hazard; all are logarithms."""
    if law == "none":
        return ["log_mean_rate"]
    if law == "monotone":
        return [f"log_step_{i}" for i in range(MONOTONE_PIECES)]
    names = ["log_radius", "log_mean_rate", "log_floor"]
    return [*names, "log_softness"] if law == "logistic" else names


def step_distances(grid: DistanceGrid) -> Floats:
    """Where the monotone law may step: an equal share of the nearer half of the time between steps, and the far end."""
    inner = grid.quantiles(np.geomspace(0.008, 0.5, MONOTONE_PIECES - 1))
    return np.append(inner, grid.edges[-1])


def hazard(law: Law, q: Floats, grid: DistanceGrid) -> tuple[Floats, Floats]:
    """h (per s) in each bin, (bins,), its mean where a step lies in it, and its derivatives, (parameters, bins), at the
    law's parameters q."""
    if law == "none":
        flat = np.full(grid.occupancy.size, np.exp(q[0]))
        return flat, flat[None].copy()
    if law == "monotone":
        return _monotone(q, grid)
    shape, d_scale, d_soft = _shape(law, q, grid)
    mean, rate, floor = float(shape @ grid.occupancy), np.exp(q[1]), np.exp(q[2])
    relative = shape / mean
    h = rate * ((1 - floor) * relative + floor)

    def along(d_shape: Floats) -> Floats:
        return rate * (1 - floor) * (d_shape - relative * float(d_shape @ grid.occupancy)) / mean

    derivatives = [along(d_scale), h, rate * floor * (1 - relative)]
    return h, np.array([*derivatives, along(d_soft)] if law == "logistic" else derivatives)


def survival(law: Law, q: Floats, grid: DistanceGrid, step_s: float) -> tuple[Floats, Floats]:
    """Probability to stay off for `step_s` in each bin, (bins,), and its derivatives, (parameters, bins).

    In the bin that holds a step's radius it is the mean of both sides, not that of their mean hazard: contact that
    hardly any promoter survives would fill the bin as soon as it enters it, and every edge of a bin be a maximum.
    """
    if law != "step":
        h, dh = hazard(law, q, grid)
        left = np.exp(-h * step_s)
        return left, -step_s * left * dh
    inside, by_radius, _ = _shape(law, q, grid)
    share, rate, floor = float(inside @ grid.occupancy), np.exp(q[1]), np.exp(q[2])
    near, far = rate * ((1 - floor) / share + floor), rate * floor
    d_near = np.array([-rate * (1 - floor) / share**2 * float(by_radius @ grid.occupancy), near, far * (1 - 1 / share)])
    d_far = np.array([0.0, far, far])
    left_near, left_far = np.exp(-near * step_s), np.exp(-far * step_s)
    slopes = -step_s * (np.outer(d_near * left_near, inside) + np.outer(d_far * left_far, 1 - inside))
    slopes[0] += by_radius * (left_near - left_far)
    return left_far + inside * (left_near - left_far), slopes


def contact_rate(law: Law, q: Floats, grid: DistanceGrid) -> float:
    """k_on (per s): the hazard at distance 0 that contact adds."""
    shape, _, _ = _shape(law, q, grid)
    return float(np.exp(q[1]) * (1 - np.exp(q[2])) / (shape @ grid.occupancy))


def contact_share(log_radius: float, grid: DistanceGrid) -> tuple[float, float]:
    """Share of the time within a radius, and its derivative by the log radius."""
    inside, slope, _ = _shape("step", np.array([log_radius]), grid)
    return float(inside @ grid.occupancy), float(slope @ grid.occupancy)


def _shape(law: Law, q: Floats, grid: DistanceGrid) -> tuple[Floats, Floats, Floats]:
    """s in each bin, ds / d log radius and ds / d log softness."""
    radius, d = np.exp(q[0]), grid.middles
    none = np.zeros(d.size)
    if law == "step":
        inside = (radius - grid.edges[:-1]) / grid.width
        edge = (inside > 0) & (inside < 1)
        return np.clip(inside, 0, 1) + 1e-12, np.where(edge, radius / grid.width, 0.0), none
    if law == "gaussian":
        square = (d / radius) ** 2
        s = np.exp(-square)
        return s, 2 * square * s, none
    soft = np.exp(q[3]) * radius
    x = (d - radius) / soft
    s = expit(-x)
    slope = s * (1 - s)
    return s, slope * d / soft, slope * x


def _monotone(q: Floats, grid: DistanceGrid) -> tuple[Floats, Floats]:
    below = np.clip((step_distances(grid)[:, None] - grid.edges[None, :-1]) / grid.width, 0, 1)
    below[-1] = 1.0
    parts = np.exp(q)[:, None] * below
    return parts.sum(axis=0), parts
