"""Each kind of file, written by another program's own means, gives the tracks that were put into it."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from lab_tables import FLAGS, LAB, assert_is_lab, lab_table, write
from scipy import io

from contactlens.tracks.data.importing import read_tracks
from contactlens.tracks.data.importing.read import import_tracks

N, T = 3, 12
VECTOR = LAB[["x", "y", "z"]].to_numpy().reshape(N, T, 3)
DISTANCE, SIGNAL = (LAB[name].to_numpy().reshape(N, T) for name in ("d", "ms2"))
TIMES = LAB["t"].to_numpy()[:T]
ARRAYS = {"distance": "d", "length_unit": "um", "signal": "ms2"}


def test_excel_with_titles_sheets_and_numbers_as_text(tmp_path: Path) -> None:
    path = tmp_path / "lab.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"read me": ["nothing here"]}).to_excel(book, sheet_name="notes", index=False)
        LAB.astype({"d": str}).to_excel(book, sheet_name="tracks", index=False, startrow=3)
        LAB.assign(d=LAB["d"] * 2).to_excel(book, sheet_name="doubled", index=False)
    imported = import_tracks(path, **FLAGS)
    assert_is_lab(imported.track_set)
    assert {"sheet 'tracks'", "left out above the header: rows 1 to 3"} <= set(imported.report.notes)
    doubled = read_tracks(path, sheet="doubled", **FLAGS)
    np.testing.assert_allclose(doubled.frames["ep_distance_nm"], 2000 * LAB["d"], rtol=1e-12)


def test_excel_times_of_day_and_error_cells(tmp_path: Path) -> None:
    clock = [(pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=s)).time() for s in LAB["t"]]
    table = LAB.assign(t=clock, ms2=LAB["ms2"].astype(object).where(LAB["frame"] != 2, "#N/A"))
    table.to_excel(tmp_path / "lab.xlsx", index=False)
    tracks = read_tracks(tmp_path / "lab.xlsx", missing="#N/A", **FLAGS)
    assert tracks.frame_interval_s == 30
    assert tracks.frames["frame"].tolist() == [frame for frame in LAB["frame"] if frame != 2]


@pytest.mark.parametrize("compressed", [True, False])
def test_npz_of_tracks_by_frames(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "lab.npz"
    (np.savez_compressed if compressed else np.savez)(
        path, ep=VECTOR, ms2=SIGNAL, d=DISTANCE, t=TIMES, id=["0", "1", "2"]
    )
    vector = {"vector": "ep", "length_unit": "um", "signal": "ms2"}
    assert_is_lab(read_tracks(path, frame_interval=30, **vector), vector=True)
    assert_is_lab(read_tracks(path, time="t", track="id", **ARRAYS))
    np.savez(path, x=VECTOR[..., 0], y=VECTOR[..., 1], z=VECTOR[..., 2], ms2=SIGNAL, t=np.tile(TIMES, (N, 1)))
    assert_is_lab(read_tracks(path, time="t", **{**vector, "vector": "x,y,z"}), vector=True)


def test_npz_with_missing_frames_groups_and_padding(tmp_path: Path) -> None:
    vector, signal = VECTOR.copy(), SIGNAL.copy()
    vector[0, 4], signal[1, 6], vector[2, 9:], signal[2, 9:] = np.nan, np.nan, np.nan, np.nan
    np.savez(tmp_path / "lab.npz", a=np.zeros_like(vector), b=vector, s=signal, cell=["p", "q", "r"], e=[1, 1, 2])
    given = {"locus1": "a", "locus2": "b", "length_unit": "um", "signal": "s", "track": "cell", "group": "e"}
    imported = import_tracks(tmp_path / "lab.npz", frame_interval=30, **given)
    frames = imported.track_set.frames
    lost = {("p", 4), ("q", 6), ("r", 9), ("r", 10), ("r", 11)}
    assert (
        set(zip(frames["track_id"], frames["frame"], strict=True)) == {(k, f) for k in "pqr" for f in range(T)} - lost
    )
    assert frames.groupby("track_id")["group"].first().tolist() == ["1", "1", "2"]
    flat = np.linalg.norm(VECTOR[0, :4], axis=1) * 1000
    np.testing.assert_allclose(frames["ep_distance_nm"][:4], flat)


def test_frames_by_tracks_are_turned_by_the_times(tmp_path: Path) -> None:
    np.savez(tmp_path / "lab.npz", d=DISTANCE.T, ms2=SIGNAL.T, t=TIMES)
    imported = import_tracks(tmp_path / "lab.npz", time="t", **ARRAYS)
    assert_is_lab(imported.track_set)
    assert "3 tracks x 12 frames, turned from frames x tracks" in imported.report.notes


def as_matlab_73(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """As MATLAB's `save -v7.3`: HDF5 behind a block of 512 bytes, the axes of each array in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = np.asarray(array).T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b"\0" * 8 + b"\x00\x02IM")


