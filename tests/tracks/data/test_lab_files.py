"""What labs really write: separators, encodings, titles, marks, clocks, names. Read, or refused with a way out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lab_tables import FLAGS, INTERVAL_S, LAB, assert_is_lab, csv_of, write

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing import read_tracks
from contactlens.tracks.data.importing.read import import_tracks

TEXT = csv_of(LAB)
GERMAN = LAB.to_csv(index=False, sep=";", decimal=",")
MICRO = LAB.rename(columns={"d": "distance (\u00b5m)"})
NAMED = {**FLAGS, "distance": "distance (\u00b5m)"}
TRACKMATE_LABELS = (
    "Track,Frame,T,X,Y,Z,D,Mean\nTrack,Frame,T,X,Y,Z,D,Mean\n,,(sec),(micron),(micron),(micron),(micron),\n"
)
HEADER, _, BODY = TEXT.partition("\n")


def flags(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**FLAGS, **changes}.items() if value is not None}


READ: dict[str, tuple[str | bytes, str, dict[str, Any], str]] = {
    "ending in capitals": (TEXT, "LAB.CSV", FLAGS, ""),
    "decimal commas": (GERMAN, "lab.csv", FLAGS, "decimal commas in t, d, ms2"),
    "decimal commas under tabs": (LAB.to_csv(index=False, sep="\t", decimal=","), "lab.txt", FLAGS, "decimal commas"),
    "decimal comma by flag": (GERMAN, "lab.csv", flags(decimal=","), "separated by ';'"),
    "UTF-16": (csv_of(MICRO, "\t").encode("utf-16"), "lab.txt", NAMED, "text is UTF-16"),
    "UTF-16 without a mark": (csv_of(MICRO, "\t").encode("utf-16-le"), "lab.txt", NAMED, "UTF-16 without a mark"),
    "UTF-16 big-endian": (csv_of(LAB).encode("utf-16-be"), "lab.csv", FLAGS, "UTF-16 without a mark"),
    "ANSI": (csv_of(MICRO).encode("cp1252"), "lab.csv", NAMED, "read as cp1252"),
    "encoding by flag": (csv_of(MICRO).encode("mac_roman"), "lab.csv", {**NAMED, "encoding": "mac_roman"}, ""),
    "Greek mu for the micro sign": (csv_of(MICRO), "lab.csv", flags(distance="distance (\u03bcm)"), ""),
    "comments above": ("# tracker 2.1\n# pixel 0.108 um\n" + TEXT, "lab.csv", FLAGS, "above the header: lines 1 to 2"),
    "comments below": (TEXT + "# end\n", "lab.csv", FLAGS, ""),
    "commented header": ("# " + TEXT.replace(",", " "), "lab.txt", FLAGS, "separated by blanks"),
    "title and rule": ("\nPosition \n======== \n" + TEXT, "lab.csv", FLAGS, "above the header: lines 1 to 3"),
    "separator named in quotes": ('"SEP=;"\n' + csv_of(LAB, ";"), "lab.csv", FLAGS, "separated by ';'"),
    "separator named": ("sep=;\n" + csv_of(LAB, ";"), "lab.csv", FLAGS, "separated by ';'"),
    "bars": (csv_of(LAB, "|"), "lab.txt", FLAGS, "separated by '|'"),
    "aligned blanks": (LAB.to_string(index=False), "lab.txt", FLAGS, "separated by blanks"),
    "labels and units": (f"{HEADER}\n{TRACKMATE_LABELS}{BODY}", "lab.csv", flags(length_unit=None), "lines 2 to 4"),
    "separator at line ends": (TEXT.replace("\n", ",\n"), "lab.csv", FLAGS, ""),
    "separator at the rows' ends": (HEADER + "\n" + BODY.replace("\n", ",\n"), "lab.csv", FLAGS, ""),
    "old line ends": (TEXT.replace("\n", "\r"), "lab.csv", FLAGS, ""),
    "line break in a name": (
        TEXT.replace(",d,", ',"E-P\ndistance (\u00b5m)",'), "lab.csv", flags(distance="E-P distance (\u00b5m)"), ""),
    "unit by the column's name": (
        csv_of(LAB.rename(columns={"d": "ep_um"})), "lab.csv", flags(distance="ep_um", length_unit=None),
        "lengths in um"),
    "whole names with a point": (csv_of(LAB.assign(track=LAB["track"].astype(float))), "lab.csv", FLAGS, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_it_is_read_and_said(tmp_path: Path, name: str) -> None:
    content, file, given, said = READ[name]
    imported = import_tracks(write(tmp_path, content, file), **given)
    assert_is_lab(imported.track_set)
    assert said in "; ".join(imported.report.notes)


def test_names_with_commas_stand_in_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, csv_of(LAB.rename(columns={"x": "dx, um", "y": "dy, um", "z": "dz, um"})))
    given = flags(distance=None, vector='"dx, um","dy, um","dz, um"')
    assert_is_lab(read_tracks(path, **given), vector=True)
    assert_is_lab(read_tracks(path, **{**given, "vector": ["dx, um", "dy, um", "dz, um"]}), vector=True)
    with pytest.raises(InputError, match="A name with a comma goes in double quotes"):
        read_tracks(path, **{**given, "vector": "dx, um,dy, um,dz, um"})


def test_two_axes_give_the_distance_in_their_plane(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    tracks = read_tracks(path, **flags(distance=None, vector="x,y"))
    assert tracks.driver.name == "E-P distance in the x-y plane" and tracks.driver.kind == "distance"
    np.testing.assert_allclose(tracks.frames["ep_distance_nm"], 1000 * np.hypot(LAB["x"], LAB["y"]))
    table = LAB.assign(u=LAB["x"] + 1, v=LAB["y"] - 2, p=1.0, q=-2.0)
    loci = read_tracks(table, **flags(distance=None, locus1="p,q", locus2="u,v"))
    np.testing.assert_allclose(loci.frames["ep_distance_nm"], tracks.frames["ep_distance_nm"], rtol=1e-9)


@pytest.mark.parametrize("start", [0, 86_400 - 90])
def test_clock_times_may_pass_midnight(tmp_path: Path, start: int) -> None:
    clock = [f"{s // 3600 % 24:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in (LAB["t"] + start).astype(int)]
    assert_is_lab(read_tracks(LAB.assign(t=clock), **FLAGS))


def test_time_stamps_and_fractions_of_seconds() -> None:
    stamps = pd.Timestamp("2024-02-29 23:59:50") + pd.to_timedelta(LAB["t"], unit="s")
    assert_is_lab(read_tracks(LAB.assign(t=stamps.dt.strftime("%Y-%m-%d %H:%M:%S")), **FLAGS))
    assert_is_lab(read_tracks(LAB.assign(t=pd.to_timedelta(LAB["t"] + 86_400, unit="s").astype(str)), **FLAGS))
    assert_is_lab(read_tracks(LAB.assign(t=[f"0:{s // 60:.0f}:{s % 60:04.1f}" for s in LAB["t"]]), **FLAGS))


@pytest.mark.parametrize("mark", ["#N/A", "-", "#DIV/0!", "missing value"])
def test_marks_of_missing_values_are_named_and_taken_by_flag(tmp_path: Path, mark: str) -> None:
    cells = LAB["ms2"].astype(str).where(LAB["frame"] != 4, mark)
    path = write(tmp_path, csv_of(LAB.assign(ms2=cells)))
    with pytest.raises(
        InputError, match=r"column 'ms2': 3 cells are not numbers; first at line 6.*--missing="
    ) as error:
        read_tracks(path, **FLAGS)
    assert mark in str(error.value)
    for given in (mark, f"ms2={mark}"):
        tracks = read_tracks(path, missing=given, **FLAGS)
        assert tracks.frames["frame"].tolist() == [frame for frame in LAB["frame"] if frame != 4]
    with pytest.raises(InputError, match="3 cells are not numbers"):
        read_tracks(path, missing=f"d={mark}", **FLAGS)


@pytest.mark.parametrize("mark", ["None", "-1", "nan", "", "NaN", "NA", "-1.0", "null"])
def test_spots_outside_of_tracks_are_left_out_and_counted(tmp_path: Path, mark: str) -> None:
    spots = LAB.iloc[:12].assign(track=mark)
    imported = import_tracks(write(tmp_path, csv_of(pd.concat([spots.iloc[:5], LAB, spots.iloc[5:]]))), **FLAGS)
    assert_is_lab(imported.track_set)
    assert (imported.report.outside, imported.report.rows) == (12, len(LAB) + 12)
    assert "12 rows outside of any track" in "; ".join(imported.report.notes)


def test_a_track_may_be_called_minus_one_among_other_negative_names() -> None:
    table = LAB.assign(track=-LAB["track"])
    assert set(read_tracks(table, **FLAGS).frames["track_id"]) == {"0", "-1", "-2"}


def test_spellings_of_a_group_are_one_group() -> None:
    embryo = LAB["track"].map({0: "Embryo1", 1: "embryo1 ", 2: "Zoe\u0308"})
    table = pd.concat([LAB.assign(e=embryo), LAB.assign(e="\u00a0Zo\u00eb", track=9)]).query("frame < 99")
    table = table.drop_duplicates(["track", "frame"])
    imported = import_tracks(table, **{**FLAGS, "track": ["e", "track"], "group": "e"})
    assert imported.track_set.frames["group"].nunique() == 2
    assert imported.track_set.frames["track_id"].nunique() == 4
    said = "; ".join(imported.report.notes)
    assert "groups 'Embryo1' and 'embryo1' are taken for one" in said and "are one name, 'Zo\u00eb'" in said


def test_tracks_that_differ_in_case_stay_apart_and_are_named() -> None:
    imported = import_tracks(LAB.assign(track=LAB["track"].map({0: "a", 1: "A", 2: "b"})), **FLAGS)
    assert imported.report.tracks == 3
    assert "tracks 'a' and 'A' differ in blanks or case alone, and stay apart" in imported.report.notes


def test_a_column_a_track_with_signals_in_a_second_file_or_sheet(tmp_path: Path) -> None:
    wide = {name: LAB.pivot(index="t", columns="track", values=name).add_prefix("cell_").reset_index()
            for name in ("d", "ms2")}  # fmt: skip
    first, second = (write(tmp_path, csv_of(wide[name]), f"{name}.csv") for name in ("d", "ms2"))
    names = ["cell_0", "cell_1", "cell_2"]
    given = {"wide": "distance", "time": "t", "length_unit": "um"}
    assert_is_lab(read_tracks(first, second=second, **given), names=names)
    assert_is_lab(read_tracks(first, **given), signal=False, names=names)
    with pd.ExcelWriter(tmp_path / "both.xlsx") as book:
        for name, sheet in (("d", "distance"), ("ms2", "signal")):
            wide[name].to_excel(book, sheet_name=sheet, index=False)
    tracks = read_tracks(tmp_path / "both.xlsx", sheet="distance", second_sheet="signal", **given)
    assert_is_lab(tracks, names=names)
    with pytest.raises(InputError, match="If each of these is a track, give --wide distance") as error:
        read_tracks(first, **FLAGS)
    assert "did you mean" not in str(error.value)


def test_a_second_long_table_is_joined_by_track_and_time(tmp_path: Path) -> None:
    first = write(tmp_path, csv_of(LAB.drop(columns="ms2")))
    shuffled = LAB[["t", "track", "ms2"]].sample(frac=1, random_state=1)
    assert_is_lab(read_tracks(first, second=write(tmp_path, csv_of(shuffled), "s.csv"), **FLAGS))
    second = write(tmp_path, csv_of(shuffled[shuffled["track"] != 1]), "s.csv")
    imported = import_tracks(first, second=second, **FLAGS)
    assert (imported.report.tracks, imported.report.without_signal) == (2, 12)
    loci = read_tracks(first, second=first, **flags(distance=None, signal=None, locus1="x,y,z", locus2="x_2,y_2,z_2",
                                                     accept=["length-unit", "zero-distances"]))  # fmt: skip
    assert (loci.frames["ep_distance_nm"] == 0).all()


def test_movies_with_intervals_of_their_own_and_pauses() -> None:
    intervals = {0: 20.0, 1: 20.31, 2: 20.74}
    frame = np.arange(200)
    parts = [
        pd.DataFrame({"track": k, "t": (frame * s).round(2), "d": 0.3, "ms2": 1.0 + frame})
        for k, s in intervals.items()
    ]
    imported = import_tracks(pd.concat(parts), **FLAGS)
    assert imported.track_set.frames["frame"].tolist() == [*frame] * 3
    assert "frame intervals of their own, 20 to 20.74 s" in "; ".join(imported.report.notes)
    paused = parts[0].assign(t=lambda table: table["t"] + 13.0 * (frame >= 120))
    imported = import_tracks(paused, **FLAGS)
    assert imported.track_set.frames["frame"].tolist() == [*frame]
    assert "a pause of 13 s after 2380 s, in 1 movies" in imported.report.notes
    long_pause = parts[0].assign(t=lambda table: table["t"] + 613.0 * (frame >= 120))
    assert import_tracks(long_pause, **FLAGS).track_set.frames["frame"].iloc[-1] == 199 + 30


def test_rows_of_other_intervals_are_refused() -> None:
    frame = np.arange(60)
    parts = [
        pd.DataFrame({"track": k, "t": frame * s, "d": 0.3, "ms2": 1.0 + frame}) for k, s in enumerate((20.0, 33.0))
    ]
    with pytest.raises(InputError, match="times are not on a grid of 20 s"):
        read_tracks(pd.concat(parts), **FLAGS)


def test_what_was_understood_is_in_numbers() -> None:
    from contactlens.tracks.data.importing.understood import understand

    seen = understand(read_tracks(LAB[LAB["frame"] != 5], **FLAGS))
    assert (seen.interval_s, seen.duration_s, seen.tracks, seen.groups) == (INTERVAL_S, 330.0, 3, 3)
    assert (seen.missing, seen.longest_gap) == (pytest.approx(1 / 12), 1)
    kept = LAB[LAB["frame"] != 5]
    assert seen.driver == pytest.approx([1000 * kept["d"].quantile(q) for q in (0, 0.05, 0.5, 0.95, 1)])
    assert seen.signal == pytest.approx([kept["ms2"].quantile(q) for q in (0, 0.05, 0.5, 0.95, 1)])
    text = str(seen)
    assert "frame interval 30 s; longest track 5.5 min; 3 tracks in 3 groups" in text
    assert "missing frames: 8.3 %" in text and "longest gap 1 frames (30 s)" in text
