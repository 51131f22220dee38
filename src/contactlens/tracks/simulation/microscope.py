"""What the microscope makes of true positions and polymerases: noise, drift, bleaching, background, cross-talk."""

import numpy as np
from numpy.typing import NDArray

from contactlens.tracks.simulation.config import SimulationConfig
from contactlens.tracks.simulation.ms2 import signal_of
from contactlens.tracks.simulation.promoter import Events

Floats = NDArray[np.float64]


def observe(
    config: SimulationConfig,
    position: Floats,
    loading: Events,
    rng: np.random.Generator,
    optics: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Measured separation (N, 3, T; nm) and MS2 (N, T; a.u.) of the separation `position` (N, 3, T; nm), a mean over
    the exposure where there is one. `optics` draws what differs between cells: drift and background."""
    n, _, n_frames = position.shape
    time_s = np.arange(n_frames) * config.frame_interval_s
    light = signal_of(loading, n, n_frames, config.frame_interval_s, config.ms2_ramp_s, config.ms2_dwell_s)
    light *= config.polymerase_signal
    if config.bleaching_time_s is not None:
        light *= np.exp(-time_s / config.bleaching_time_s)
    signal = light
    if config.crosstalk_to_ms2 > 0:
        squared = (position**2).sum(axis=1)
        signal = signal + config.crosstalk_to_ms2 * np.exp(-squared / (2 * config.crosstalk_width_nm**2))
    if config.ms2_background != 0 or config.ms2_background_sd > 0:
        signal = signal + config.ms2_background + config.ms2_background_sd * optics.standard_normal((n, 1))
    if config.crosstalk_to_separation > 0:
        position = position / (1 + config.crosstalk_to_separation * light[:, None, :])
    if config.drift_nm_per_s > 0:
        velocity = config.drift_nm_per_s * optics.standard_normal((n, 3, 1))
        position = position + velocity * (time_s - time_s.mean())
    measured = position + config.separation_noise_nm[:, None] * rng.standard_normal(position.shape)
    return measured, signal + config.ms2_noise * rng.standard_normal(signal.shape)
