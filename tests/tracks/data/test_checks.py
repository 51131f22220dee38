"""Each fault in a track set fails the expectation made for it, with count and rows, and nothing else."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from track_inputs import DRIVERS, KNIRPS, LIMITS, YEAST, track_set

from contactlens.base.errors import InputError
from contactlens.tracks.data.checks import CheckResult, check_tracks, validate_tracks
from contactlens.tracks.data.config import CheckLimits
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.track_set import TrackSet
from reference_files import both

Fault = Callable[[pd.DataFrame], pd.DataFrame]


def failures(result: CheckResult) -> dict[tuple[str, str], tuple[int, list]]:
    """(column, expectation without its prefix) -> count and examples."""
    return {
        (one.column, one.expectation.removeprefix("expect_").removeprefix("column_values_to_")): (
            one.count,
            one.examples,
        )
        for one in result.results
        if not one.success
    }


def put(column: str, rows: list[int], value: object) -> Fault:
    def fault(frames: pd.DataFrame) -> pd.DataFrame:
        frames.loc[rows, column] = value
        return frames

    return fault


def stretch(frames: pd.DataFrame) -> pd.DataFrame:
    """Vector and distance of one frame, together, 100-fold."""
    columns = ["ep_x_nm", "ep_y_nm", "ep_z_nm", "ep_distance_nm"]
    frames.loc[20, columns] = [0.0, 0.0, -9000.0, 9000.0]
    return frames


def repeat(frames: pd.DataFrame) -> pd.DataFrame:
    return frames.loc[[*range(31), 30, *range(31, len(frames))]]


def dead(frames: pd.DataFrame) -> pd.DataFrame:
    frames.loc[frames["track_id"].isin(["t1", "t3", "t5"]), "ms2"] = 0.0
    return frames


def saturated(frames: pd.DataFrame) -> pd.DataFrame:
    frames["ms2"] = frames["ms2"].clip(upper=frames["ms2"].quantile(0.8))
    return frames


FAULTS: dict[str, tuple[Fault, dict[tuple[str, str], int]]] = {
    "nan signal": (put("ms2", [3, 4], np.nan), {("ms2", "not_be_null"): 2}),
    "infinite signal": (put("ms2", [3], np.inf), {("ms2", "be_between"): 1}),
    "signal out of range": (put("ms2", [3, 9], -500.0), {("ms2", "be_between"): 2}),
    "nan component": (put("ep_y_nm", [3], np.nan), {("ep_y_nm", "not_be_null"): 1}),
    "distance too long": (stretch, {("ep_distance_nm", "be_between"): 1, ("ep_z_nm", "be_between"): 1}),
    "distance not the norm": (put("ep_distance_nm", [7], 2500.0), {("distance_error_nm", "be_between"): 1}),
    "repeated frame": (
        repeat,
        {("track_id, frame", "compound_columns_to_be_unique"): 2, ("time_step_s", "be_between"): 1},
    ),
    "time off the grid": (put("time_s", [5], 160.0), {("grid_offset_frames", "be_between"): 1}),
    "time backwards": (
        put("time_s", [5], 15.0),
        {("grid_offset_frames", "be_between"): 1, ("time_step_s", "be_between"): 1},
    ),
    "nan time": (put("time_s", [5], np.nan), {("time_s", "not_be_null"): 1}),
    "negative frame": (
        lambda frames: frames.assign(frame=frames["frame"] - 1),
        {("frame", "be_between"): 8},
    ),
    "blank group": (put("group", list(range(12)), " "), {("group", "match_regex"): 1}),
    "no group": (put("group", list(range(12)), None), {("group", "not_be_null"): 1}),
    "two groups": (put("group", [3], "other"), {("groups", "be_between"): 1}),
    "blank track": (put("track_id", list(range(12)), ""), {("track_id", "match_regex"): 1}),
    "no track": (put("track_id", [4], None), {("track_id", "not_be_null"): 1}),
    "short track": (lambda frames: frames.drop(range(1, 10)), {("frames", "be_between"): 1}),
    "dead signals": (dead, {("signal_span", "be_between"): 3}),
    "saturated signal": (saturated, {("below_saturation", "be_between"): 20}),
    "column missing": (
        lambda frames: frames.drop(columns="ep_x_nm"),
        {(", ".join(track_set().columns), "table_columns_to_match_ordered_list"): 1},
    ),
    "wrong type": (lambda frames: frames.astype({"frame": float}), {("frame", "be_in_type_list"): 1}),
    "text for numbers": (lambda frames: frames.astype({"ms2": str}), {("ms2", "be_in_type_list"): 1}),
    "no frames": (lambda frames: frames.iloc[:0], {("", "table_row_count_to_be_between"): 1}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_fails_its_own_expectation(name: str) -> None:
    fault, expected = FAULTS[name]
    good = track_set()
    result = check_tracks(replace(good, frames=fault(good.frames.copy())), LIMITS, "tracks")
    assert {key: count for key, (count, _) in failures(result).items()} == expected


@pytest.mark.parametrize("kind", ["vector", "distance", "scalar"])
@pytest.mark.parametrize("signal", [True, False])
def test_sound_tracks_pass(kind: str, signal: bool) -> None:
    good = track_set(kind, signal=signal)
    result = validate_tracks(good, LIMITS, "tracks")
    assert result.success and result.counts == {"tracks": 8, "frames": 96}
    gapped = replace(good, frames=good.frames.drop([3, 4, 17]).reset_index(drop=True))
    assert check_tracks(gapped, LIMITS, "tracks").success


def test_scalar_drivers_keep_to_their_own_range() -> None:
    tracks = track_set("scalar")
    tracks.frames.loc[[2, 50], "driver"] = [5000.0, np.inf]
    assert failures(check_tracks(tracks, LIMITS, "x"))[("driver", "be_between")][0] == 2
    unlimited = replace(LIMITS, driver_range=None)
    assert failures(check_tracks(tracks, unlimited, "x"))[("driver", "be_between")][0] == 1


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"driver": replace(DRIVERS["vector"], unit="um")}, "driver_unit"),
        ({"frame_interval_s": 0.0}, "frame_interval_s"),
        ({"signal_unit": " "}, "signal_unit"),
    ],
)
def test_settings(change: dict, column: str) -> None:
    (failed,) = failures(check_tracks(replace(track_set(), **change), LIMITS, "x"))
    assert failed[0] == column


def test_the_message_names_file_column_expectation_count_and_rows() -> None:
    tracks = track_set()
    tracks.frames.loc[[5, 14, 15, 40], "ms2"] = [np.inf, 2000.0, 3000.0, np.inf]
    tracks.frames.loc[30, "ep_distance_nm"] = -1.0
    with pytest.raises(InputError) as error:
        validate_tracks(tracks, LIMITS, "lab/tracks")
    lines = str(error.value).splitlines()
    assert lines[0].startswith("lab/tracks: 3 of ")
    line = next(line for line in lines if "'ms2'" in line)
    assert "expect_column_values_to_be_between" in line
    assert "4 offending (4.17 %)" in line
    assert "track_id t0, frame 5, value inf; track_id t1, frame 2, value 2000.0; track_id t1, frame 3" in line
    assert "track_id t2, frame 6, value -1.0" in "\n".join(lines)


def test_result_and_data_docs_have_the_same_bytes_every_time(tmp_path: Path) -> None:
    def write(folder: Path, tracks: TrackSet) -> dict[str, bytes]:
        check_tracks(tracks, LIMITS, "data/tracks", folder / "docs").write(folder / "validation.json")
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    broken = track_set()
    broken.frames.loc[3, "ms2"] = np.nan
    for tracks in (track_set(), broken):
        first, second = write(tmp_path / "a", tracks), write(tmp_path / "b", tracks)
        assert first == second
    pages = {f"docs/{name}.html" for name in ("index", "settings", "schema", "frames", "tracks")}
    assert set(first) == {"validation.json", *pages}
    text = b"".join(first.values()).decode()
    for hidden in (str(tmp_path), str(Path.cwd()), str(Path.home()) + "/", time.strftime("%Y-%m")):
        assert hidden not in text
    assert "FAILED: ms2 is nowhere NaN" in first["docs/index.html"].decode()
    assert "distance_error_nm" in first["docs/frames.html"].decode()
    content = json.loads(first["validation.json"])
    assert not content["success"] and len(first["validation.json"]) < 25_000
    (failed,) = (one for one in content["results"] if not one["success"])
    assert failed["examples"] == [{"track_id": "t0", "frame": 3, "value": "nan"}]


def test_failed_validation_leaves_no_data_docs(tmp_path: Path) -> None:
    broken = track_set()
    broken.frames.loc[3, "ms2"] = np.nan
    with pytest.raises(InputError):
        validate_tracks(broken, LIMITS, "x", tmp_path / "docs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", both("data/knirps_ms2.csv.gz"))
def test_knirps_is_sound(path: Path) -> None:
    tracks = import_table(path, KNIRPS).track_set
    limits = CheckLimits(1.0, (0.0, 30.0), (0.0, 2e6), 20, 0.1, 1.0, 0.2, 0.001)
    result = validate_tracks(tracks, limits, "knirps")
    raw = pd.read_csv(path)
    nuclei = raw[["embryo", "nucleus"]].drop_duplicates()
    assert result.counts == {"tracks": len(nuclei), "frames": len(raw)}
    assert result.counts in ({"tracks": 18, "frames": 2_178}, {"tracks": 503, "frames": 60_863})


@pytest.mark.parametrize("path", both("data/yeast_two_locus.csv.gz"))
def test_yeast_is_sound(path: Path) -> None:
    tracks = import_table(path, YEAST).track_set
    limits = CheckLimits(3000.0, None, None, 1, 0.1, 1e-6, 0.0, 0.0)
    raw = pd.read_csv(path)
    tracked = raw[raw[["X1", "X2"]].notna().all(axis=1)].groupby(list(YEAST.track), dropna=False).ngroups
    assert validate_tracks(tracks, limits, "yeast").counts["tracks"] == tracked and tracked in (174, 5_816)


@pytest.mark.slow
def test_600_000_rows_in_15_seconds_even_where_all_are_wrong() -> None:
    check_tracks(track_set(), LIMITS, "imports Great Expectations")
    tracks = track_set(tracks=1000, frames=600)
    tracks.frames["ms2"] -= 1e6
    start = time.perf_counter()
    result = check_tracks(tracks, LIMITS, "x")
    assert failures(result)[("ms2", "be_between")][0] == 600_000
    assert time.perf_counter() - start < 15
