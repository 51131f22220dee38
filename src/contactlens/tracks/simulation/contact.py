"""How likely a candidate on-event takes effect at each distance of enhancer and promoter."""

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.rouse import Motion

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
LARGEST_SD = 9.0  # Maxwell's density beyond as many SD of an axis is below 1e-16


def effect_probability(config: SimulationConfig, distance_nm: Floats) -> Floats:
    """Probability that a candidate on-event takes effect at each distance, by `config.contact_law`."""
    distance = np.asarray(distance_nm, dtype=np.float64)
    if config.contact_law == "none":
        return np.ones_like(distance)
    if config.contact_law == "gaussian":
        return np.exp(-((distance / config.contact_radius_nm) ** 2))
    if config.contact_law == "logistic":
        excess = (distance - config.contact_radius_nm) / config.contact_width_nm
        return 1 / (1 + np.exp(np.clip(excess, -700, 700)))
    return (distance < config.contact_radius_nm).astype(np.float64)


def mean_effect_probability(config: SimulationConfig) -> float:
    """Mean of `effect_probability` over the stationary distance, which follows Maxwell's distribution."""
    axis_sd = np.sqrt(config.chain.modes()[0].sum())
    edges = np.linspace(0, LARGEST_SD, 20_001)
    x = (edges[1:] + edges[:-1]) / 2
    density = np.sqrt(2 / np.pi) * x**2 * np.exp(-(x**2) / 2)
    return float((effect_probability(config, x * axis_sd) * density).sum() * np.diff(edges[:2])[0])


def takes_effect(
    config: SimulationConfig,
    path: NDArray[np.float32],
    track: NDArray[np.int64],
    substep: Floats,
    bridge: "Bridge | None",
    rng: np.random.Generator,
) -> Bools:
    """Whether each of M candidates takes effect: path (N, 3, sub-steps; nm), `track` (M,) and `substep` (M,), the time
    of each in sub-steps. Without a bridge its distance is that of the sub-step before it. `rng` is used by smooth laws
    and the bridge alone."""
    before = substep.astype(np.int64)
    squared_nm2 = np.einsum("nat,nat->nt", path, path)
    if config.release_radius_nm is not None:
        held = hysteresis(squared_nm2, config.contact_radius_nm**2, config.release_radius_nm**2)
        return np.asarray(held[track, before])
    squared = squared_nm2[track, before] if bridge is None else bridge.squared_distance(path, track, substep, rng)
    if config.contact_law == "step":
        return np.asarray(squared < config.contact_radius_nm**2)
    return rng.uniform(size=squared.size) < effect_probability(config, np.sqrt(squared))


def hysteresis(value: NDArray[np.floating], enter: float, leave: float) -> Bools:
    """(N, T) bool: whether `value` has been below `enter` since it was last at or above `leave`; not so before it first
    was either."""
    entered, left = value < enter, value >= leave
    latest = np.maximum.accumulate(np.where(entered | left, np.arange(value.shape[1]), 0), axis=1)
    return np.asarray(np.take_along_axis(entered, latest, axis=1))


class Bridge:
    """The position between two points of a path, drawn from its Gaussian distribution given these two.

    Visits of a small radius are shorter than any sub-step that can be afforded. Several candidates between the same two
    points are drawn as if independent, which is exact where they are rare.
    """

    POINTS = 256  # of a table between two sub-steps

    def __init__(self, motion: Motion, step_s: float) -> None:
        into = np.linspace(0, step_s, self.POINTS + 1)
        same, apart = motion.covariance(np.array([0.0, step_s]))
        with_first, with_second = motion.covariance(into), motion.covariance(step_s - into)
        determinant = same**2 - apart**2
        self.first = (with_first * same - with_second * apart) / determinant
        self.second = (with_second * same - with_first * apart) / determinant
        rest = same - self.first * with_first - self.second * with_second
        self.sd_nm = np.sqrt(np.clip(rest, 0, None))

    def squared_distance(
        self, path: NDArray[np.float32], track: NDArray[np.int64], substep: Floats, rng: np.random.Generator
    ) -> Floats:
        """(M,) nm^2 at `substep` (M,), a time in sub-steps, of `track` (M,) of path (N, 3, sub-steps)."""
        before = np.minimum(substep.astype(np.int64), path.shape[2] - 2)
        into = np.rint((substep - before) * self.POINTS).astype(np.int64)
        first, second, sd = self.first[into, None], self.second[into, None], self.sd_nm[into, None]
        mean = first * path[track, :, before] + second * path[track, :, before + 1]  # (M, 3)
        position = mean + sd * rng.standard_normal(mean.shape)
        return np.einsum("ma,ma->m", position, position)
