"""Long tables of any lab become tracks in nm and s, with gaps and unequal lengths kept as they are."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from track_inputs import KNIRPS, YEAST

from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.track_set import TrackSet
from reference_files import both

DISTANCE = ColumnMapping(track=["cell"], time="t", time_unit="s", distance="d", length_unit="nm", signal="y")


def write(folder: Path, text: str, name: str = "tracks.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_gaps_unequal_lengths_and_missing_values(tmp_path: Path) -> None:
    rows = "a,0,10,1\na,30,11,2\na,90,12,3\nb,600,20,4\nb,630,,5\nb,660,22,\nb,690,23,7\nc,0,,1\nc,30,1,\n"
    path = write(tmp_path, "cell,t,d,y\n" + rows)
    tracks, report = import_table(path, DISTANCE)
    assert tracks.frames["track_id"].tolist() == ["a", "a", "a", "b", "b"]
    assert tracks.frames["frame"].tolist() == [0, 1, 3, 0, 3]
    assert tracks.frames["time_s"].tolist() == [0, 30, 90, 600, 690]
    assert tracks.frames["ms2"].tolist() == [1, 2, 3, 4, 7]
    assert tracks.frame_interval_s == 30
    assert (report.rows, report.without_driver, report.without_signal) == (9, 2, 2)
    assert (report.tracks, report.frames, report.lost_tracks) == (2, 5, 1)
    assert tracks.source == "tracks.csv"


@pytest.mark.parametrize(
    ("separator", "name"),
    [(",", "x.csv"), ("\t", "x.tsv"), ("\t", "x.txt"), (";", "x.csv"), (",", "x.csv.gz"), ("", "x.parquet")],
)
def test_every_kind_of_file_gives_the_same_tracks(tmp_path: Path, separator: str, name: str) -> None:
    table = pd.DataFrame({"cell": ["007", "007", "8"], "t": [0, 20, 0], "d": [1.5, np.nan, 2.5], "y": [1, 2, 3]})
    path = tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path)
    elif name.endswith("gz"):
        path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    else:
        path.write_text("\ufeff" + table.to_csv(index=False, sep=separator))
    tracks, _ = import_table(path, DISTANCE)
    assert tracks.frames["track_id"].tolist() == ["007", "8"]
    assert tracks.frames["ep_distance_nm"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(("unit", "seconds"), [("ms", 0.001), ("s", 1.0), ("min", 60.0), ("h", 3600.0)])
def test_time_units(tmp_path: Path, unit: str, seconds: float) -> None:
    path = write(tmp_path, "cell,t,d,y\na,1,1,1\na,3,1,1\na,4,1,1\n")
    tracks, _ = import_table(path, replace(DISTANCE, time_unit=unit))
    assert tracks.frame_interval_s == pytest.approx(seconds)
    assert tracks.frames["time_s"].to_numpy() == pytest.approx(np.array([1, 3, 4]) * seconds)
    assert tracks.frames["frame"].tolist() == [0, 2, 3]


def test_frame_numbers_need_an_interval_and_give_seconds(tmp_path: Path) -> None:
    path = write(tmp_path, "cell,t,d,y\na,5,1,1\na,7,1,1\n")
    tracks, _ = import_table(path, replace(DISTANCE, time_unit="frame"), frame_interval_s=20)
    assert tracks.frames["time_s"].tolist() == [100, 140]
    assert tracks.frames["frame"].tolist() == [0, 2]


LENGTHS = [("nm", 1), ("um", 1000), ("\u00b5m", 1000), ("\u03bcm", 1000), ("angstrom", 0.1)]


@pytest.mark.parametrize(("unit", "nm"), LENGTHS)
def test_length_units(tmp_path: Path, unit: str, nm: float) -> None:
    path = write(tmp_path, "cell,t,d,y\na,0,2,1\na,1,4,1\n")
    tracks, _ = import_table(path, replace(DISTANCE, length_unit=unit))
    assert tracks.frames["ep_distance_nm"].to_numpy() == pytest.approx([2 * nm, 4 * nm])


@pytest.mark.parametrize(("merged", "frames"), [("missing", [0, 3]), ("zero", [0, 1, 3])])
def test_two_loci_give_their_difference(tmp_path: Path, merged: str, frames: list[int]) -> None:
    # Row 2: one spot. Row 3: locus 2 half located, which is missing either way.
    rows = "a,0,1,1,1,4,5,1\na,10,1,1,1,,,\na,20,1,1,1,2,,2\na,30,0,0,0,0,0,-2\n"
    path = write(tmp_path, "cell,t,x1,y1,z1,x2,y2,z2\n" + rows)
    mapping = replace(DISTANCE, distance=None, signal=None, length_unit="um", merged=merged)
    mapping = replace(mapping, locus1=["x1", "y1", "z1"], locus2=["x2", "y2", "z2"])
    tracks, report = import_table(path, mapping)
    assert tracks.frames["frame"].tolist() == frames
    assert report.merged == 1
    by_frame = tracks.frames.set_index("frame")
    assert by_frame.loc[0, ["ep_x_nm", "ep_y_nm", "ep_z_nm", "ep_distance_nm"]].tolist() == [
        3000,
        4000,
        0,
        5000,
    ]
    assert by_frame.loc[3, "ep_z_nm"] == -2000
    assert not tracks.has_signal
    if merged == "zero":
        assert by_frame.loc[1, "ep_distance_nm"] == 0


def test_vector_and_scalar_drivers(tmp_path: Path) -> None:
    path = write(tmp_path, "cell,t,x,y,z\na,0,1,2,2\na,1,0,3,4\n")
    plain = replace(DISTANCE, distance=None, signal=None)
    vector, _ = import_table(path, replace(plain, vector=["x", "y", "z"]))
    assert vector.frames["ep_distance_nm"].tolist() == [3, 5]
    scalar, _ = import_table(path, replace(plain, scalar="y", driver_unit="nM", length_unit=None))
    assert scalar.frames["driver"].tolist() == [2, 3]
    assert (scalar.driver.name, scalar.driver.unit, scalar.driver.gate_column) == ("y", "nM", "driver")


def test_composite_tracks_and_groups(tmp_path: Path) -> None:
    path = write(tmp_path, "embryo,cell,t,d,y\n1,a,0,1,1\n1,a,1,1,1\n2,a,0,1,1\nNA,a,0,1,1\n")
    tracks, _ = import_table(path, replace(DISTANCE, track=["embryo", "cell"], group=["embryo"]))
    assert sorted(set(tracks.frames["track_id"])) == ["1_a", "2_a", "NA_a"]
    assert sorted(set(tracks.frames["group"])) == ["1", "2", "NA"]
    alone, _ = import_table(path, replace(DISTANCE, track=["embryo", "cell"]))
    assert (alone.frames["group"] == alone.frames["track_id"]).all()


def test_jittered_times_find_their_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = np.concatenate([np.sort(rng.choice(200, size=120, replace=False)) for _ in range(5)])
    time = frame * 27.3 + rng.uniform(-1.5, 1.5, size=frame.size) + 1000
    table = pd.DataFrame({"cell": np.repeat(list("abcde"), 120), "t": time, "d": 1.0, "y": 1.0})
    path = tmp_path / "jitter.parquet"
    table.to_parquet(path)
    tracks, _ = import_table(path, DISTANCE)
    assert tracks.frame_interval_s == pytest.approx(27.3, rel=2e-3)
    start = pd.Series(frame).groupby(table["cell"]).transform("min")
    assert tracks.frames["frame"].tolist() == (frame - start).tolist()


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, float]:
    interval = draw(st.sampled_from([0.5, 20.0, 30.0, 61.7]))
    number = st.one_of(st.none(), st.floats(0, 1e4, allow_subnormal=False))
    parts = []
    for name in draw(st.lists(st.text("abc01", min_size=1, max_size=3), min_size=1, max_size=5, unique=True)):
        frames = draw(st.lists(st.integers(0, 60), min_size=1, max_size=15, unique=True))
        values = [(draw(number), draw(number)) for _ in frames]
        parts.append(pd.DataFrame(values, columns=["d", "y"], dtype=float).assign(cell=name, frame=frames))
    table = pd.concat([*parts, pd.DataFrame({"cell": ["zz"], "frame": [0], "d": [1.0], "y": [2.0]})])
    return table.sample(frac=1, random_state=draw(st.integers(0, 9))), interval


@settings(max_examples=60)
@given(drawn=tables())
def test_round_trip_through_import_and_parquet(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[pd.DataFrame, float]
) -> None:
    table, interval = drawn
    folder = tmp_path_factory.mktemp("round")
    table.assign(t=table["frame"] * interval).to_csv(folder / "tracks.csv", index=False)
    tracks, report = import_table(folder / "tracks.csv", DISTANCE, frame_interval_s=interval)
    tracks.write(folder / "set")
    back = TrackSet.read(folder / "set")

    start = table.groupby("cell")["frame"].transform("min")
    expected = table.assign(frame=table["frame"] - start, t=table["frame"] * interval).dropna()
    expected = expected.sort_values(["cell", "frame"])
    assert back.frames["track_id"].tolist() == expected["cell"].tolist()
    assert back.frames["frame"].tolist() == expected["frame"].tolist()
    for column, original in (("time_s", "t"), ("ep_distance_nm", "d"), ("ms2", "y")):
        assert back.frames[column].to_numpy() == pytest.approx(expected[original].to_numpy(), rel=1e-12)
    assert report.frames + report.without_driver + report.without_signal == report.rows == len(table)
    pd.testing.assert_frame_equal(back.frames, tracks.frames)
    assert (back.driver, back.frame_interval_s, back.signal_unit) == (tracks.driver, interval, "a.u.")


@pytest.mark.parametrize("path", both("data/knirps_ms2.csv.gz"))
def test_knirps(path: Path) -> None:
    tracks, report = import_table(path, KNIRPS)
    nuclei = len(pd.read_csv(path)[["embryo", "nucleus"]].drop_duplicates())
    assert nuclei in (18, 503)
    assert (report.tracks, report.frames, report.rows) == (nuclei, nuclei * 121, nuclei * 121)
    assert tracks.frames["group"].nunique() == 9
    assert tracks.frame_interval_s == 20
    assert (tracks.driver.name, tracks.driver.unit, tracks.signal_unit) == ("knirps_au", "a.u.", "a.u.")


@pytest.mark.parametrize("path", both("data/yeast_two_locus.csv.gz"))
def test_yeast(path: Path) -> None:
    tracks, report = import_table(path, YEAST)
    raw = pd.read_csv(path)
    both_seen = raw[["X1", "X2"]].notna().all(axis=1)
    assert (report.rows, report.frames) == (len(raw), both_seen.sum())
    assert report.merged == (raw["X1"].notna() & raw["X2"].isna()).sum()
    cells = [raw[own].groupby(list(YEAST.track)).ngroups for own in (both_seen, raw["tp.s"] >= 0)]
    assert (report.tracks, report.lost_tracks, tracks.frame_interval_s) == (cells[0], cells[1] - cells[0], 30)
    assert cells in ([174, 224], [5_816, 7_339])
    length = np.sqrt(sum((raw[f"{axis}1"] - raw[f"{axis}2"]) ** 2 for axis in "XYZ"))[both_seen] * 1000
    assert tracks.frames["ep_distance_nm"].sum() == pytest.approx(length.sum())
    zero, _ = import_table(path, replace(YEAST, merged="zero"))
    assert len(zero.frames) == report.frames + report.merged
