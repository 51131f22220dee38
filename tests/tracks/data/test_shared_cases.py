"""The layouts of public bug reports and exports: each is read with the right value, or refused with the way out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lab_tables import FLAGS, shared_case

from contactlens.base.errors import InputError
from contactlens.tracks.data.checks import check_tracks
from contactlens.tracks.data.config import CheckLimits
from contactlens.tracks.data.importing.read import import_tracks

NM = {**FLAGS, "length_unit": "nm"}
MICRO = {**FLAGS, "distance": "distance (\u00b5m)"}
XYZ = "POSITION_X,POSITION_Y,POSITION_Z"
SPOTS = {"track": "TRACK_ID", "time": "POSITION_T", "length_unit": "um", "signal": "MEAN_INTENSITY_CH1"}
IMARIS = {"track": "TrackID", "time": "Time", "vector": "Position X,Position Y,Position Z", "length_unit": "um"}
REPORT = {"track": "cell", "time": "frame", "time_unit": "frame", "frame_interval": 30, "distance": "dist_um"}
REPORT |= {"length_unit": "um", "signal": "ms2"}
COMMAS = {"track": "Track ID", "time": "T [s]", "vector": '"dx, um","dy, um","dz, um"', "length_unit": "um"}
FRAMES = {"time_unit": "frame", "frame_interval": 30}


def without(flags: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**flags, **changes}.items() if name not in names}


# The six tracks of 60 frames that most of the files hold, in as many disguises.
SAME: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "spots outside of tracks": [
        ("all_spots.csv", {**SPOTS, "distance": "DIST_TO_CH2"}), ("label_minus1.csv", FLAGS)],
    "names": [("embryos.csv", {**FLAGS, "track": "embryo,nucleus", "group": "embryo"})],
    "units and times": [
        ("micrometres.csv", FLAGS), ("minutes.csv", {**FLAGS, "time": "time_min", "time_unit": "min"}),
        ("frames.csv", {**FLAGS, "time": "frame", **FRAMES}), ("header_only_kept.csv", {**IMARIS, **FRAMES}),
        ("header_only_kept.csv", {"preset": "imaris", "frame_interval": 30}), ("seconds_as_frames.csv", FLAGS),
        ("hms.csv", {**FLAGS, "time": "time"})],
    "headers": [
        ("movie1_spots.csv", {**SPOTS, "vector": XYZ}),
        ("movie1_spots.csv", {"preset": "trackmate", "signal": "MEAN_INTENSITY_CH1"}),
        ("E-P_Position.csv", {**IMARIS, **FRAMES}), ("E-P_Position.csv", {"preset": "imaris", "frame_interval": 30}),
        ("preamble.csv", FLAGS), ("sep_line.csv", FLAGS)],
    "encodings": [
        ("excel_de.csv", FLAGS), ("excel_unicode.txt", MICRO), ("excel_ansi.csv", MICRO), ("TRACKS.CSV", FLAGS)],
    "columns": [
        ("comma_names.csv", {**COMMAS, "signal": "ms2"}),
        ("line_break_name.csv", {**FLAGS, "distance": "E-P distance (\u00b5m)"}),
        ("distances_wide.csv", {"wide": "distance", "time": "t", "length_unit": "um"}),
        ("xy.csv", without(FLAGS, "distance", vector="x,y"))],
}  # fmt: skip


@pytest.fixture(scope="module")
def right() -> pd.DataFrame:
    """The plain table's own numbers, by pandas alone."""
    return pd.read_csv(shared_case("TRACKS.CSV"))


@pytest.mark.parametrize(("name", "flags"), [case for cases in SAME.values() for case in cases])
def test_it_is_read_rightly(right: pd.DataFrame, name: str, flags: dict[str, Any]) -> None:
    imported = import_tracks(shared_case(name), **flags)
    tracks = imported.track_set
    assert (imported.report.tracks, imported.report.frames, tracks.frame_interval_s) == (6, 360, pytest.approx(30))
    frames = tracks.frames.sort_values(["track_id", "frame"], ignore_index=True)
    assert frames["frame"].tolist() == [*range(60)] * 6
    assert frames["time_s"].tolist() == (30 * frames["frame"] + frames["time_s"].min()).tolist()
    distance, signal = (right[column].to_numpy().reshape(6, 60) for column in ("d", "ms2"))
    if name == "embryos.csv":  # its tracks are sorted by the embryos' names
        order = [int(track.rpartition("_")[2]) for track in frames["track_id"].drop_duplicates()]
        distance, signal = distance[order], signal[order]
        assert tracks.frames["group"].nunique() == 2
    if name == "xy.csv":
        table = pd.read_csv(shared_case(name))
        distance = np.hypot(table["x"], table["y"]).to_numpy().reshape(6, 60)
    found = frames["ep_distance_nm"].to_numpy().reshape(6, 60)
    np.testing.assert_allclose(found, 1000 * distance, atol=0.2 if tracks.driver.kind == "vector" else 1e-9)
    if tracks.has_signal:
        np.testing.assert_array_equal(frames["ms2"].to_numpy().reshape(6, 60), signal)


