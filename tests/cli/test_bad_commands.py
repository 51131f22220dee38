"""Bad tracks at the command line: one message, status 1, and every file as it was."""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from track_inputs import legacy_track, track_set

from refusal import fill, refused, refused_in_one_line, run

ROWS = [(cell, 30 * i, 10 + i, 5 + i) for cell in "ab" for i in range(6)]
GOOD = "cell,t,d,y\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS)
FLAGS = ("--track", "cell", "--time", "t", "--distance", "d", "--length-unit", "nm", "--signal", "y", "--out", "@out")


def parquet(**changes: Any) -> bytes:
    """The good table, its columns by name replaced or, where new, appended."""
    names = ["cell", "t", "d", "y"]
    cells = dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True)) | changes
    return written(pa.table({name: pa.array(values) for name, values in cells.items()}))


def written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def twice() -> bytes:
    values = pa.array([1.0, 2.0])
    return written(pa.table([pa.array(["a", "a"]), values, values, values, values], names=["cell", "t", "d", "y", "y"]))


def not_utf8(n: int) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), n, pa.array([b"\xff"] * n).buffers())


TABLES: dict[str, tuple[str, str | bytes, tuple[str, ...], str]] = {
    "no kind": ("t.doc", GOOD, (), "t.doc: not a known kind of table"),
    "folder": ("d.csv/x", GOOD, (), "d.csv: is a folder, where a file is expected"),
    "folder for a pickle": ("d.pkl/x", GOOD, (), "d.pkl: is a folder, where a file is expected"),
    "zeros": ("t.csv", b"\0" * 99, (), "t.csv: no header was found"),
    "half of UTF-16": ("t.csv", GOOD.encode("utf-16")[:-1], (), "t.csv: not UTF-16-LE text"),
    "other separators": ("t.csv", GOOD.replace(",", "_"), (), "t.csv: no header was found"),
    "comments alone": ("t.csv", "# mine\n# yours\n", (), "t.csv: no header was found"),
    "column twice in Parquet": ("t.parquet", twice(), (), "t.parquet: column 'y' appears 2 times"),
    "text not UTF-8": ("t.parquet", parquet(cell=not_utf8(12)), (), "t.parquet: not a readable Parquet"),
    "lists": ("t.parquet", parquet(y=[[1.0]] * 12), (), "column 'y': 12 cells are not numbers"),
    "switches": ("t.parquet", parquet(d=[True] * 12), (), "column 'd': 12 cells are not numbers"),
    "hexadecimal": ("t.csv", GOOD.replace(",10,", ",0x1F,", 1), (), "column 'd': 1 cells are not numbers"),
    "complex": ("t.csv", GOOD.replace(",10,", ",1j,", 1), (), "column 'd': 1 cells are not numbers; first at line 2"),
    "too large in nm": ("t.csv", GOOD.replace(",10,", ",1e305,", 1), ("--length-unit", "m"), "'d': 1 values are too"),
    "too large in seconds": ("t.csv", GOOD.replace("a,150,", "a,1e306,"), ("--time-unit", "h"), "'t': 1 values"),
    "time for a track": ("t.csv", GOOD, ("--track", "t"), "column mapping: column 't' is used for two things"),
    "signal for a track": ("t.csv", GOOD, ("--signal", "cell"), "column mapping: column 'cell' is used for two"),
    "distance for a group": ("t.csv", GOOD, ("--group", "d"), "column mapping: column 'd' is used for two things"),
    "nameless column": ("t.csv", GOOD, ("--track", "cell,"), "t.csv: no column ''; the file has: cell, t, d, y"),
    "interval NaN": ("t.csv", GOOD, ("--frame-interval", "nan"), "the frame interval must be a positive number"),
    "pickle in m": (
        "t.pkl",
        pickle.dumps([tuple(legacy_track()._replace(ep_sep_obs=np.full((3, 10), 1e300)))]),
        ("--length-unit", "m"),
        "t.pkl: 10 separations are too large in nm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_refused(tmp_path: Path, name: str) -> None:
    file, content, flags, says = TABLES[name]
    fill(tmp_path, {file: content})
    assert says in refused_in_one_line(tmp_path, "import", "tracks", f"@{file.removesuffix('/x')}", *FLAGS, *flags)


def test_a_name_too_long_is_refused(tmp_path: Path) -> None:
    message = refused_in_one_line(tmp_path, "import", "tracks", f"@{'x' * 300}.csv", *FLAGS)
    assert "x.csv: not readable (File name too long)" in message


def test_text_that_is_not_marked_as_such_is_read(tmp_path: Path) -> None:
    fill(tmp_path, {"t.parquet": parquet(cell=[cell.encode() for cell, *_ in ROWS])})
    assert run(tmp_path, "import", "tracks", "@t.parquet", *FLAGS)[0] == 0
    assert set(pq.read_table(tmp_path / "out" / "frames.parquet")["track_id"].to_pylist()) == {"a", "b"}


@contextmanager
def as_nobody() -> Iterator[None]:
    """As another user where the tests run as root, whom no permission stops."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("locked", ["t.csv", ""])
def test_a_file_or_folder_without_permission_is_refused(tmp_path: Path, locked: str) -> None:
    fill(tmp_path, {"closed/t.csv": GOOD})
    assert run(tmp_path, "import", "tracks", "@closed/t.csv", *FLAGS)[0] == 0
    (tmp_path / "closed" / locked).chmod(0)
    with as_nobody():
        ended = run(tmp_path, "import", "tracks", "@closed/t.csv", *FLAGS)
    (tmp_path / "closed" / locked).chmod(0o700)
    assert ended == (1, "", f"error: {tmp_path}/closed/t.csv: not readable (Permission denied)\n")


def frames(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "frames.parquet"
        table = pq.read_table(path)
        pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)

    return act


def described(content: str | bytes) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "frames.parquet"
        pq.write_table(pq.read_table(path).replace_schema_metadata({b"contactlens": content}), path)

    return act


def settings(**changes: Any) -> Callable[[Path], None]:
    driver = {"kind": "vector", "name": "E-P distance", "unit": "nm"}
    sound = {"driver": driver, "frame_interval_s": 30.0, "signal_unit": "a.u.", "source": "x"}
    return described(json.dumps(sound | changes))


SETS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text not UTF-8": (frames(lambda t: t.set_column(0, "track_id", not_utf8(len(t)))), "not a readable Parquet"),
    "column twice": (frames(lambda t: t.append_column("ms2", t["ms2"])), "frames.parquet: not a readable Parquet"),
    "column missing": (frames(lambda t: t.drop_columns(["ms2"])), "expected that the columns are track_id, group"),
    "text for a signal": (frames(lambda t: t.set_column(8, "ms2", t["track_id"])), "column 'ms2'"),
    "no frames": (frames(lambda t: t.slice(0, 0)), "expected that there is at least one frame"),
    "nested settings": (described("[" * 10**5), "its contactlens metadata are damaged"),
    "settings not text": (described(b"\xff\xfe"), "its contactlens metadata are damaged"),
    "unknown driver": (settings(driver={"kind": "wish", "name": "x", "unit": "nm"}), "unknown driver kind 'wish'"),
    "number for a unit": (settings(signal_unit=3), "metadata are damaged (names and units must be text)"),
    "interval NaN": (settings(frame_interval_s=float("nan")), "column 'frame_interval_s'"),
    "interval below 0": (settings(frame_interval_s=-30), "expected that the frame interval is positive"),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_bad_track_set_fails_its_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    act, says = SETS[name]
    track_set().write(tmp_path / "set")
    act(tmp_path / "set")
    message = refused(tmp_path, "tracks", "check", "@set", "--set", "tracks.checks.min_frames_per_track=5")
    assert message.startswith(str(tmp_path / "set" / "frames.parquet")) and says in message


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--max-lag", 0), "made here: the longest lag must be at least one frame, not 0"),
        (("--min-lag", 50), "power law: 0 lags between 1500 and"),
        (("--noise-nm", -2), "localisation noise must be positive and finite, got -2.0"),
        (("--replicates", 0), "bootstrap: needs at least 1 replicate and a seed from 0, got 0 and 0"),
        (("--seed", -1), "bootstrap: needs at least 1 replicate and a seed from 0, got 1000 and -1"),
        (("--out", "@mine"), "mine: would be replaced, but holds 1 other files or folders, such as 'thesis.txt'"),
    ],
)  # fmt: skip
def test_a_wrong_msd_is_refused(tmp_path: Path, flags: tuple[Any, ...], says: str) -> None:
    track_set().write(tmp_path / "set")
    fill(tmp_path, {"mine/thesis.txt": "x"})
    assert says in refused_in_one_line(tmp_path, "tracks", "msd", "@set", "--out", "@msd", *flags)


def test_lags_beyond_the_tracks_claim_no_memory(tmp_path: Path) -> None:
    track_set().write(tmp_path / "set")
    assert run(tmp_path, "tracks", "msd", "@set", "--out", "@msd", "--max-lag", 10**9, "--replicates", 9)[0] == 0
    assert len((tmp_path / "msd" / "msd.csv").read_text().splitlines()) == 12  # of tracks of 12 frames, and the header


def test_pictures_of_no_run_are_refused(tmp_path: Path) -> None:
    for flags, says in {
        ("@none",): "params.yaml: no such file",
        ("--systems", "@none"): "headlines.png: no such",
    }.items():
        assert says in refused_in_one_line(tmp_path, "tracks", "gallery", *flags, "--out", "@out")


def test_states_of_another_table_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"t.csv": GOOD})
    assert "no column 'fragment'" in refused_in_one_line(
        tmp_path, "tracks", "published-states", "@t.csv", "--out", "@o"
    )
