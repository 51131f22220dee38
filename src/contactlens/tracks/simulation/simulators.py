"""Simulated tracks, by the simulator's name."""

from typing import Literal

from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.simulation.config import RandomWalkConfig, SimulationConfig
from contactlens.tracks.simulation.simulate import simulate
from contactlens.tracks.simulation.simulate_toy import simulate_toy

Simulator = Literal["rouse", "random_walk"]


def simulate_by(simulator: Simulator, polymer: SimulationConfig, walk: RandomWalkConfig, seed: int) -> TrackSet:
    """Tracks of the simulator that a task names; each simulator has its own section of parameters."""
    if simulator == "random_walk":
        return simulate_toy(walk, seed)
    return simulate(polymer, seed)
