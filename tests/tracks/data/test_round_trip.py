"""Any table of tracks, however a lab writes it, comes back from import, Parquet and reading as the same tracks."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.importing.units import NANOMETRES, SECONDS
from contactlens.tracks.data.track_set import TrackSet

COORDINATES = {"vector": ["x", "y", "z"], "loci": ["x", "y", "z", "u", "v", "w"], "distance": ["x"], "scalar": ["x"]}
FORMATS = ["%r", "%.17g", "%.17e", "%+.17g", " %.17g "]


@st.composite
def labs(draw: st.DrawFn) -> dict[str, Any]:
    """Tracks (name, frame, coordinates or None, signal or None) in any order, and how they are written down."""
    kind = draw(st.sampled_from(sorted(COORDINATES)))
    low = 0.0 if kind in ("distance", "scalar") else -1e4
    number = st.one_of(st.none(), st.floats(low, 1e4, width=32, allow_subnormal=False))
    names = draw(st.lists(st.text("abNA01", min_size=1, max_size=4), min_size=1, max_size=4, unique=True))
    rows = []
    for name in names:
        for frame in draw(st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True)):
            rows.append((name, frame, [draw(number) for _ in COORDINATES[kind]], draw(number)))
    rows += [("whole", frame, [1.0] * len(COORDINATES[kind]), 2.0) for frame in (0, 1)]
    return {
        "kind": kind,
        "rows": draw(st.permutations(rows)),
        "length_unit": draw(st.sampled_from(sorted(NANOMETRES))),
        "time_unit": draw(st.sampled_from(sorted(SECONDS))),
        "interval": draw(st.sampled_from([0.25, 1.0, 20.0, 61.5])),
        "start": draw(st.sampled_from([0.0, 7.5, -100.0])),
        "file": draw(st.sampled_from(["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.parquet"])),
        "separator": draw(st.sampled_from([",", ";"])),
        "format": draw(st.sampled_from(FORMATS)),
        "empty": draw(st.sampled_from(["", "NA", "nan", "NULL"])),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
        "dtype": draw(st.sampled_from(["float64", "float32", "Float64", "object"])),
        "signal": draw(st.booleans()),
    }


def mapping_of(lab: dict[str, Any]) -> ColumnMapping:
    columns = COORDINATES[lab["kind"]]
    drivers: dict[str, Any] = {
        "vector": {"vector": columns},
        "loci": {"locus1": columns[:3], "locus2": columns[3:]},
        "distance": {"distance": "x"},
        "scalar": {"scalar": "x", "driver_unit": "nM"},
    }
    length = None if lab["kind"] == "scalar" else lab["length_unit"]
    signal = "ms2" if lab["signal"] else None
    return ColumnMapping(["cell"], "t", lab["time_unit"], length_unit=length, signal=signal, **drivers[lab["kind"]])


def write(folder: Path, lab: dict[str, Any]) -> Path:
    """The table as the lab writes it, by Python's own means where it is text."""
    path, columns = folder / lab["file"], ["cell", "t", *COORDINATES[lab["kind"]], "ms2"]
    rows = [[name, lab["start"] + frame * lab["interval"], *at, signal] for name, frame, at, signal in lab["rows"]]
    if lab["file"] == "t.parquet":
        numbers = pd.DataFrame(rows, columns=columns)
        numbers[columns[2:]] = numbers[columns[2:]].astype("float64").astype(lab["dtype"])
        numbers.to_parquet(path, index=False)
        return path
    separator = "\t" if lab["file"] == "t.tsv" else lab["separator"]
    cells = [[row[0], *(lab["empty"] if v is None else lab["format"] % v for v in row[1:])] for row in rows]
    text = "".join(separator.join(line) + lab["end"] for line in [columns, *cells]).encode()
    path.write_bytes(gzip.compress(text) if lab["file"].endswith(".gz") else text)
    return path


def expected(lab: dict[str, Any]) -> pd.DataFrame:
    """The observed frames, from the rows alone."""
    first = {name: min(frame for other, frame, *_ in lab["rows"] if other == name) for name, *_ in lab["rows"]}
    scale = 1.0 if lab["kind"] == "scalar" else NANOMETRES[lab["length_unit"]]
    found = []
    for name, frame, at, signal in lab["rows"]:
        if None in at or (lab["signal"] and signal is None):
            continue
        vector = [b - a for a, b in zip(at[:3], at[3:], strict=True)] if lab["kind"] == "loci" else at
        driver = sum(v * v for v in vector) ** 0.5 if len(vector) == 3 else vector[0]
        time = (lab["start"] + frame * lab["interval"]) * SECONDS[lab["time_unit"]]
        found.append((name, frame - first[name], time, driver * scale, *([signal] if lab["signal"] else [])))
    columns = ["track_id", "frame", "time_s", "driver", *(["ms2"] if lab["signal"] else [])]
    return pd.DataFrame(found, columns=columns).sort_values(["track_id", "frame"], ignore_index=True)


@settings(max_examples=30)
@given(lab=labs())
def test_any_lab_s_table_comes_back(tmp_path_factory: pytest.TempPathFactory, lab: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("lab")
    interval_s = lab["interval"] * SECONDS[lab["time_unit"]]
    imported, report = import_table(write(folder, lab), mapping_of(lab), interval_s)
    imported.write(folder / "set")
    back, right = TrackSet.read(folder / "set"), expected(lab)
    pd.testing.assert_frame_equal(back.frames, imported.frames)
    assert back.frames[["track_id", "frame"]].to_numpy().tolist() == right[["track_id", "frame"]].to_numpy().tolist()
    np.testing.assert_allclose(back.frames["time_s"], right["time_s"], rtol=1e-12)
    np.testing.assert_allclose(back.frames[back.driver.gate_column], right["driver"], rtol=1e-9, atol=1e-9)
    assert back.has_signal == lab["signal"]
    if lab["signal"]:
        np.testing.assert_array_equal(back.frames["ms2"], right["ms2"])
    assert report.rows == len(lab["rows"]) == report.frames + report.without_driver + report.without_signal
    assert (report.tracks, back.frame_interval_s) == (right["track_id"].nunique(), interval_s)
