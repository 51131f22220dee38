"""Every damage to a window set's folder is refused by `contactlens dna check`, by file and column."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from window_inputs import RECORDS, fasta, write_set

from contactlens.dna.data.window_set import WINDOW_COLUMNS
from refusal import fill, refused, run

CHECK = ("dna", "check", "@set", "--set", "dna.checks.max_distance_ks=1")
PLACE = [name for name in WINDOW_COLUMNS["pair"] if name not in ("window_id", "label")]


def empty_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoil(change: Callable[[pd.DataFrame], Any]) -> Callable[[Path], Any]:
    def act(folder: Path) -> None:
        path = folder / "windows.parquet"
        rows = pd.read_parquet(path)
        rows = rows if (changed := change(rows)) is None else changed
        rows.to_parquet(path, index=False)

    return act


def at(row: int, column: str, value: Any) -> Callable[[Path], Any]:
    return spoil(lambda rows: rows.__setitem__(column, rows[column].where(rows.index != row, value)))


def repeated_column(folder: Path) -> None:
    content = pq.read_table(folder / "windows.parquet")
    pq.write_table(content.append_column("label", content["label"]), folder / "windows.parquet")


WINDOW_SETS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no description": (lambda f: (f / "window_set.json").unlink(), "window_set.json: no such file; a window set is"),
    "deep description": (lambda f: (f / "window_set.json").write_text("[" * 10**5), "not the description of a window"),
    "folder for windows": (lambda f: empty_folder(f / "windows.parquet"), "is a folder"),
    "column twice": (repeated_column, "windows.parquet: column 'label' appears 2 times"),
    "genome missing": (lambda f: (f / "genome.fa").unlink(), "genome.fa: no such file"),
    "genome cut short": (lambda f: fill(f, {"genome.fa": fasta(RECORDS)[:700]}), "windows end inside their record"),
    "genome of protein": (
        lambda f: fill(f, {"genome.fa": (f / "genome.fa").read_text().replace("ACG", "MEL")}),
        "genome.fa: record 'chr1' holds 'E'",
    ),
    "other record": (at(0, "record", "chr9"), "the FASTA holds every record"),
    "label 2": (at(1, "label", 2), "column 'label': expected that labels are 0 or 1"),
    "one class": (spoil(lambda rows: rows.assign(label=1)), "there are windows of either label"),
    "element outside": (at(1, "prom_rel_end", 400), "promoters end inside their window"),
    "elements overlap": (at(1, "enh_rel_end", 290), "enhancer and promoter do not overlap"),
    "id twice": (at(1, "window_id", "chr1:200-250_330-390"), "no window_id is used twice"),
    "pair twice": (spoil(lambda rows: rows.assign(**rows.loc[0, PLACE])), "no pair of enhancer and promoter is there"),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOW_SETS)
def test_a_bad_window_set_fails_its_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    act, says = WINDOW_SETS[name]
    write_set(tmp_path / "set")
    act(tmp_path / "set")
    message = refused(tmp_path, *CHECK)
    assert message.startswith(str(tmp_path / "set")) and says in message


def test_the_sound_set_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    write_set(tmp_path / "set")
    code, out, message = run(tmp_path, *CHECK)
    assert (code, message) == (0, "") and "expectations hold" in out
