"""A window set survives its folder exactly, and a damaged folder is one clear error."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet

SEQUENCES = {"chr1": "ACGTN" * 30, "chr2:100-220": "GATTAC" * 20, "unused": "T" * 90}


def pairs(n: int = 4, length: int = 60) -> WindowSet:
    """Windows on chr1 (even rows) and on a record that begins at base 100 of chr2."""
    rows = np.arange(n)
    on_second = rows % 2 == 1
    start = np.where(on_second, 100 + rows, rows)
    windows = pd.DataFrame(
        {
            "window_id": [f"w{i}" for i in rows],
            "chrom": np.where(on_second, "chr2", "chr1"),
            "win_start": start,
            "win_end": start + length,
            "enh_rel_start": 2 + rows,
            "enh_rel_end": 9 + rows,
            "prom_rel_start": 30,
            "prom_rel_end": 41 + rows,
            "label": rows // 2 % 2,
            "record": np.where(on_second, "chr2:100-220", "chr1"),
            "record_start": np.where(on_second, 100, 0),
        }
    ).astype({"window_id": "str", "chrom": "str", "record": "str"})
    planted = pd.DataFrame(
        {
            "window_id": ["w1", "w0"],
            "motif_id": "MA0139.1",
            "name": "CTCF",
            "start": [3, 4],
            "end": [22, 23],
            "strand": ["+", "-"],
            "element": ["enhancer", "background"],
        }
    ).astype(dict.fromkeys(["window_id", "motif_id", "name", "strand", "element"], "str"))
    return WindowSet("pair", windows, Genome.of(SEQUENCES), "made up", {"seed": 3, "of": ["x", None]}, planted)


def test_round_trip_is_exact_and_copies_only_the_records_used(tmp_path: Path) -> None:
    made = pairs()
    made.write(tmp_path / "set")
    read = WindowSet.read(tmp_path / "set")
    pd.testing.assert_frame_equal(read.windows, made.windows)
    assert read.planted is not None
    assert made.planted is not None
    pd.testing.assert_frame_equal(read.planted, made.planted)
    assert (read.task, read.source, read.settings) == ("pair", made.source, made.settings)
    assert read.sequences() == made.sequences()
    assert list(read.genome.lengths) == ["chr1", "chr2:100-220"]
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == [
        "genome.fa",
        "genome.fa.fai",
        "planted.parquet",
        "window_set.json",
        "windows.parquet",
    ]


def test_equal_sets_give_equal_bytes_and_a_set_can_be_written_over_itself(tmp_path: Path) -> None:
    pairs().write(tmp_path / "a")
    before = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    WindowSet.read(tmp_path / "a").write(tmp_path / "a")
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == before


def test_sequences_and_distances_follow_the_coordinates() -> None:
    made = pairs()
    assert made.length == 60
    for sequence, row in zip(made.sequences(), made.windows.itertuples(), strict=True):
        whole = SEQUENCES[row.record]
        assert sequence == whole[row.win_start - row.record_start :][:60]
    # Centres: (2 + i + 9 + i) / 2 and (30 + 41 + i) / 2.
    np.testing.assert_allclose(made.distances(), [abs((11 + 2 * i) / 2 - (71 + i) / 2) for i in range(4)])


def test_select_keeps_the_order_asked_for_and_the_planted_motifs() -> None:
    chosen = pairs().select(["w3", "w1"])
    assert chosen.windows["window_id"].tolist() == ["w3", "w1"]
    assert chosen.windows.index.tolist() == [0, 1]
    assert chosen.planted is not None
    assert chosen.planted["window_id"].tolist() == ["w1"]
    with pytest.raises(InputError, match="no window 'nope'"):
        pairs().select(["w1", "nope"])


def test_a_truth_without_any_motif_is_read_whatever_its_text_columns_were_stored_as(tmp_path: Path) -> None:
    found = pairs()
    replace(found, planted=found.planted.iloc[:0]).write(tmp_path / "set")
    path = tmp_path / "set" / "planted.parquet"
    pd.read_parquet(path).astype({"name": "float64"}).to_parquet(path)
    assert WindowSet.read(tmp_path / "set").planted.empty
    pd.read_parquet(path).astype({"start": "float64"}).to_parquet(path)
    with pytest.raises(InputError, match="'start': expected int64"):
        WindowSet.read(tmp_path / "set")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    made = pairs()
    broken = Genome(None, {**made.genome.lengths, "chr1": 10**6}, SEQUENCES)
    with pytest.raises(InputError, match="record 'chr1' ends before base 1,000,000"):
        WindowSet("pair", made.windows, broken, "x", {}, None).write(tmp_path / "set")
    with pytest.raises(TypeError):
        WindowSet("pair", made.windows, made.genome, "x", {"bad": object()}, None).write(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(1, 40), st.data())
def test_any_region_set_survives(
    tmp_path_factory: pytest.TempPathFactory, n: int, length: int, data: st.DataObject
) -> None:
    records = {f"c{i}": data.draw(st.text("ACGTN", min_size=length, max_size=200)) for i in range(3)}
    record = [data.draw(st.sampled_from(sorted(records))) for _ in range(n)]
    shift = {name: data.draw(st.integers(0, 10**9)) for name in records}
    start = [shift[name] + data.draw(st.integers(0, len(records[name]) - length)) for name in record]
    windows = pd.DataFrame(
        {
            "window_id": pd.Series([f"{i:03d}" for i in range(n)], dtype="str"),
            "chrom": pd.Series(record, dtype="str"),
            "win_start": np.array(start, dtype="int64"),
            "win_end": np.array(start, dtype="int64") + length,
            "label": np.arange(n) % 2,
            "record": pd.Series(record, dtype="str"),
            "record_start": np.array([shift[name] for name in record], dtype="int64"),
            "score": np.linspace(0, 1, n),
        }
    )
    made = WindowSet("region", windows, Genome.of(records), "any", {}, None)
    folder = tmp_path_factory.mktemp("set") / "s"
    made.write(folder)
    read = WindowSet.read(folder)
    pd.testing.assert_frame_equal(read.windows, windows)
    assert read.planted is None
    assert read.sequences() == made.sequences()


def change_table(change: Callable[[pd.DataFrame], pd.DataFrame], name: str = "windows") -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        change(pd.read_parquet(path)).to_parquet(path, index=False)

    return damage


def change_json(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "window_set.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return damage


def cut(name: str, keep: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep]) and None


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


DAMAGES = {
    "no description": (drop("window_set.json"), "window_set.json: no such file"),
    "cut description": (cut("window_set.json", 20), "window_set.json: not the description"),
    "a list for a description": (lambda f: (f / "window_set.json").write_text("[1]") and None, "not the description"),
    "no task": (lambda f: (f / "window_set.json").write_text("{}") and None, "KeyError: 'task'"),
    "unknown task": (change_json(task="triple"), "task must be pair or region"),
    "unhashable task": (change_json(task=["pair"]), "task must be pair or region"),
    "settings no mapping": (change_json(settings=[1]), "settings a mapping"),
    "source no text": (change_json(source=3), "source a text"),
    "no table": (drop("windows.parquet"), "windows.parquet: no such file"),
    "cut table": (cut("windows.parquet", 900), "not a readable Parquet file, or cut short"),
    "empty table file": (cut("windows.parquet", 0), "not a readable Parquet file, or cut short"),
    "no rows": (change_table(lambda t: t[:0]), "no rows"),
    "missing column": (change_table(lambda t: t.drop(columns="label")), "no column 'label'; it has window_id"),
    "float coordinate": (
        change_table(lambda t: t.assign(win_start=t["win_start"] + 0.5)),
        "'win_start': expected int64",
    ),
    "narrow integer": (change_table(lambda t: t.astype({"label": "int8"})), "'label': expected int64, found int8"),
    "text label": (change_table(lambda t: t.astype({"label": "str"})), "'label': expected int64"),
    "number for an id": (change_table(lambda t: t.assign(window_id=range(4))), "'window_id': expected text"),
    "empty id": (change_table(lambda t: t.assign(record=[None, "a", "b", None])), "2 cells are empty, first in row 1"),
    "two lengths": (
        change_table(lambda t: t.assign(win_end=t["win_end"] + t["label"])),
        "must have one positive length",
    ),
    "length zero": (change_table(lambda t: t.assign(win_end=t["win_start"])), "must have one positive length"),
    "cut truth": (cut("planted.parquet", 200), "planted.parquet: not a readable"),
    "truth lacks strand": (change_table(lambda t: t.drop(columns="strand"), "planted"), "no column 'strand'"),
    "no genome": (drop("genome.fa"), "genome.fa: no such file"),
    "empty genome": (cut("genome.fa", 0), "genome.fa: the file is empty"),
    "no folder": (lambda folder: folder.rename(folder.with_name("away")) and None, "no such file"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_one_clear_error(tmp_path: Path, damage: str) -> None:
    pairs().write(tmp_path / "set")
    do, message = DAMAGES[damage]
    do(tmp_path / "set")
    with pytest.raises(InputError) as error:
        WindowSet.read(tmp_path / "set")
    assert message in str(error.value)
    assert str(tmp_path / "set") in str(error.value)


def test_a_genome_without_the_bases_is_an_error_when_they_are_wanted(tmp_path: Path) -> None:
    pairs().write(tmp_path / "set")
    (tmp_path / "set" / "genome.fa").write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match=r"has 4 bases|no record"):
        WindowSet.read(tmp_path / "set").sequences()
