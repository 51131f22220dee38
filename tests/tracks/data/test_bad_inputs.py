"""Every bad input gives one InputError that says what is wrong and where, and no output file."""

import gzip
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from track_inputs import LIMITS, legacy_track, track_set, write_legacy

from contactlens.base.errors import InputError
from contactlens.tracks.data.checks import validate_tracks
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.legacy import import_legacy
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.track_set import TrackSet

MAPPING = ColumnMapping(track=["cell"], time="t", time_unit="s", distance="d", length_unit="nm", signal="y")
VECTOR = replace(MAPPING, distance=None, vector=["x", "y", "z"], signal=None)
TWO_NAMES = replace(MAPPING, track=["a", "b"])
FRAMES = replace(MAPPING, time_unit="frame")
GROUPED = replace(MAPPING, group=["g"])
SOUND = "cell,t,d,y\na,0,1,1\na,30,2,2\nb,0,3,3\nb,30,4,4\n"


class Bad(NamedTuple):
    """act(input folder, output path) does what a command does: read all of it, then write."""

    act: Callable[[Path, Path], None]
    says: tuple[str, ...]


def table(
    content: str | bytes,
    *says: str,
    name: str = "tracks.csv",
    mapping: ColumnMapping = MAPPING,
    interval_s: float | None = None,
) -> Bad:
    def act(folder: Path, out: Path) -> None:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        import_table(path, mapping, interval_s).track_set.write(out)

    return Bad(act, says)


def mapped(*says: str, **changes: Any) -> Bad:
    """A sound table, and a column mapping that is not."""
    return table(SOUND, *says, mapping=replace(MAPPING, **changes))


def missing_file(reader: Callable[[Path], Any], *says: str) -> Bad:
    return Bad(lambda folder, out: reader(folder / "absent.csv").track_set.write(out), says)


def legacy(entries: Any, *says: str) -> Bad:
    def act(folder: Path, out: Path) -> None:
        path = folder / "legacy.pkl"
        path.write_bytes(entries if isinstance(entries, bytes) else pickle.dumps(entries))
        import_legacy(path).track_set.write(out)

    return Bad(act, says)


def legacy_field(*says: str, **fields: Any) -> Bad:
    """Two tracks, the second with these fields."""
    return legacy([tuple(legacy_track()), tuple(legacy_track()._replace(**fields))], "legacy.pkl, track 1", *says)


def folder_with(spoil: Callable[[Path], Any], *says: str) -> Bad:
    """A track set's folder, spoiled, read and written again."""

    def act(folder: Path, out: Path) -> None:
        track_set().write(folder / "set")
        spoil(folder / "set" / "frames.parquet")
        TrackSet.read(folder / "set").write(out)

    return Bad(act, says)


def checked(column: str, row: int, value: Any, *says: str) -> Bad:
    """A track set with one wrong value, validated as the pipeline does."""

    def act(folder: Path, out: Path) -> None:
        tracks = track_set()
        tracks.frames.loc[row, column] = value
        tracks.write(folder / "set")
        found = TrackSet.read(folder / "set")
        validate_tracks(found, LIMITS, "data/tracks", out / "data_docs").write(out / "validation.json")

    return Bad(act, ("data/tracks: ", *says))


