"""What can be read but looks wrong is asked about; with nobody to ask it is refused, and the flag is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_tables import FLAGS, LAB, assert_is_lab, csv_of, lab_table, write

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing import read_tracks
from contactlens.tracks.data.importing.doubts import KINDS
from contactlens.tracks.data.importing.read import import_tracks

MINUTES = LAB.assign(time_min=LAB["t"] / 60)
NUMBERED = LAB.assign(step=LAB["frame"] + 1)
LONG = lab_table(frames=40)


def flags(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**FLAGS, **changes}.items() if value is not None}


def shifted(decimals: int, unit: float) -> str:
    """LAB with decimal commas in a comma-separated file: each number is cut in two, the last cells run out."""
    cells = [f"{unit * d:.{decimals}f},{s:.1f}".replace(".", ",") for d, s in zip(LAB["d"], LAB["ms2"], strict=True)]
    rows = [f"{t},{f},{c}" for t, f, c in zip(LAB["track"], LAB["frame"], cells, strict=True)]
    return "track,frame,d,ms2,remark,reviewer\n" + "\n".join(rows) + "\n"


DOUBTED: dict[str, tuple[Any, dict[str, Any], str, tuple[str, ...]]] = {
    "minutes by name": (MINUTES, flags(time="time_min"), "time-unit", ("'time_min'", "taken for seconds", "min")),
    "minutes given as seconds": (MINUTES, flags(time="time_min", time_unit="s"), "time-unit", ("given as seconds",)),
    "frames by name": (LAB, flags(time="frame"), "time-unit", ("--time-unit frame --frame-interval SECONDS",)),
    "frames from 1": (NUMBERED, flags(time="step"), "time-unit", ("whole numbers from 1 to 12, which may be frames",)),
    "frames given as seconds": (NUMBERED, flags(time="step", time_unit="s"), "time-unit", ("may be frames",)),
    "every second frame": (LAB.assign(t=2 * LAB["frame"] + 10), FLAGS, "time-unit", ("from 10 to 32, which may be",)),
    "a usual mark among small numbers": (
        LONG.assign(ms2=LONG["ms2"].where(LONG["frame"] != 3, -1)), FLAGS, "extreme-values",
        ("3 values are exactly -1",)),
    "hours": (LAB.assign(t=LAB["t"] / 3600), FLAGS, "time-unit", ("comes out as 0.008333", "--time-unit (ms, s, min")),
    "milliseconds": (LAB.assign(t=LAB["t"] * 1000), FLAGS, "time-unit", ("comes out as 30000 s",)),
    "seconds as minutes": (LAB, flags(time_unit="min"), "time-unit", ("comes out as 1800 s", "in minutes")),
    "seconds as frames": (
        LAB, flags(time_unit="frame", frame_interval=30), "missing-frames", ("every step is a multiple of 30 frames",)),
    "an interval too short": (LAB, flags(frame_interval=10), "missing-frames", ("multiple of 3 frames of 10 s",)),
    "micrometres as nm": (LAB, flags(length_unit="nm"), "length-unit", ("median distance is 0.", "--length-unit um")),
    "nm as micrometres": (LAB.assign(d=LAB["d"] * 1000), flags(length_unit="um"), "length-unit", ("--length-unit nm",)),
    "another unit by name": (
        LAB.rename(columns={"d": "ep_nm"}), flags(distance="ep_nm"), "length-unit", ("'ep_nm'", "--length-unit nm")),
    "pixels": (LAB.rename(columns={"d": "d [px]"}), flags(distance="d [px]"), "length-unit", ("is in pixels",)),
    "positions in the image": (
        LAB.assign(x=LAB["x"] + 40), flags(distance=None, vector="x,y,z"), "length-unit", ("positions in the image",)),
    "whole micrometres": (LAB.assign(d=(LAB["frame"] % 3) + 1), FLAGS, "length-unit", ("whole numbers of um",)),
    "two units": (
        LAB.assign(d=LAB["d"].where(LAB["track"] > 0, LAB["d"] * 1000)),
        flags(length_unit="um", accept=["length-unit"]),
        "group-scale", ("-fold between groups", "and of '0', so their units may differ")),
    "a mark in the signal": (
        LONG.assign(ms2=LONG["ms2"].where(LONG["frame"] != 3, -9999)), FLAGS, "extreme-values",
        ("column 'ms2': 3 values are exactly -9999", "--missing=ms2=-9999")),
    "a mark that is there once": (
        LONG.assign(ms2=LONG["ms2"].where(LONG.index != 3, 65535)), FLAGS, "extreme-values",
        ("1 values are exactly 65535",)),
    "a mark in the distance": (
        LONG.assign(d=LONG["d"].where(LONG["frame"] != 3, 99999)), FLAGS, "extreme-values", ("--missing=d=99999",)),
    "zeros of a distance": (
        LAB.assign(d=LAB["d"].where(LAB["frame"] != 3, 0)), FLAGS, "zero-distances", ("3 of 36 distances are exactly 0",
                                                                                   "--missing d=0")),
    "loci in one place": (
        LAB.assign(p=1.0, q=1.0, r=1.0, u=1.0 + (LAB["frame"] > 2), v=1.0, w=1.0),
        flags(distance=None, locus1="p,q,r", locus2="u,v,w"), "zero-distances", ("9 of 36 distances are exactly 0",)),
    "zeros of a vector": (
        LAB.assign(**{axis: LAB[axis].where(LAB["frame"] != 3, 0) for axis in "xyz"}),
        flags(distance=None, vector="x,y,z"), "zero-distances", ("3 of 36",)),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTED)
def test_it_is_refused_with_the_flag_and_read_where_accepted(tmp_path: Path, name: str) -> None:
    table, given, kind, says = DOUBTED[name]
    path = write(tmp_path, csv_of(table))
    with pytest.raises(InputError) as error:
        read_tracks(path, **given)
    for part in (*says, f"--accept {kind}"):
        assert part in str(error.value)
    others = [other for other in KINDS if other != kind]
    with pytest.raises(InputError, match=f"--accept {kind}"):
        read_tracks(path, **{**given, "accept": others})
    assert read_tracks(path, **{**given, "accept": KINDS}).frames["track_id"].nunique() == 3


@pytest.mark.parametrize(
    "given",
    [
        flags(time="time_min", time_unit="min"),
        flags(time="frame", time_unit="frame", frame_interval=30),
        flags(time="step", time_unit="frame", frame_interval=30),
        FLAGS,
    ],
)
def test_what_is_given_rightly_is_not_asked_about(given: dict[str, Any]) -> None:
    assert_is_lab(read_tracks(MINUTES.assign(step=NUMBERED["step"]), **given))


@pytest.mark.parametrize(
    ("decimals", "unit", "says"),
    [
        (3, 1.0, ("zero-distances", "decimal commas in a comma-separated file")),
        (3, 1000.0, ("decimal-commas", "leading zeros")),
        (1, 1000.0, ("decimal-commas", "single digits")),
    ],
)
def test_decimal_commas_in_a_comma_separated_file(
    tmp_path: Path, decimals: int, unit: float, says: tuple[str, ...]
) -> None:
    given = flags(time="frame", time_unit="frame", frame_interval=30, length_unit="um" if unit == 1 else "nm")
    with pytest.raises(InputError) as error:
        read_tracks(write(tmp_path, shifted(decimals, unit)), **given)
    for part in says:
        assert part in str(error.value)


def test_marks_given_by_flag_leave_sound_tracks() -> None:
    table = LONG.assign(ms2=LONG["ms2"].where(LONG["frame"] != 3, -9999), d=LONG["d"].where(LONG["frame"] != 5, 0))
    tracks = read_tracks(table, missing=["-9999", "d=0"], **FLAGS)
    assert set(tracks.frames["frame"]) == set(range(40)) - {3, 5}
    assert tracks.frames["ms2"].min() > 0
    no_spot = LONG.assign(ms2=LONG["ms2"].where(LONG["frame"] > 20, 0.0))
    assert (read_tracks(no_spot, **FLAGS).frames["ms2"] == 0).sum() == 3 * 21  # a signal of 0 is a value


def test_somebody_who_can_be_asked_decides() -> None:
    asked = []

    def yes(doubt: Any) -> bool:
        asked.append(doubt.kind)
        return True

    assert import_tracks(MINUTES, ask=yes, **flags(time="time_min")).track_set.frame_interval_s == 0.5
    assert asked == ["time-unit"]
    with pytest.raises(InputError, match="time_min"):
        import_tracks(MINUTES, ask=lambda doubt: False, **flags(time="time_min"))
    with pytest.raises(InputError, match="--accept time: unknown; known are time-unit"):
        read_tracks(MINUTES, **flags(accept="time"))


def test_heavy_tails_and_bursts_are_no_marks() -> None:
    rng = np.random.default_rng(0)
    burst = np.where(rng.random(len(LONG)) < 0.05, rng.gamma(2.0, 200.0, len(LONG)), 0.0)
    for signal in (burst, rng.lognormal(3.0, 1.0, len(LONG)), rng.standard_t(3, len(LONG))):
        assert read_tracks(LONG.assign(ms2=signal), **FLAGS).has_signal
