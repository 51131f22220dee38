"""How likely a candidate on-event takes effect at each distance of enhancer and promoter."""

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.promoter import Events

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
    squared_nm2: NDArray[np.float32],
    candidates: Events,
    substep: NDArray[np.int64],
    rng: np.random.Generator,
) -> Bools:
    """Whether each candidate takes effect: squared_nm2 (N, sub-steps) is the squared distance, `substep` (M,) the
    sub-step of each candidate. `rng` is used by smooth laws alone."""
    if config.release_radius_nm is not None:
        held = hysteresis(squared_nm2, config.contact_radius_nm**2, config.release_radius_nm**2)
        return np.asarray(held[candidates.track, substep])
    squared = squared_nm2[candidates.track, substep]
    if config.contact_law == "step":
        return np.asarray(squared < config.contact_radius_nm**2)
    return rng.uniform(size=squared.size) < effect_probability(config, np.sqrt(squared))


def hysteresis(value: NDArray[np.floating], enter: float, leave: float) -> Bools:
    """(N, T) bool: whether `value` has been below `enter` since it was last at or above `leave`; not so before it first
    was either."""
    entered, left = value < enter, value >= leave
    latest = np.maximum.accumulate(np.where(entered | left, np.arange(value.shape[1]), 0), axis=1)
    return np.asarray(np.take_along_axis(entered, latest, axis=1))
