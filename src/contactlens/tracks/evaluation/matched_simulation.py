"""Simulated traces that resemble real ones without a distance: a telegraph with the rates and levels fitted to them.

Spot detection sets a signal below its limit to exactly 0. `fill_undetected` gives such frames a value that noise of the
limit's size could have given, since a Gaussian emission takes a repeated exact 0 for a measurement without noise;
`simulate_undetected` does to simulated traces what detection did to the real ones.
"""

from dataclasses import replace

import numpy as np

from contactlens.tracks.data.track_set import SIGNAL_COLUMN, TrackSet
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate

Array = np.ndarray
EVERYWHERE_NM = 1e9  # a contact radius that no distance exceeds: every candidate on-event takes effect
LOW_QUANTILE = 0.01


def detection_limit(signal: Array, observed: Array) -> float:
    """The signal (a.u.) that 1 % of the detected frames lie below: signal (N, T) is 0 where nothing was detected."""
    seen = signal[observed]
    return float(np.quantile(seen[seen > 0], LOW_QUANTILE))


def fill_undetected(signal: Array, limit: float, seed: int) -> Array:
    """`signal` (N, T) with noise of SD `limit` in place of what lies below `limit`."""
    noise = limit * np.random.default_rng(seed).standard_normal(signal.shape)
    return np.where(signal < limit, noise, signal)


def matched_config(hmm: CompoundHmm, ramp_s: float, dwell_s: float, n_tracks: int, n_frames: int) -> SimulationConfig:
    """A telegraph with the rates, loading, polymerase signal and noise of an HMM fitted to the real traces.

    The mean level of loading is rate = loading rate x polymerase signal, its variance per time loading rate x
    polymerase signal^2: their ratio is the signal of one polymerase.
    The HMM takes the noise of loading for independent between frames. Where few strong polymerases make the signal it
    explains part of that noise by switching, and its rates are too fast (k_off by 45 % with one polymerase in 2.5 s).
    """
    model = hmm.model
    polymerase = model.loading_variance / model.rate
    return SimulationConfig(
        n_tracks=n_tracks,
        n_frames=n_frames,
        frame_interval_s=model.kernel.frame_interval_s,
        substeps_per_frame=1,
        contact_radius_nm=EVERYWHERE_NM,
        beads=2,
        loci=(0, 1),
        k_on_per_s=hmm.k_on_per_s,
        k_off_per_s=hmm.k_off_per_s,
        loading_rate_per_s=model.rate / polymerase,
        polymerase_signal=polymerase,
        ms2_noise=float(np.sqrt(model.noise_variance)),
        ms2_ramp_s=ramp_s,
        ms2_dwell_s=dwell_s,
    )


def simulate_undetected(config: SimulationConfig, limit: float, seed: int) -> TrackSet:
    """Simulated tracks whose signal is 0 where it lies below the detection limit (a.u.)."""
    simulated = simulate(config, seed)
    signal = simulated.frames[SIGNAL_COLUMN]
    return replace(simulated, frames=simulated.frames.assign(**{SIGNAL_COLUMN: signal.where(signal >= limit, 0.0)}))
