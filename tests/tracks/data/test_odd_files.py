"""Malformed and hostile files of the kinds that microscopes and labs write: each is refused in one clear message.

Nothing that a file holds is run: pickles in NPZ, objects in MATLAB files, entities in XML.
"""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from lab_tables import FLAGS, LAB, csv_of, write
from scipy import io as matlab
from test_formats import as_matlab_73, session

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing import read_tracks
from contactlens.tracks.data.importing.read import import_tracks

N, T = 3, 12
DISTANCE, SIGNAL = (LAB[name].to_numpy().reshape(N, T) for name in ("d", "ms2"))
ARRAYS = {"distance": "d", "length_unit": "um", "signal": "ms2", "frame_interval": 30}
Make = Callable[[Path], Path]
SESSION = session(LAB)


class RunsCode:
    """Unpickled, it would make a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("code_was_run",)


def text(content: str | bytes, name: str = "lab.csv") -> Make:
    return lambda folder: write(folder, content, name)


def npz(allow_pickle: bool = True, **arrays: Any) -> Make:
    def make(folder: Path) -> Path:
        np.savez(folder / "lab.npz", allow_pickle=allow_pickle, **arrays)
        return folder / "lab.npz"

    return make


def mat(**values: Any) -> Make:
    def make(folder: Path) -> Path:
        matlab.savemat(folder / "lab.mat", values)
        return folder / "lab.mat"

    return make


def mat73(**values: Any) -> Make:
    def make(folder: Path) -> Path:
        as_matlab_73(folder / "lab.mat", values)
        return folder / "lab.mat"

    return make


def hdf5(fill: Callable[[h5py.File], Any]) -> Make:
    def make(folder: Path) -> Path:
        with h5py.File(folder / "lab.h5", "w") as file:
            fill(file)
        return folder / "lab.h5"

    return make


def excel(table: pd.DataFrame) -> Make:
    def make(folder: Path) -> Path:
        table.to_excel(folder / "lab.xlsx", index=False)
        return folder / "lab.xlsx"

    return make


def cut(make: Make, share: float = 0.6) -> Make:
    def shortened(folder: Path) -> Path:
        path = make(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        return path

    return shortened


def bomb(name: str, member: str) -> Make:
    """A small zip file that unpacks to 80 million zeros."""

    def make(folder: Path) -> Path:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, b"0" * 80_000_000)
        return folder / name

    return make


def npz_of_half_an_array(folder: Path) -> Path:
    """An NPZ whose member is no array of NumPy."""
    buffer = io.BytesIO()
    np.save(buffer, DISTANCE)
    with zipfile.ZipFile(folder / "lab.npz", "w") as archive:
        archive.writestr("d.npy", buffer.getvalue()[:150])
    return folder / "lab.npz"


def matlab_object(file: h5py.File) -> None:
    file["tracks"] = np.arange(6)
    file["tracks"].attrs["MATLAB_object_decode"] = 3


def mat73_object(folder: Path) -> Path:
    path = mat73(a=np.zeros((2, 2)))(folder)
    with h5py.File(path, "r+") as file:
        del file["a"]
        matlab_object(file)
    return path


ENTITY = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><TrackMate>&b;</TrackMate>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><TrackMate>&a;</TrackMate>'
OBJECTS = np.array([[RunsCode()]], dtype=object)
BRANCH = SESSION.replace(
    '<Track TRACK_ID="1">', '<Track TRACK_ID="1"><Edge SPOT_SOURCE_ID="ID0" SPOT_TARGET_ID="ID12"/>'
)
STRUCT = np.zeros((1, 1), dtype=[("Frame", object), ("Fluo", object)])
STRUCT[0, 0] = (np.array([[1, 99]]), np.array([[1.0, 2.0]]))
WIDE = LAB.pivot(index="t", columns="track", values="d").add_prefix("cell_").reset_index()
IN_WIDE = {"wide": "distance", "time": "t", "length_unit": "um"}

ODD: dict[str, tuple[Make, dict[str, Any], tuple[str, ...]]] = {
    # nothing is run
    "pickle in NPZ": (npz(d=OBJECTS), ARRAYS, ("refused, array 'd' holds Python objects", "can run code")),
    "entities in XML": (text(ENTITY, "m.xml"), {}, ("refused, it declares DTDForbidden",)),
    "XML that reads a file": (text(OUTSIDE, "m.xml"), {}, ("refused, it declares DTDForbidden",)),
    "MATLAB object": (mat73_object, ARRAYS, ("the file holds no array", "tracks are MATLAB objects")),
    "references in HDF5": (
        hdf5(lambda f: f.create_dataset("d", data=[f.create_dataset("x", data=1).ref], dtype=h5py.ref_dtype)), ARRAYS,
        ("data set 'd': holds references or objects",)),
    "NPZ that unpacks beyond measure": (bomb("lab.npz", "d.npy"), ARRAYS,
        ("refused, its", "would unpack to 80,000,000")),
    "Excel that unpacks beyond measure": (bomb("lab.xlsx", "x"), FLAGS, ("refused, its", "would unpack to 80,000,000")),
    # damaged
    "NPZ cut short": (cut(npz(d=DISTANCE, ms2=SIGNAL)), ARRAYS, ("lab.npz: not a readable NPZ file, or cut short",)),
    "NPZ with a damaged array": (
        npz_of_half_an_array, ARRAYS, ("lab.npz: not a readable NPZ file",)),
    "Excel cut short": (cut(excel(LAB)), FLAGS, ("lab.xlsx: not a readable Excel file, or cut short",)),
    "a zip called Excel": (
        lambda folder: npz(d=DISTANCE)(folder).rename(folder / "lab.xlsx"), FLAGS,
        ("lab.xlsx: not a readable Excel file",)),
    "text called Excel": (text(csv_of(LAB), "lab.xlsx"), FLAGS, ("lab.xlsx: not a readable Excel file",)),
    "MATLAB cut short": (cut(mat(d=DISTANCE, ms2=SIGNAL)), ARRAYS, ("lab.mat: not a readable MATLAB file",)),
    "MATLAB 7.3 cut short": (cut(mat73(d=DISTANCE, ms2=SIGNAL)), ARRAYS, ("lab.mat: not a readable MATLAB 7.3 file",)),
    "text called MATLAB": (text(csv_of(LAB), "lab.mat"), ARRAYS, ("lab.mat: not a", "MATLAB file")),
    "text called HDF5": (text(csv_of(LAB), "lab.h5"), FLAGS, ("lab.h5: not a readable HDF5 file",)),
    "XML cut short": (text(SESSION[:-300], "m.xml"), {}, ("m.xml: not a readable XML file, or cut short",)),
    # not what was expected
    "another XML": (text("<html><body/></html>", "m.xml"), {},
        ("its root is <html>, expected <TrackMate> or <Tracks>",)),
    "session before tracking": (text("<TrackMate><Log/></TrackMate>", "m.xml"), {}, ("holds no <Model>",)),
    "session without spots": (text("<TrackMate><Model/></TrackMate>", "m.xml"), {}, ("m.xml: the file holds no spot",)),
    "spot of two tracks": (text(BRANCH, "m.xml"), {}, ("spot ID0 belongs to the tracks 0 and 1",)),
    "session in pixels": (text(session(LAB, "pixel"), "m.xml"), {"length_unit": "um"}, ("is in pixels",)),
    "unknown array": (npz(dist=DISTANCE, ms2=SIGNAL), ARRAYS, ("no array 'd'; the file has: dist 3 x 12, ms2 3 x 12",)),
    "arrays of two shapes": (
        npz(d=DISTANCE, ms2=SIGNAL[:2]), ARRAYS, ("all of the same shape; found d 3 x 12, ms2 2 x 12",)),
    "a vector of four": (
        npz(v=np.zeros((3, 12, 4))), {"vector": "v", "length_unit": "nm", "frame_interval": 30},
        ("array 'v': vector is tracks x frames x 2 or 3, found 3 x 12 x 4",)),
    "words for numbers in NPZ": (npz(d=np.full((3, 12), "far"), ms2=SIGNAL), ARRAYS, ("array 'd': holds no numbers",)),
    "names of other tracks": (
        npz(d=DISTANCE, ms2=SIGNAL, k=["a", "b"]), {**ARRAYS, "track": "k"}, ("array 'k': 2 names for 3 tracks",)),
    "times of other frames": (
        npz(d=DISTANCE, ms2=SIGNAL, t=np.arange(5.0)), {**ARRAYS, "time": "t"},
        ("array 't': 5 times for 3 tracks x 12",)),
    "arrays without a mapping": (npz(d=DISTANCE), {}, ("name the arrays that hold driver and signal", "d 3 x 12")),
    "an infinite array": (
        npz(d=np.where(DISTANCE[1, 2] == DISTANCE, np.inf, DISTANCE), ms2=SIGNAL), ARRAYS,
        ("column 'd': 1 values are infinite; first at track 1, frame 2",)),
    "struct without frames": (
        mat(CompiledParticles=np.zeros((1, 1), dtype=[("Fluo", object)]), ElapsedTime=[[0.0, 1.0]]),
        {"preset": "compiled-particles"}, ("CompiledParticles(1): expected a struct with Frame and Fluo",)),
    "frames beyond the movie": (
        mat(CompiledParticles=STRUCT, ElapsedTime=[[0.0, 0.5, 1.0]]), {"preset": "compiled-particles"},
        ("CompiledParticles(1): Frame and Fluo", "frames within 1 to 3")),
    "no times": (mat(AllTracesVector=SIGNAL.T), {"preset": "compiled-particles"}, ("no array 'ElapsedTime'",)),
    "particles in rows": (
        mat(AllTracesVector=SIGNAL, ElapsedTime=LAB["t"].to_numpy()[None, :T]), {"preset": "compiled-particles"},
        ("AllTracesVector: expected 12 frames x particles, found 3 x 12",)),
    "unknown sheet": (excel(LAB), {**FLAGS, "sheet": "Data"}, ("no sheet 'Data'; the file has: Sheet1",)),
    "empty sheet": (excel(pd.DataFrame()), FLAGS, ("lab.xlsx: the sheet is empty",)),
    "a header alone": (excel(LAB.iloc[:0]), FLAGS, ("sheet 'Sheet1': the table has a header but no rows",)),
    "unknown group": (
        hdf5(lambda f: f.create_dataset("a/b", data=DISTANCE)), {**ARRAYS, "sheet": "movie"},
        ("no group or data set 'movie'; the file has: a/b",)),
    "nothing in HDF5": (hdf5(lambda f: f.create_group("a")), FLAGS, ("the file holds no table with track, t, d, ms2",)),
    "a column a track, of words": (
        text("t,a,b\n0,x,y\n30,z,w\n"), {**IN_WIDE}, ("no column holds numbers, beside 't'",)),
    "signals of other times": (
        text(csv_of(WIDE)), {**IN_WIDE, "second": WIDE.assign(t=WIDE["t"] + 1)},
        ("times differ from the first table's",)),
    "signals of other tracks": (
        text(csv_of(WIDE)), {**IN_WIDE, "second": WIDE.drop(columns="cell_1")}, ("no column 'cell_1'",)),
    "signals of fewer rows": (
        text(csv_of(WIDE)), {**IN_WIDE, "second": WIDE.iloc[:5]}, ("have 5 rows, but lab.csv has 12",)),
    "a second table of other tracks": (
        text(csv_of(LAB)), {**FLAGS, "second": LAB.assign(track="z").iloc[:12][["track", "t"]]},
        ("no row has a track and time of",)),
    "a second table with a time twice": (
        text(csv_of(LAB)), {**FLAGS, "second": pd.concat([LAB, LAB.iloc[:1]])},
        ("2 rows repeat a time of their track",)),
    "no column is named": (text(csv_of(LAB)), {}, ("with --track and --time", "--preset", "--wide", "track, frame, t")),
    "no header": (text("1,2,3\n4,5,6\n"), FLAGS, ("no column 'track'",)),
    "unknown encoding": (text(csv_of(LAB)), {**FLAGS, "encoding": "ansi-99"},
        ("--encoding ansi-99: no such encoding",)),
    "the wrong encoding": (text(b'track,\xb5\n'), {**FLAGS, "encoding": "ascii"}, ("not ascii text (ordinal not in",)),
    "unknown decimal mark": (text(csv_of(LAB)), {**FLAGS, "decimal": "'"}, ("the decimal mark is . or ,",)),
    "hours and minutes, or minutes and seconds": (
        text(csv_of(LAB.assign(t=[f"{f // 2}:{f % 2 * 30:02d}" for f in LAB["frame"]]))), FLAGS,
        ("'0:00' are ambiguous",)),
    "times of day as frames": (
        text(csv_of(LAB.assign(t=[f"0:{f // 2}:{f % 2 * 30:02d}" for f in LAB["frame"]]))),
        {**FLAGS, "time_unit": "frame", "frame_interval": 30}, ("column 't': holds times of day, not frame numbers",)),
    "Zeiss or Leica's own kind": (text(b"CZI", "lab.czi"), FLAGS,
        ("lab.czi: not a known kind of table; known are .csv",)),
    "old Excel": (text(b"\xd0\xcf\x11\xe0", "lab.xls"), FLAGS, ("save it as .xlsx",)),
    "one array": (text(b"\x93NUMPY", "lab.npy"), FLAGS, ("put the arrays into one .npz",)),
    "Excel in gzip": (text(b"\x1f\x8b", "lab.xlsx.gz"), FLAGS, ("not a known kind of table",)),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make, given, says = ODD[name]
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path)
    with pytest.raises(InputError) as error:
        read_tracks(path, **given)
    for part in says:
        assert part in str(error.value)
    assert not (tmp_path / "code_was_run").exists()


def test_matlab_s_own_objects_beside_arrays_are_left_out_and_named(tmp_path: Path) -> None:
    path = mat73(d=DISTANCE, ms2=SIGNAL)(tmp_path)
    with h5py.File(path, "r+") as file:
        matlab_object(file)
    imported = import_tracks(path, **ARRAYS)
    assert imported.report.frames == N * T
    assert "left out, as objects that only MATLAB reads: tracks" in imported.report.notes


def test_formulas_are_read_as_their_last_value_and_not_run(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["track", "t", "d", "ms2"])
    for row in LAB[["track", "t", "d"]].itertuples(index=False):
        book.active.append([*map(float, row), "=1+1"])
    book.save(tmp_path / "lab.xlsx")
    with pytest.raises(InputError, match="no row has a driver and a signal"):  # no value was ever computed
        read_tracks(tmp_path / "lab.xlsx", **FLAGS)
