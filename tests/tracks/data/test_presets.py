"""Each preset reads a made-up file in its layout, and its flags may be replaced."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lab_tables import LAB, assert_is_lab, csv_of, write
from scipy import io

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing import read_tracks
from contactlens.tracks.data.importing.presets import PRESETS
from contactlens.tracks.data.importing.read import import_tracks

N, T = 3, 12
VECTOR = LAB[["x", "y", "z"]].to_numpy().reshape(N, T, 3)
SIGNAL = LAB["ms2"].to_numpy().reshape(N, T)
XYZ = ("x", "y", "z")


def test_trackmate_csv_with_its_four_header_lines(tmp_path: Path) -> None:
    names = {"track": "TRACK_ID", "frame": "FRAME", "t": "POSITION_T", "ms2": "MEAN_INTENSITY_CH1"}
    spots = LAB.drop(columns="d").rename(columns={**names, **{axis: f"POSITION_{axis.upper()}" for axis in XYZ}})
    spots.insert(0, "LABEL", [f"ID{i}" for i in range(len(spots))])
    units = {"POSITION_T": "(sec)", "MEAN_INTENSITY_CH1": "(counts)"} | {f"POSITION_{a}": "(micron)" for a in "XYZ"}
    labels = [",".join(["Label", *spots.columns[1:]])] * 2 + [",".join(units.get(name, "") for name in spots)]
    header, _, body = csv_of(spots).partition("\n")
    path = write(tmp_path, "\n".join([header, *labels, body]))
    assert_is_lab(read_tracks(path, preset="trackmate", signal="MEAN_INTENSITY_CH1"), vector=True)
    with pytest.raises(InputError, match=r"called 'micron', but was given as nm; give --length-unit um"):
        read_tracks(path, preset="trackmate", length_unit="nm")


@pytest.mark.parametrize("title", ["", "\nPosition \n==================== \n"])
def test_imaris_with_and_without_its_title(tmp_path: Path, title: str) -> None:
    columns = {f"Position {axis.upper()}": LAB[axis] for axis in XYZ}
    fixed = {"Unit": "um", "Category": "Spot", "Collection": "Position"}
    table = pd.DataFrame({**columns, **fixed, "Time": LAB["frame"] + 1, "TrackID": LAB["track"] + 1000000000, "ID": 0})
    text = title + csv_of(table).replace("\n", ",\r\n")
    path = write(tmp_path, text, "E-P_Position.csv")
    names = [str(1000000000 + k) for k in range(N)]
    assert_is_lab(read_tracks(path, preset="imaris", frame_interval=30), vector=True, signal=False, names=names)
    intensity = table[["TrackID", "Time"]].assign(**{"Intensity Mean": LAB["ms2"]}).iloc[::-1]
    second = write(tmp_path, title + csv_of(intensity), "E-P_Intensity_Mean.csv")
    tracks = read_tracks(path, preset="imaris", frame_interval=30, second=second, signal="Intensity Mean")
    assert_is_lab(tracks, vector=True, names=names)
    with pytest.raises(InputError, match="the frame interval must be given: --frame-interval SECONDS"):
        read_tracks(path, preset="imaris")
    with pytest.raises(InputError, match="column 'Unit': px, um; expected one unit of length"):
        read_tracks(write(tmp_path, text.replace("um", "px", 1)), preset="imaris", frame_interval=30)


def as_struct(channels: int = 1) -> dict[str, Any]:
    """CompiledParticles as mRNADynamics writes it: a cell per channel of an array of structs, frames from 1."""
    particles = np.zeros((1, N), dtype=[("Frame", object), ("Fluo", object), ("xPos", object)])
    for k in range(N):
        particles[0, k] = (np.arange(1, T + 1)[None], SIGNAL[k][None], np.ones((1, T)))
    cell = np.empty((1, channels), dtype=object)
    for channel in range(channels):
        cell[0, channel] = particles
    return {"CompiledParticles": cell, "ElapsedTime": LAB["t"].to_numpy()[None, :T] / 60, "nc14": 3}


@pytest.mark.parametrize("layout", ["matrix", "cell", "struct"])
def test_compiled_particles(tmp_path: Path, layout: str) -> None:
    content = as_struct()
    if layout != "struct":
        matrix = np.empty((1, 1), dtype=object)
        matrix[0, 0] = SIGNAL.T
        content |= {"AllTracesVector": SIGNAL.T if layout == "matrix" else matrix}
    io.savemat(tmp_path / "CompiledParticles.mat", content)
    tracks = read_tracks(tmp_path / "CompiledParticles.mat", preset="compiled-particles")
    np.testing.assert_array_equal(tracks.frames["ms2"], LAB["ms2"])
    assert (tracks.frame_interval_s, tracks.driver.name, tracks.driver.unit) == (30, "time since the start", "s")
    np.testing.assert_allclose(tracks.frames["driver"], LAB["t"])


def test_compiled_particles_of_two_channels(tmp_path: Path) -> None:
    io.savemat(tmp_path / "p.mat", as_struct(channels=2))
    imported = import_tracks(tmp_path / "p.mat", preset="compiled-particles", sheet="2")
    assert "channel 2 of 2" in imported.report.notes and imported.report.frames == N * T
    with pytest.raises(InputError, match="no channel '3'; there are 2, from 1"):
        read_tracks(tmp_path / "p.mat", preset="compiled-particles", sheet="3")


def test_vepi_takes_the_interval_from_the_file_s_name(tmp_path: Path) -> None:
    arrays = {"promoter_coordinate": np.ones_like(VECTOR), "enhancer_coordinate": 1 + 1000 * VECTOR}
    np.savez(tmp_path / "30s_340kb_None.npz", **arrays, corrected_intensity=SIGNAL)
    tracks = read_tracks(tmp_path / "30s_340kb_None.npz", preset="vepi")
    np.testing.assert_allclose(tracks.frames[["ep_x_nm", "ep_y_nm", "ep_z_nm"]], 1000 * LAB[[*XYZ]], atol=1e-9)
    np.testing.assert_array_equal(tracks.frames["ms2"], LAB["ms2"])
    assert tracks.frame_interval_s == 30
    other = (tmp_path / "30s_340kb_None.npz").rename(tmp_path / "wt.npz")
    with pytest.raises(InputError, match="--frame-interval SECONDS"):
        read_tracks(other, preset="vepi")


def test_brueckner(tmp_path: Path) -> None:
    names = {"track": "cell_id", "frame": "time_point", "ms2": "red", **{axis: f"{axis}_Rij" for axis in XYZ}}
    path = write(tmp_path, csv_of(LAB.rename(columns=names).drop(columns=["t", "d"])))
    assert_is_lab(read_tracks(path, preset="brueckner", frame_interval=30), vector=True)
    distance = read_tracks(path, preset="brueckner", frame_interval=30, vector="x_Rij,y_Rij")
    assert distance.driver.name == "E-P distance in the x-y plane"


def test_gabriele_has_two_loci_and_no_signal(tmp_path: Path) -> None:
    moved = {f"{axis}2": LAB[axis] + 5 for axis in XYZ}
    table = LAB[["track", "frame"]].set_axis(["id", "t"], axis=1).assign(**dict.fromkeys(XYZ, 5.0), **moved)
    tracks = read_tracks(write(tmp_path, csv_of(table)), preset="gabriele", frame_interval=30)
    np.testing.assert_allclose(tracks.frames[["ep_x_nm", "ep_y_nm", "ep_z_nm"]], 1000 * LAB[[*XYZ]], atol=1e-9)
    assert not tracks.has_signal


def test_burstinfer_has_a_row_a_cell(tmp_path: Path) -> None:
    traces = pd.DataFrame(SIGNAL, columns=[str(f) for f in range(T)]).assign(cluster=[0, 0, 1])
    traces.iloc[1, 3] = np.nan
    imported = import_tracks(write(tmp_path, traces.to_csv()), preset="burstinfer", frame_interval=20)
    frames = imported.track_set.frames
    assert frames["track_id"].tolist() == [str(k) for k in range(N) for f in range(T) if (k, f) != (1, 3)]
    np.testing.assert_array_equal(frames["ms2"], np.delete(SIGNAL.ravel(), T + 3))
    assert imported.track_set.driver.name == "time since the start"
    with pytest.raises(InputError, match="no columns are named by frame numbers"):
        read_tracks(write(tmp_path, csv_of(LAB)), preset="burstinfer", frame_interval=20)


def test_every_preset_says_what_it_reads_and_where_it_is_from() -> None:
    assert set(PRESETS) == {"trackmate", "imaris", "compiled-particles", "vepi", "brueckner", "gabriele", "burstinfer"}
    assert all(preset.about and preset.address.startswith("https://") for preset in PRESETS.values())
    with pytest.raises(InputError, match="--preset fiji: unknown; known are trackmate, imaris"):
        read_tracks(LAB, preset="fiji")
