"""Small inputs whose right answers are known, for the tests of import and checks."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contactlens.tracks.data.config import CheckLimits
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.legacy import LegacyTrack
from contactlens.tracks.data.track_set import Driver, TrackSet

DRIVERS = {
    "vector": Driver("vector", "E-P distance", "nm"),
    "distance": Driver("distance", "E-P distance", "nm"),
    "scalar": Driver("scalar", "repressor", "a.u."),
}
LIMITS = CheckLimits(
    max_distance_nm=3000.0,
    driver_range=(-1000.0, 1000.0),
    signal_range=(-100.0, 1000.0),
    min_frames_per_track=5,
    max_time_jitter_fraction=0.2,
    distance_tolerance_nm=0.01,
    max_dead_fraction=0.25,
    max_saturated_fraction=0.1,
)
KNIRPS = ColumnMapping(
    track=["embryo", "nucleus"],
    group=["embryo"],
    time="time_s",
    time_unit="s",
    scalar="knirps_au",
    driver_unit="a.u.",
    signal="ms2_au",
)
YEAST = ColumnMapping(
    track=["locus", "genotype", "exp.rep", "meiosis", "cell"],
    group=["locus", "genotype", "exp.rep", "meiosis"],
    time="tp.s",
    time_unit="s",
    locus1=["X1", "Y1", "Z1"],
    locus2=["X2", "Y2", "Z2"],
    length_unit="um",
)


def track_set(kind: str = "vector", tracks: int = 8, frames: int = 12, signal: bool = True) -> TrackSet:
    """Tracks of 30 s frames in two groups, every value plausible."""
    rng = np.random.default_rng(3)
    n = tracks * frames
    vector = rng.normal(0, 150, size=(n, 3))
    columns: dict[str, Any] = {
        "track_id": np.repeat([f"t{i}" for i in range(tracks)], frames),
        "group": np.repeat([f"g{i % 2}" for i in range(tracks)], frames),
        "frame": np.tile(np.arange(frames), tracks),
        "time_s": np.tile(np.arange(frames) * 30.0, tracks),
    }
    if kind == "vector":
        columns |= dict(zip(("ep_x_nm", "ep_y_nm", "ep_z_nm"), vector.T, strict=True))
    columns["driver" if kind == "scalar" else "ep_distance_nm"] = np.linalg.norm(vector, axis=1)
    if signal:
        columns["ms2"] = rng.normal(50, 10, size=n)
    return TrackSet(pd.DataFrame(columns), 30.0, DRIVERS[kind], "a.u." if signal else None, "made here")


def legacy_track(frames: int = 10, seed: int = 0) -> LegacyTrack:
    rng = np.random.default_rng(seed)
    time = np.arange(frames) * 30.0
    true = rng.normal(0, 150, size=(3, frames))
    on = np.sort(rng.uniform(0, time[-1], size=4))
    return LegacyTrack(
        observation_times=time,
        ep_sep_obs_noisy=true + rng.normal(0, 30, size=true.shape),
        MS2_signal_noisy=rng.normal(5, 1, size=frames),
        state_times=np.array([0.0, 40.0, 100.0, 160.0]),
        state_sequence=np.array([0, 1, 0, 1]),
        ep_sep_obs=true,
        thinned_on_times=on[::2],
        on_times=on,
        pol2_loading_events=np.sort(rng.uniform(0, time[-1], size=6)),
    )


def write_legacy(path: Path, tracks: list[Any], protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps([tuple(track) for track in tracks], protocol=protocol))
    return path
