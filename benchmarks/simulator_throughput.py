"""Simulator throughput: as tables, as arrays in each regime, and its ratio to stepping every normal mode of one track.

python benchmarks/simulator_throughput.py [--tracks 10000]
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import sampler_of, simulate_arrays
from contactlens.tracks.simulation.regimes import MOUSE_ES_CELLS, PUBLISHED_BENCHMARK
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


def array_frames_per_s(config: SimulationConfig, experiments: int) -> float:
    """Frames per second of experiments as arrays that share a sampler, as a calibration draws them."""
    sampler = sampler_of(config)
    start = time.perf_counter()
    for seed in range(experiments):
        simulate_arrays(config, seed, sampler)
    return experiments * config.n_tracks * config.n_frames / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--reference-tracks", type=int, default=10)
    parser.add_argument("--experiments", type=int, default=10, help="of 100 tracks, as arrays, in each regime")
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
    regimes = {"default": SimulationConfig(), "mouse ES cells": MOUSE_ES_CELLS, "benchmark": PUBLISHED_BENCHMARK}
    for name, regime in regimes.items():
        speed = array_frames_per_s(replace(regime, n_tracks=100), arguments.experiments)
        print(f"{speed:,.0f} frames/s as arrays: {arguments.experiments} experiments of 100 tracks, {name}")


if __name__ == "__main__":
    main()
