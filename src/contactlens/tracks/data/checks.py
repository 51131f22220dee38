"""Checks of a track set with Great Expectations: what must hold before anything is learned from it.

Great Expectations sees four tables: `settings` (one row: units and frame interval), `schema` (the frames as they are),
`frames` (a row per frame) and `tracks` (a row per track).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.expectations.result import CheckResult
from contactlens.expectations.run import DataAsset, Stage, check, validate
from contactlens.expectations.suite import LARGEST, Batch, Suite
from contactlens.tracks.data.config import CheckLimits
from contactlens.tracks.data.extremes import mark_of_missing
from contactlens.tracks.data.scales import scale_ratios
from contactlens.tracks.data.time_grid import from_middle, read_clock
from contactlens.tracks.data.track_set import DISTANCE_COLUMN, SIGNAL_COLUMN, VECTOR_COLUMNS, TrackSet

__all__ = ["CheckLimits", "CheckResult", "check_tracks", "validate_tracks"]

TEXT_COLUMNS = ("track_id", "group")


def check_tracks(
    track_set: TrackSet, limits: CheckLimits, file: str, data_docs: Path | str | None = None
) -> CheckResult:
    """Check every expectation and report on all; where units or columns are wrong, on those alone.

    With `data_docs`, a folder, Great Expectations' own pages are written there, whatever the outcome.
    """
    return check(_asset(track_set, file), _stages(track_set, limits), data_docs)


def validate_tracks(
    track_set: TrackSet, limits: CheckLimits, file: str, data_docs: Path | str | None = None
) -> CheckResult:
    """As `check_tracks`, but failed expectations raise one InputError, and then no Data Docs are written.

    The message names file, column, expectation, count and the first offending rows of each.
    """
    return validate(_asset(track_set, file), _stages(track_set, limits), data_docs)


def _asset(track_set: TrackSet, file: str) -> DataAsset:
    frames = track_set.frames
    tracks = frames["track_id"].nunique() if "track_id" in frames else 0
    return DataAsset("tracks", file, {"tracks": tracks, "frames": len(frames)}, ("track_id", "frame"))


def _stages(track_set: TrackSet, limits: CheckLimits) -> list[Stage]:
    """Units, columns and types first: the other checks take them for granted."""
    return [
        lambda: [_settings(track_set), _schema(track_set)],
        lambda: [_frames(track_set, limits), _tracks(track_set, limits)],
    ]


def _settings(track_set: TrackSet) -> Batch:
    driver = track_set.driver
    row = {"driver_unit": driver.unit, "frame_interval_s": track_set.frame_interval_s}
    suite = Suite()
    if driver.kind == "scalar":
        suite.named("driver_unit")
    else:
        what = "separations are in nm"
        suite.expect("ExpectColumnValuesToBeInSet", what, column="driver_unit", value_set=["nm"])
    suite.number("frame_interval_s", "the frame interval is positive", float(np.finfo("float64").tiny), LARGEST)
    if track_set.has_signal:
        row["signal_unit"] = track_set.signal_unit
        suite.named("signal_unit")
    return Batch("settings", pd.DataFrame([row]), suite.expectations)


def _schema(track_set: TrackSet) -> Batch:
    table = track_set.frames.reset_index(drop=True)
    suite = Suite()
    name, what = "ExpectTableColumnsToMatchOrderedList", f"the columns are {', '.join(track_set.columns)}"
    suite.expect(name, what, column_list=track_set.columns)
    for column in (name for name in track_set.columns if name in table):
        if column in TEXT_COLUMNS:
            suite.expect("ExpectColumnValuesToBeOfType", f"{column} is text", column=column, type_="str")
        else:
            types = ["int64", "int32"] if column == "frame" else ["float64", "float32"]
            what = f"{column} is {types[0]}"
            suite.expect("ExpectColumnValuesToBeInTypeList", what, column=column, type_list=types)
    suite.expect("ExpectTableRowCountToBeBetween", "there is at least one frame", min_value=1)
    return Batch("schema", table, suite.expectations)


def _frames(track_set: TrackSet, limits: CheckLimits) -> Batch:
    suite = Suite()
    suite.expect("ExpectColumnValuesToNotBeNull", "every frame belongs to a track", column="track_id")
    key = ["track_id", "frame"]
    suite.expect("ExpectCompoundColumnsToBeUnique", "a track has each frame once", column_list=key)
    suite.between("frame", "frames count from 0", 0, None)
    suite.number("time_s", "time is finite", -LARGEST, LARGEST)
    suite.between("time_step_s", "time increases from row to row of a track", 0, None, strict_min=True)
    jitter = limits.max_time_jitter_fraction
    suite.between("grid_offset_frames", f"times lie within {jitter:g} frames of the grid", 0, jitter)
    _expect_driver(suite, track_set, limits)
    if track_set.has_signal:
        low, high = limits.signal_range or (-LARGEST, LARGEST)
        suite.number(SIGNAL_COLUMN, _within("the signal", low, high, track_set.signal_unit), low, high)
        share = limits.max_saturated_fraction
        what = f"at most {100 * share:g} % of frames are at the largest signal (saturation)"
        suite.between("below_saturation", what, 0, None, strict_min=True, mostly=1 - share)
        what = "no exact signal stands far from all others, as marks of missing values do"
        suite.between("signal_is_mark", what, None, 0)
    return Batch("frames", _frames_table(track_set, limits), suite.expectations)


def _expect_driver(suite: Suite, track_set: TrackSet, limits: CheckLimits) -> None:
    driver = track_set.driver
    if driver.kind == "scalar":
        low, high = limits.driver_range or (-LARGEST, LARGEST)
        suite.number(driver.gate_column, _within(driver.name, low, high, driver.unit), low, high)
        return
    longest = limits.max_distance_nm
    suite.number(DISTANCE_COLUMN, f"the distance is between 0 and {longest:g} nm", 0, longest)
    share = limits.max_zero_distance_fraction
    what = f"at most {100 * share:g} % of distances are exactly 0"
    suite.between("distance_is_zero", what, None, 0, mostly=1 - share)
    if driver.kind == "vector":
        for column in VECTOR_COLUMNS:
            suite.number(column, f"no component is longer than {longest:g} nm", -longest, longest)
        tolerance = limits.distance_tolerance_nm
        what = f"the distance is the norm of the vector within {tolerance:g} nm"
        suite.between("distance_error_nm", what, 0, tolerance)


def _tracks(track_set: TrackSet, limits: CheckLimits) -> Batch:
    suite = Suite()
    suite.named("track_id")
    suite.named("group")
    suite.between("groups", "a track belongs to one group", None, 1)
    fewest = limits.min_frames_per_track
    suite.between(
        "frames",
        f"a track has at least {fewest} frames (tracks.checks.min_frames_per_track; of a prediction --min-frames)",
        fewest,
        None,
    )
    share = limits.max_missing_fraction
    what = f"at least half of the tracks miss at most {100 * share:g} % of their frames"
    suite.between("missing_fraction", what, None, share, mostly=0.5)
    if track_set.driver.kind != "scalar":
        shortest, ratio = limits.min_median_distance_nm, limits.max_scale_ratio
        what = f"the median distance of at least half of the tracks exceeds {shortest:g} nm"
        suite.between("median_distance_nm", what, shortest, None, mostly=0.5)
        what = f"no group's median distance is {ratio:g} times smaller than that of the middle group"
        suite.between("group_scale_ratio", what, None, ratio)
    if track_set.has_signal:
        share = limits.max_dead_fraction
        what = f"at most {100 * share:g} % of tracks have a constant (dead) signal"
        suite.between("signal_span", what, 0, None, strict_min=True, mostly=1 - share)
    return Batch("tracks", _tracks_table(track_set), suite.expectations)


def _frames_table(track_set: TrackSet, limits: CheckLimits) -> pd.DataFrame:
    table = track_set.frames.reset_index(drop=True)
    track = pd.Series(pd.factorize(table["track_id"])[0])
    clock = read_clock(track, table["group"], table["time_s"], track_set.frame_interval_s)
    position = clock.position - table["frame"]
    with np.errstate(invalid="ignore"):  # inf - inf: infinite values have an expectation of their own
        table["time_step_s"] = table["time_s"].groupby(track).diff()
        table["grid_offset_frames"] = np.abs(from_middle(track, position))
        if track_set.driver.kind != "scalar":
            table["distance_is_zero"] = (table[DISTANCE_COLUMN] == 0).astype("int64")
        if track_set.driver.kind == "vector":
            norm = np.linalg.norm(table[VECTOR_COLUMNS].to_numpy(), axis=1)
            table["distance_error_nm"] = (table[DISTANCE_COLUMN] - norm).abs()
        if track_set.has_signal:
            signal = table[SIGNAL_COLUMN]
            table["below_saturation"] = signal.max() - signal
            low, high = limits.signal_range or (-LARGEST, LARGEST)
            mark = mark_of_missing(signal[signal.between(low, high)].to_numpy())
            table["signal_is_mark"] = (signal == mark).astype("int64")
    return table


def _tracks_table(track_set: TrackSet) -> pd.DataFrame:
    tracks = track_set.frames.groupby("track_id", sort=False)
    table = tracks.agg(group=("group", "first"), groups=("group", "nunique"), frames=("frame", "size"))
    table["missing_fraction"] = 1 - table["frames"] / (tracks["frame"].max() - tracks["frame"].min() + 1)
    if track_set.driver.kind != "scalar":
        table["median_distance_nm"] = tracks[DISTANCE_COLUMN].median()
        table["group_scale_ratio"] = table["group"].map(scale_ratios(track_set.frames)).fillna(1.0)
    if track_set.has_signal:
        signal = tracks[SIGNAL_COLUMN]
        table["signal_span"] = signal.max() - signal.min()
    return table.reset_index()


def _within(name: str, low: float, high: float, unit: str | None) -> str:
    return f"{name} is finite" if low == -LARGEST else f"{name} is between {low:g} and {high:g} {unit}"
