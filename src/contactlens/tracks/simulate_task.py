"""The simulated tracks of a task."""

from contactlens.tracks.simulate import SimulationConfig, simulate
from contactlens.tracks.simulate_toy import RandomWalkConfig, simulate_toy
from contactlens.tracks.tasks import Task
from contactlens.tracks.track_set import TrackSet


def simulate_task(task: Task, polymer: SimulationConfig, walk: RandomWalkConfig, seed: int) -> TrackSet:
    """Tracks by the task's own simulator."""
    if task.simulator == "random_walk":
        return simulate_toy(walk, seed)
    return simulate(polymer, seed)
