"""The smallest tracks there are: a random walk as the distance, and a signal that is 1 while it is short."""

import numpy as np
import pandas as pd

from contactlens.tracks.data.track_set import SCALAR_COLUMN, SIGNAL_COLUMN, Driver, TrackSet
from contactlens.tracks.simulation.config import RandomWalkConfig

FRAME_INTERVAL_S = 1.0
SOURCE = "random walks"


def simulate_toy(config: RandomWalkConfig, seed: int) -> TrackSet:
    """A track set with a scalar driver; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    n, T = config.n_tracks, config.n_frames
    steps = config.step * rng.standard_normal((n, T))
    free = rng.uniform(size=(n, 1)) + np.cumsum(steps, axis=1)
    distance = np.abs((free + 1) % 2 - 1)  # folded at 0 and 1, as reflection does
    signal = (distance < config.contact_distance) + config.signal_noise * rng.standard_normal((n, T))
    frames = pd.DataFrame(
        {
            "track_id": np.repeat([f"t{i:06d}" for i in range(n)], T),
            "group": np.repeat([f"experiment_{i % config.n_groups:02d}" for i in range(n)], T),
            "frame": np.tile(np.arange(T), n),
            "time_s": np.tile(np.arange(T) * FRAME_INTERVAL_S, n),
            SCALAR_COLUMN: distance.ravel(),
            SIGNAL_COLUMN: signal.ravel(),
        }
    )
    return TrackSet(frames, FRAME_INTERVAL_S, Driver("scalar", "distance", "a.u."), "a.u.", SOURCE)
