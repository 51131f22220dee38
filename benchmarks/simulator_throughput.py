"""Simulator throughput, and its ratio to stepping every normal mode of one track at a time.

python benchmarks/simulator_throughput.py [--tracks 10000]
"""

import argparse
import time

import numpy as np

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.simulate import simulate


def step_modes(config: SimulationConfig, rng: np.random.Generator) -> np.ndarray:
    """The separation of one track, (3, sub-frames), by the exact update of every mode at every sub-step."""
    variance, rate = config.chain.modes()
    step_s = config.frame_interval_s / config.substeps_per_frame
    keep = np.exp(-rate * step_s)
    kick = np.sqrt(variance * (1 - keep**2))
    n_times = (config.burn_in_frames + config.n_frames - 1) * config.substeps_per_frame + 1
    mode = rng.standard_normal((3, variance.size)) * np.sqrt(variance)
    path = np.empty((3, n_times))
    for i in range(n_times):
        path[:, i] = mode.sum(axis=1)
        mode = keep * mode + kick * rng.standard_normal(mode.shape)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--reference-tracks", type=int, default=10)
    arguments = parser.parse_args()
    config = SimulationConfig(n_tracks=arguments.tracks)

    start = time.perf_counter()
    simulate(config, seed=0)
    ours = (time.perf_counter() - start) / arguments.tracks

    start = time.perf_counter()
    for seed in range(arguments.reference_tracks):
        step_modes(config, np.random.default_rng(seed))
    reference = (time.perf_counter() - start) / arguments.reference_tracks

    print(f"{arguments.tracks} tracks x {config.n_frames} frames in {ours * arguments.tracks:.1f} s")
    print(f"{config.n_frames / ours:,.0f} frames/s, promoter, MS2 and truth included")
    print(f"{reference / ours:.1f}x the speed of stepping the modes of one track at a time (separation alone)")


if __name__ == "__main__":
    main()
