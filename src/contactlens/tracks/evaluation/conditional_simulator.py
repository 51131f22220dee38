"""Paths and signals of the simulator given the measured positions: what the driver leaves open.

Positions are Gaussian and so is their noise, so that a path given the measured frames is drawn exactly by conditioning
a free one: the path, plus what a linear estimate from the frames makes of measured less freely drawn and noisy
positions (Hoffman and Ribak, Astrophys. J. 1991).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.experiment import promote, sampler_of
from contactlens.tracks.simulation.microscope import observe

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
LEAST_NOISE = 1e-6  # of the positions' SD: without any noise the equations of near frames are too alike


def why_not(config: SimulationConfig) -> str | None:
    """Why signals given the driver can't be drawn: the process that stands against it; None where they can."""
    reasons = {
        "motion blur": config.exposure_s > 0,
        "drift": config.drift_nm_per_s > 0,
        "cross-talk": config.crosstalk_to_separation > 0 or config.crosstalk_to_ms2 > 0,
    }
    return next((f"the simulation has {name}" for name, holds in reasons.items() if holds), None)


class ConditionalSimulator:
    """Draws of the simulator of `config` given the measured separation of a track's observed frames.

    Raises ValueError where `why_not` gives a reason.
    """

    def __init__(self, config: SimulationConfig) -> None:
        if (reason := why_not(config)) is not None:
            raise ValueError(f"no signals given the driver: {reason}")
        self.config = config
        self.sampler = sampler_of(config)
        times = np.arange(self.sampler.n_times, dtype=np.float64) * (
            config.frame_interval_s / config.substeps_per_frame
        )
        self.covariance = self.sampler.motion.covariance(times)
        first = config.burn_in_frames * config.substeps_per_frame
        self.places = np.arange(first, self.sampler.n_times, config.substeps_per_frame)  # of the frames in a path

    def paths(self, measured_nm: Floats, observed: NDArray[np.bool_], n: int, rng: np.random.Generator) -> Singles:
        """(n, 3, sub-steps) nm, burn-in first, given measured_nm (3, n_frames) where observed (n_frames,)."""
        path = self.sampler.draw(n, rng)
        places = self.places[observed]
        prior = self.covariance[np.abs(places[:, None] - places)]
        with_path = self.covariance[np.abs(places[:, None] - np.arange(self.sampler.n_times))].astype(np.float32)
        least = LEAST_NOISE * np.sqrt(self.covariance[0])
        for axis, noise in enumerate(np.maximum(self.config.separation_noise_nm, least)):
            free = path[:, axis, places] + noise * rng.standard_normal((n, places.size))
            factor = cho_factor(prior + noise**2 * np.eye(places.size))
            weights = cho_solve(factor, (measured_nm[axis, observed] - free).T).T
            path[:, axis] += weights.astype(np.float32) @ with_path
        return path

    def signals(self, measured_nm: Floats, observed: NDArray[np.bool_], n: int, rng: np.random.Generator) -> Floats:
        """(n, n_frames) a.u., without the signal's noise; arguments as of `paths`."""
        cells, optics = rng.spawn(2)
        path = self.paths(measured_nm, observed, n, rng)
        loading = promote(self.config, self.sampler.motion, path, rng, cells).loading
        noiseless = replace(self.config, ms2_noise=0.0)
        return observe(noiseless, path[:, :, self.places].astype(np.float64), loading, rng, optics)[1]
