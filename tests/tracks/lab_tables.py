"""A few made-up tracks as a lab would hold them, and what must come of them however they are written down."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contactlens.tracks.data.track_set import TrackSet
from reference_files import SMALL

INTERVAL_S = 30.0


def lab_table(tracks: int = 3, frames: int = 12) -> pd.DataFrame:
    """Columns track, frame, t (s), x, y, z and d (um), ms2, with as many decimals as labs write."""
    rng = np.random.default_rng(5)
    n = tracks * frames
    xyz = rng.normal(0, 0.2, size=(n, 3)).round(4)
    return pd.DataFrame(
        {
            "track": np.repeat(np.arange(tracks), frames),
            "frame": np.tile(np.arange(frames), tracks),
            "t": np.tile(np.arange(frames) * INTERVAL_S, tracks),
            **dict(zip("xyz", xyz.T, strict=True)),
            "d": np.linalg.norm(xyz, axis=1).round(4),
            "ms2": rng.gamma(4.0, 6.0, size=n).round(2),
        }
    )


LAB = lab_table()
FLAGS = {"track": "track", "time": "t", "distance": "d", "length_unit": "um", "signal": "ms2"}


def write(folder: Path, content: str | bytes, name: str = "lab.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def csv_of(table: pd.DataFrame, separator: str = ",") -> str:
    return table.to_csv(index=False, sep=separator, lineterminator="\n")


def assert_is_lab(
    tracks: TrackSet, *, signal: bool = True, vector: bool = False, names: list[str] | None = None
) -> None:
    """The tracks of LAB, in nm and s: the rows as they stand in the table, which is sorted as a track set is."""
    frames = tracks.frames
    assert tracks.frame_interval_s == pytest.approx(INTERVAL_S)
    expected = LAB["track"].astype(str) if names is None else LAB["track"].map(dict(enumerate(names)))
    assert frames["track_id"].tolist() == expected.tolist()
    assert frames["frame"].tolist() == LAB["frame"].tolist()
    np.testing.assert_allclose(frames["time_s"] - frames["time_s"].min(), LAB["t"], atol=1e-6)
    if vector:
        np.testing.assert_allclose(frames[["ep_x_nm", "ep_y_nm", "ep_z_nm"]], 1000 * LAB[["x", "y", "z"]], atol=1e-9)
    distance = np.linalg.norm(LAB[["x", "y", "z"]], axis=1) if vector else LAB["d"]
    np.testing.assert_allclose(frames["ep_distance_nm"], 1000 * distance, rtol=1e-12)
    assert tracks.has_signal == signal
    if signal:
        np.testing.assert_array_equal(frames["ms2"], LAB["ms2"])


def shared_case(name: str) -> Path:
    return SMALL / "cases" / "tracks" / name
