"""Simulated experiments for the tests of the contact radius, at the level of arrays."""

import numpy as np

from contactlens.tracks.radius.model.observations import Observations
from contactlens.tracks.simulation.ms2 import signal_of
from contactlens.tracks.simulation.promoter import load_polymerases, poisson_events, switch
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.simulation.rouse import RouseChain, SeparationSampler

REPORTER = Reporter(ramp_s=28.0, dwell_s=140.0, polymerase_signal=1.0)
CHAIN = RouseChain(beads=100, loci=(30, 60), mean_distance_nm=300.0, msd_amplitude_nm2_per_sqrt_s=4e3)


def experiment(
    n: int, t: int, seed: int, radius: float = 100.0, noise: float = 30.0, kind: str = "vector", substeps: int = 10
) -> Observations:
    """n tracks of t frames of 30 s with the simulator's default promoter and a sharp contact radius."""
    rng = np.random.default_rng(seed)
    burn = 65
    sampler = SeparationSampler(CHAIN, (burn + t - 1) * substeps + 1, 30.0 / substeps)
    path = sampler.draw(n, rng)
    start, end = -burn * 30.0, (t - 1) * 30.0
    candidates = poisson_events(1 / 15, n, start, end, rng)
    place = ((candidates.time_s - start) / (30.0 / substeps)).astype(np.int64)
    near = (path[candidates.track, :, place] ** 2).sum(axis=1) < radius**2
    loaded = load_polymerases(switch(candidates, near, 1 / 180, n, rng), 1 / 6, end, rng)
    clean = signal_of(loaded, n, t, 30.0, REPORTER.ramp_s, REPORTER.dwell_s)
    separation = path[:, :, burn * substeps :: substeps].transpose(0, 2, 1).astype(np.float64)
    measured = separation + noise * rng.standard_normal(separation.shape)
    driver = measured if kind == "vector" else np.linalg.norm(measured, axis=2, keepdims=True)
    signal = clean + 2 * rng.standard_normal(clean.shape)
    return Observations(driver, signal, 30.0, "vector" if kind == "vector" else "distance", np.arange(n) % 2)