def parquet(frame: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return sink.getvalue().to_pybytes()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


LONG = "cell,t,d,y\n" + "".join(f"c{i},{t},1,1\n" for i in range(500) for t in (0, 30))
UNNAMED = parquet(pd.DataFrame({"cell": ["a", "a"], "t": [0, 30], "d": [1, 2], "y": [[1], [2]]}))
CODE = pickle.dumps({"harmless": np.random.default_rng})

BAD: dict[str, Bad] = {
    # long tables: the file
    "table missing": missing_file(lambda path: import_table(path, MAPPING), "absent.csv: no such file"),
    "table empty": table("", "tracks.csv: the file is empty"),
    "header only": table("cell,t,d,y\n", "tracks.csv: ", "no rows"),
    "unknown kind": table(SOUND, "tracks.xls: not a known kind", ".parquet", "save it as .xlsx", name="tracks.xls"),
    "gzip cut short": table(
        gzip.compress(LONG.encode())[:-50], "tracks.csv.gz: not a readable gzip", name="tracks.csv.gz"
    ),
    "not gzip": table(SOUND, "tracks.csv.gz: not a readable gzip", name="tracks.csv.gz"),
    "parquet cut short": table(UNNAMED[:-20], "tracks.parquet: not a readable Parquet", name="tracks.parquet"),
    "nested parquet": table(UNNAMED, "column 'y': 2 cells are not numbers", "row 1", name="tracks.parquet"),
    "not UTF-8": table(b"cell,t,d,y\na,0,1,1\nb\x81,0,1,1\n", "tracks.csv: not UTF-8", "--encoding"),
    "a row too long": table(SOUND + "c,0,1,1,9\n", "tracks.csv: not a readable table", "line 6"),
    "all rows too long": table("cell,t,d,y\na,0,1,1,9\n", "tracks.csv: rows hold more cells"),
    "open quote": table(SOUND + 'c,0,"1,1\n', "tracks.csv: not a readable table"),
    # long tables: the columns
    "unknown column": table(SOUND.replace("cell", "Cell"), "no column 'cell'; did you mean 'Cell'?", "Cell, t, d, y"),
    "column twice": table("cell,t,d,y,d\na,0,1,1,2\n", "column 'd' appears 2 times"),
    "no driver": mapped("the driver must be one of", "none was given", distance=None),
    "two drivers": mapped("distance and scalar were given", scalar="y", driver_unit="nM", signal=None),
    "one locus": mapped("two loci need", distance=None, locus1=["t", "d", "y"]),
    "two components": mapped("vector needs 3 columns", distance=None, vector=["d"]),
    "one column, two uses": mapped("column 'd' is used for two things", signal="d"),
    "unknown time unit": mapped("time unit 'sec' is unknown; known are ms, s, min", time_unit="sec"),
    "unknown length unit": mapped("length unit 'inch' is unknown; known are", length_unit="inch"),
    "no length unit": mapped("no length unit was given (--length-unit)", length_unit=None),
    "no driver unit": mapped("driver 'd' needs a unit", distance=None, scalar="d"),
    "no track column": mapped("no track column", track=[]),
    "names that join alike": table(
        "a,b,t,d,y\nx_y,z,0,1,1\nx,y_z,0,1,1\n",
        "['a', 'b']",
        "'x_y_z'",
        mapping=TWO_NAMES,
    ),
    # long tables: the cells
    "text among numbers": table(
        SOUND + "c,0,far,1\n\nc,30,near,1\n", "column 'd': 2 cells", "line 6 ('far'), line 8 ('near')"
    ),
    "decimal comma and point": table(
        SOUND.replace(",", ";") + "c;0;1,5;1\nc;30;2.5;1\n", "column 'd'", "line 6 ('1,5')"
    ),
    "comma of thousands": table(SOUND.replace(",", ";") + "c;0;1,500;1\n", "column 'd': '1,500' may", "--decimal"),
    "date as time": table(SOUND + "c,2024-01-01,1,1\n", "column 't'", "line 6 ('2024-01-01')"),
    "infinite signal": table(SOUND + "c,0,1,inf\n", "column 'y': 1 values are infinite", "line 6"),
    "negative distance": table(
        SOUND + "c,0,-1,1\n", "column 'd': 1 distances are negative", "line 6 (-1)", "--missing=d=-1"
    ),
    "no track name": table("cell,t,d,y\n,0,1,1\nNone,30,1,1\n", "columns ['cell']: no row belongs to a track"),
    "no group name": table(
        "cell,g,t,d,y\na,1,0,1,1\nb,,30,1,1\n", "column 'g': 1 cells are empty", "line 3 (empty)", mapping=GROUPED
    ),
    "no time": table(SOUND + "c,,1,1\n", "column 't': 1 times are missing", "line 6"),
    "time repeated": table(SOUND + "b,30,9,9\n", "column 't': 2 rows repeat", "line 5 ('b'), line 6 ('b')"),
    "time off the grid": table(LONG + "c7,75,9,9\n", "column 't': 1 times are not on a grid of 30 s", "line 1002 (75)"),
    "two times in a frame": table(
        SOUND + "b,33,9,9\n", "column 't': 2 times share a frame", "line 5 (30), line 6 (33)", interval_s=30
    ),
    "absurd time": table(
        SOUND + "b,3e9,9,9\n", "column 't': 1 times are more than 1,000,000 frames", "line 6", interval_s=30
    ),
    "one time per track": table("cell,t,d,y\na,0,1,1\nb,30,1,1\n", "column 't': no track has two times"),
    "negative interval": table(SOUND, "tracks.csv: the frame interval must be", interval_s=-30),
    "frames without interval": mapped("column 't': times are frame numbers", time_unit="frame"),
    "half a frame": table(
        SOUND + "c,0.5,1,1\n",
        "column 't': 1 frame numbers",
        mapping=FRAMES,
        interval_s=9,
    ),
    "track in two groups": table(
        "cell,g,t,d,y\na,1,0,1,1\na,2,30,1,1\n",
        "column 'g': 1 rows",
        "('a')",
        mapping=GROUPED,
    ),
    "nothing left": table("cell,t,d,y\na,0,1,\na,30,,1\n", "no row has a driver and a signal (2 rows read)"),
    "empty component": table("cell,t,x,y,z\na,0,1,,1\na,9,1,,1\n", "no row has a driver", mapping=VECTOR),
    # legacy pickles
    "pickle missing": missing_file(import_legacy, "absent.csv: no such file"),
    "pickle cut short": legacy(pickle.dumps([tuple(legacy_track())])[:-200], "legacy.pkl: not a readable"),
    "pickle of text": legacy(b"time,x,y\n0,1,2\n", "legacy.pkl: not a readable pickle"),
    "pickle of code": legacy(CODE, "refused, the pickle names numpy.random"),
    "pickle of a dict": legacy({"tracks": []}, "expected a list of tracks, found dict of 1"),
    "no tracks": legacy([], "expected a list of tracks, found list of 0"),
    "eight fields": legacy([tuple(legacy_track())[:8]], "track 0: expected a tuple of 9 fields, found tuple of 8"),
    "object array": legacy_field("on_times: not an array", "O8", on_times=np.array([1.0, "x"], dtype=object)),
    "text array": legacy_field("on_times: not an array", on_times=np.array(["x"])),
    "text field": legacy_field("MS2_signal_noisy: not an array", "found str", MS2_signal_noisy="bright"),
    "transposed separation": legacy_field(
        "ep_sep_obs_noisy: shape (10, 3), expected (3, 10)", ep_sep_obs_noisy=np.zeros((10, 3))
    ),
    "short signal": legacy_field("MS2_signal_noisy: shape (9,), expected (10,)", MS2_signal_noisy=np.ones(9)),
    "states without times": legacy_field("state_sequence: shape (3,), expected (4,)", state_sequence=[0, 1, 0]),
    "state 2": legacy_field("state_sequence: states are 0 and 1 only", state_sequence=[0, 1, 2, 1]),
    "infinite separation": legacy_field("30 values are not finite", ep_sep_obs_noisy=np.full((3, 10), np.inf)),
    "nan loading": legacy_field("pol2_loading_events: 1 values", pol2_loading_events=[1.0, np.nan]),
    "times run back": legacy_field("observation_times: times", observation_times=np.arange(10)[::-1] * 30.0),
    "uneven times": legacy_field(
        "observation_times: not on a grid of 30", "at 150 s", observation_times=np.r_[0:4, 4.833, 5:10] * 30.0
    ),
    "unknown effective event": legacy_field("thinned_on_times: 1 times", thinned_on_times=[1e9]),
    "unknown unit": Bad(
        lambda folder, out: import_legacy(write_legacy(folder / "l.pkl", [legacy_track()]), "inch").track_set.write(
            out
        ),
        ("length unit 'inch' is unknown",),
    ),
    # track-set folders
    "no folder": Bad(lambda folder, out: TrackSet.read(folder / "none").write(out), ("none", "no such file")),
    "frames cut short": folder_with(cut, "frames.parquet: not a readable Parquet"),
    "frames are text": folder_with(lambda path: path.write_text(SOUND), "frames.parquet: not a readable"),
    "foreign parquet": folder_with(
        lambda path: track_set().frames.to_parquet(path), "frames.parquet: no contactlens metadata"
    ),
    # checks
    "nan in the set": checked("ms2", 40, np.nan, "column 'ms2'", "not_be_null", "track_id t3, frame 4"),
    "infinite vector": checked("ep_x_nm", 41, np.inf, "column 'ep_x_nm'", "track_id t3, frame 5, value inf"),
    "distance not the norm": checked("ep_distance_nm", 42, 0.0, "'distance_error_nm'", "t3, frame 6"),
    "frame twice": checked("frame", 43, 6, "column 'track_id, frame'", "2 offending", "track_id t3, frame 6"),
    "off the grid": checked("time_s", 44, 250.0, "'grid_offset_frames'", "track_id t3, frame 8, value 0.33"),
    "group blank": checked("group", slice(36, 47), "  ", "column 'group'", "match_regex", "track_id t3"),
    "signal off scale": checked("ms2", 45, 1e7, "column 'ms2'", "between -100 and 1000 a.u.", "value 10000000.0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(tmp_path: Path, name: str) -> None:
    inputs, outputs = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    outputs.mkdir()
    with pytest.raises(InputError) as error:
        BAD[name].act(inputs, outputs / "result")
    for part in BAD[name].says:
        assert part in str(error.value)
    assert list(outputs.iterdir()) == []


def test_the_sound_inputs_are_written(tmp_path: Path) -> None:
    """The harness itself: without a fault the same steps do write."""
    table(SOUND).act(tmp_path, tmp_path / "table")
    legacy([tuple(legacy_track())]).act(tmp_path, tmp_path / "legacy")
    folder_with(lambda path: None).act(tmp_path, tmp_path / "again")
    checked("ms2", 0, 50.0).act(tmp_path, tmp_path / "checked")
    for name in ("table", "legacy", "again"):
        assert TrackSet.read(tmp_path / name).frames["ms2"].notna().all()
    assert json.loads((tmp_path / "checked" / "validation.json").read_text())["success"]
    assert (tmp_path / "checked" / "data_docs" / "index.html").is_file()