REFUSED: dict[tuple[str, int], tuple[dict[str, Any], tuple[str, ...]]] = {
    ("locale_report.csv", 0): (REPORT, ("decimals behind a comma", "360 of 360 distances are exactly 0")),
    ("micrometres.csv", 0): (NM, ("median distance is 0.349 nm", "give --length-unit um")),
    ("mixed_units.csv", 0): (NM, ("-fold between groups", "'m1_2'", "'m2_4'")),
    ("mixed_units.csv", 1): ({**NM, "group": "movie"}, ("1,019-fold between groups, those of 'm1' and of 'm2'",)),
    ("minutes.csv", 0): ({**FLAGS, "time": "time_min"}, ("is taken for seconds", "give --time-unit min")),
    ("minutes.csv", 1): ({**FLAGS, "time": "time_min", "time_unit": "s"}, ("was given as seconds",)),
    ("frames.csv", 0): ({**FLAGS, "time": "frame"}, ("give --time-unit frame --frame-interval SECONDS",)),
    ("header_only_kept.csv", 0): (IMARIS, ("whole numbers from 1 to 60, which may be frames",)),
    ("seconds_as_frames.csv", 0): ({**FLAGS, **FRAMES}, ("every step is a multiple of 30 frames of 30 s",)),
    ("sentinel_9999.csv", 0): (FLAGS, ("36 values are exactly -9999", "--missing=ms2=-9999")),
    ("missing_dash.csv", 0): (FLAGS, ("21 cells are not numbers", "--missing=-", "line 7 ('-')")),
    ("missing_na_excel.csv", 0): (FLAGS, ("21 cells are not numbers", "--missing='#N/A'")),
    ("missing_div0.csv", 0): (FLAGS, ("21 cells are not numbers", "--missing='#DIV/0!'")),
    ("distances_wide.csv", 0): (FLAGS, ("no column 'track'", "If each of these is a track, give --wide distance")),
    ("comma_names.csv", 0): ({**COMMAS, "vector": "dx, um,dy, um"}, ("A name with a comma goes in double quotes",)),
    ("CompiledParticles.mat", 0): (FLAGS, ("no array 'd'; the file has: ElapsedTime 1 x 60, AllTracesVector 60 x 5",)),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_it_is_refused_with_the_way_out(case: tuple[str, int]) -> None:
    flags, says = REFUSED[case]
    with pytest.raises(InputError) as error:
        import_tracks(shared_case(case[0]), **flags)
    for part in says:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("name", "mark", "frames"),
    [
        ("sentinel_9999.csv", "-9999", 324),
        ("missing_dash.csv", "-", 339),
        ("missing_na_excel.csv", "#N/A", 339),
        ("missing_div0.csv", "ms2=#DIV/0!", 339),
    ],
)
def test_marks_of_missing_values_by_flag(name: str, mark: str, frames: int) -> None:
    imported = import_tracks(shared_case(name), missing=mark, **FLAGS)
    assert (imported.report.frames, imported.report.without_signal) == (frames, 360 - frames)


def test_spots_outside_of_tracks_and_spellings_are_said() -> None:
    flags = {**SPOTS, "distance": "DIST_TO_CH2"}
    assert import_tracks(shared_case("all_spots.csv"), **flags).report.outside == 60
    notes = import_tracks(
        shared_case("embryos.csv"), **{**FLAGS, "track": "embryo,nucleus", "group": "embryo"}
    ).report.notes
    assert any("groups 'embryo1' and 'Embryo1' are taken for one" in note for note in notes)


def test_compiled_particles() -> None:
    from scipy import io

    raw = io.loadmat(shared_case("CompiledParticles.mat"))
    tracks = import_tracks(shared_case("CompiledParticles.mat"), preset="compiled-particles").track_set
    assert tracks.frame_interval_s == pytest.approx(20, rel=1e-3)
    np.testing.assert_array_equal(tracks.frames["ms2"].to_numpy().reshape(5, 60), raw["AllTracesVector"].T)


def failed(tracks: Any) -> set[str]:
    return {one.column for one in check_tracks(tracks, CheckLimits(), "x").results if not one.success}


@pytest.mark.parametrize(
    ("name", "flags", "interval_s"),
    [
        ("own_intervals.csv", FLAGS, 20.35),
        ("own_intervals.csv", {**FLAGS, "group": "movie"}, 20.35),
        ("pause_13s.csv", FLAGS, 20.0),
    ],
)
def test_clocks_of_movies_import_and_check_agree(name: str, flags: dict[str, Any], interval_s: float) -> None:
    imported = import_tracks(shared_case(name), **flags)
    raw = pd.read_csv(shared_case(name))
    own = imported.track_set.frames.set_index(["track_id", "time_s"])["frame"]
    assert [own[str(k), t] for k, t in zip(raw["track"], raw["t"], strict=True)] == raw["frame"].tolist()
    assert imported.track_set.frame_interval_s == pytest.approx(interval_s, abs=0.01)
    said = "a pause of 13 s after 780 s" if name == "pause_13s.csv" else "frame intervals of their own, 20 to 20.74 s"
    assert said in "; ".join(imported.report.notes)
    assert failed(imported.track_set) == set()


@pytest.mark.parametrize(
    ("name", "flags", "columns"),
    [
        ("micrometres.csv", NM, {"median_distance_nm"}),
        ("mixed_units.csv", {**NM, "group": "movie"}, {"group_scale_ratio"}),
        ("sentinel_9999.csv", FLAGS, {"signal_is_mark"}),
        ("seconds_as_frames.csv", {**FLAGS, **FRAMES}, {"missing_fraction"}),
        ("locale_report.csv", REPORT, {"distance_is_zero", "median_distance_nm"}),
    ],
)
def test_what_was_accepted_wrongly_fails_the_checks(name: str, flags: dict[str, Any], columns: set[str]) -> None:
    from contactlens.tracks.data.importing.doubts import KINDS

    tracks = import_tracks(shared_case(name), accept=KINDS, **flags).track_set
    assert failed(tracks) == columns