@pytest.mark.parametrize("version", [5, 7.3])
def test_matlab_matrices(tmp_path: Path, version: float) -> None:
    path, arrays = tmp_path / "lab.mat", {"d": DISTANCE.T, "ms2": SIGNAL.T, "t": TIMES[None], "ep": VECTOR}
    io.savemat(path, arrays) if version == 5 else as_matlab_73(path, arrays)
    assert_is_lab(read_tracks(path, time="t", **ARRAYS))
    vector = read_tracks(path, vector="ep", length_unit="um", frame_interval=30)
    assert_is_lab(vector, vector=True, signal=False)


@pytest.mark.parametrize("layout", ["compound", "group", "arrays"])
def test_hdf5(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "lab.h5"
    with h5py.File(path, "w") as file:
        file["other/words"] = ["a", "b"]
        if layout == "compound":
            file["movie/tracks"] = LAB.to_records(index=False)
        elif layout == "group":
            for name in LAB:
                file[f"movie/tracks/{name}"] = (
                    LAB[name].astype(str).to_list() if name == "track" else LAB[name].to_numpy()
                )
        else:
            file["movie/d"], file["movie/ms2"], file["movie/t"] = DISTANCE, SIGNAL, TIMES
    given = {**ARRAYS, "time": "t"} if layout == "arrays" else FLAGS
    assert_is_lab(read_tracks(path, **given))
    assert_is_lab(read_tracks(path, sheet="movie", **given))


def session(table: pd.DataFrame, spatial: str = "micron", filtered: str = "") -> str:
    """A TrackMate session: spots by frame, edges by track."""
    spots = {(row.track, row.frame): f"ID{i}" for i, row in enumerate(table.itertuples())}
    frames = "".join(
        f'<SpotsInFrame frame="{frame}">'
        + "".join(
            f'<Spot ID="{spots[row.track, row.frame]}" name="s" FRAME="{row.frame}" POSITION_T="{row.t}" '
            f'POSITION_X="{row.x}" POSITION_Y="{row.y}" POSITION_Z="{row.z}" MEAN_INTENSITY_CH1="{row.ms2}"/>'
            for row in rows.itertuples()
        )
        + "</SpotsInFrame>"
        for frame, rows in table.groupby("frame")
    )
    tracks = "".join(
        f'<Track TRACK_ID="{track}">'
        + "".join(
            f'<Edge SPOT_SOURCE_ID="{spots[track, a]}" SPOT_TARGET_ID="{spots[track, b]}"/>'
            for a, b in zip(rows["frame"], rows["frame"].iloc[1:], strict=False)
        )
        + "</Track>"
        for track, rows in table[table["track"] != "None"].groupby("track")
    )
    return (
        f'<TrackMate version="7"><Model spatialunits="{spatial}" timeunits="sec"><AllSpots>{frames}'
        f"</AllSpots><AllTracks>{tracks}</AllTracks>{filtered}</Model></TrackMate>"
    )


def test_trackmate_session(tmp_path: Path) -> None:
    path = write(tmp_path, session(LAB), "movie.xml")
    assert_is_lab(read_tracks(path, signal="MEAN_INTENSITY_CH1"), vector=True)
    assert_is_lab(read_tracks(path, preset="trackmate"), vector=True, signal=False)
    kept = "<FilteredTracks>" + "".join(f'<TrackID TRACK_ID="{k}"/>' for k in (0, 2)) + "</FilteredTracks>"
    imported = import_tracks(write(tmp_path, session(LAB, filtered=kept), "movie.xml"))
    assert (imported.report.tracks, imported.report.outside) == (2, T)


def test_trackmate_export_of_particles(tmp_path: Path) -> None:
    particles = "".join(
        f'<particle nSpots="{T}">'
        + "".join(f'<detection t="{r.frame}" x="{r.x}" y="{r.y}" z="{r.z}"/>' for r in rows.itertuples())
        + "</particle>"
        for _, rows in LAB.groupby("track")
    )
    head = '<Tracks nTracks="3" spaceUnits="micron" frameInterval="30.0" timeUnits="sec">'
    path = write(tmp_path, f'<?xml version="1.0"?>{head}{particles}</Tracks>', "tracks.xml")
    assert_is_lab(read_tracks(path), vector=True, signal=False)


def test_a_named_index_of_a_dataframe_counts_as_columns() -> None:
    assert_is_lab(read_tracks(LAB.set_index(["track", "t"]), **FLAGS))


def test_120_000_rows_in_seconds(tmp_path: Path) -> None:
    import time

    table = lab_table(tracks=300, frames=400)
    table.to_csv(tmp_path / "lab.csv", index=False)
    start = time.process_time()
    tracks = read_tracks(tmp_path / "lab.csv", **FLAGS)
    assert len(tracks.frames) == len(table)
    assert time.process_time() - start < 10
