"""The one data type of the DNA branch: labelled windows of one length, with the sequence that holds them.

On disk a window set is a folder: `windows.parquet`, `genome.fa` with `genome.fa.fai`, `window_set.json` (task, source,
settings) and, for simulated sets, `planted.parquet` (every planted motif instance).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, require_file, require_replaceable, write_aside, write_json
from contactlens.base.parquet_file import read_parquet
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.interval_table import require_distinct
from contactlens.dna.data.names import Task

DESCRIPTION = "window_set.json"
FILES = ("windows.parquet", "planted.parquet", "genome.fa", "genome.fa.fai", DESCRIPTION, ".gitignore")
Kinds = dict[str, type]
PLACE: Kinds = {"window_id": str, "chrom": str, "win_start": int, "win_end": int}
ELEMENTS: Kinds = {"enh_rel_start": int, "enh_rel_end": int, "prom_rel_start": int, "prom_rel_end": int}
SEQUENCE: Kinds = {"label": int, "record": str, "record_start": int}
WINDOW_COLUMNS: dict[str, Kinds] = {"pair": {**PLACE, **ELEMENTS, **SEQUENCE}, "region": {**PLACE, **SEQUENCE}}
PLANTED_COLUMNS: Kinds = {
    "window_id": str,
    "motif_id": str,
    "name": str,
    "start": int,
    "end": int,
    "strand": str,
    "element": str,
}


@dataclass(frozen=True, eq=False)
class WindowSet:
    """Windows of L bases, labelled 0 or 1. Coordinates are 0-based, half-open; int64 and str throughout.

    task: "pair" (an enhancer and a promoter in each window) or "region" (the window itself)
    windows: window_id, chrom, win_start, win_end; for pairs enh_rel_start, enh_rel_end, prom_rel_start, prom_rel_end
        relative to win_start; label; record, the name of the genome's record that holds the window; record_start,
        the chromosome coordinate of that record's first base. Further columns are kept.
    source: what the windows were made from
    settings: how they were made (plain JSON)
    planted: window_id, motif_id (JASPAR matrix), name (of the factor), start, end (relative to win_start), strand
        (+, -), element (enhancer, promoter, region, background); None where the truth is not known
    """

    task: Task
    windows: pd.DataFrame
    genome: Genome
    source: str
    settings: dict[str, Any]
    planted: pd.DataFrame | None

    @property
    def length(self) -> int:
        """Bases of every window."""
        return int(self.windows["win_end"].iloc[0] - self.windows["win_start"].iloc[0])

    def sequences(self) -> list[str]:
        """The windows' bases, upper case, one string of L for each row.

        Raises InputError where a window lies outside of its record.
        """
        rows = self.windows
        start = (rows["win_start"] - rows["record_start"]).tolist()
        end = (rows["win_end"] - rows["record_start"]).tolist()
        return [self.genome.fetch(*place) for place in zip(rows["record"].tolist(), start, end, strict=True)]

    def distances(self) -> np.ndarray:
        """Distance (N,) in bp between the centres of enhancer and promoter."""
        rows = self.windows[list(ELEMENTS)].to_numpy(dtype="float64")
        return np.abs(rows[:, :2].mean(axis=1) - rows[:, 2:].mean(axis=1))

    def select(self, window_ids: Sequence[str]) -> "WindowSet":
        """The named windows, in that order, with their planted motifs.

        Raises InputError for an unknown id, or where the set repeats an id.
        """
        ids = pd.Index(self.windows["window_id"])
        if not ids.is_unique:
            raise InputError(f"{self.source}: window_id {ids[ids.duplicated()][0]!r} is repeated")
        rows = ids.get_indexer(pd.Index(window_ids, dtype=ids.dtype))
        if (rows < 0).any():
            raise InputError(f"{self.source}: no window {window_ids[int(np.argmin(rows))]!r}")
        planted = self.planted
        if planted is not None:
            planted = planted[planted["window_id"].isin(window_ids)].reset_index(drop=True)
        windows = self.windows.iloc[rows].reset_index(drop=True)
        return WindowSet(self.task, windows, self.genome, self.source, self.settings, planted)

    def records(self) -> list[str]:
        """The whole sequences that the windows lie in, each once."""
        names = dict.fromkeys(self.windows["record"])
        return [self.genome.fetch(name, 0, self.genome.lengths[name]) for name in names]

    def write(self, folder: Path | str) -> None:
        """Write the folder, with the records that hold windows; nothing appears unless all could be written.

        Raises InputError where the folder holds anything but an earlier window set.
        """
        require_replaceable(folder, FILES)
        used = set(self.windows["record"])
        with write_aside(folder) as aside:
            aside.mkdir()
            _write_table(self.windows, aside / "windows.parquet")
            if self.planted is not None:
                _write_table(self.planted, aside / "planted.parquet")
            self.genome.write(aside / "genome.fa", [record for record in self.genome.lengths if record in used])
            description = {"task": self.task, "source": self.source, "settings": self.settings}
            write_json(aside / DESCRIPTION, description)

    @classmethod
    def read(cls, folder: Path | str) -> "WindowSet":
        """Read a window set's folder.

        Raises InputError where a file is missing or damaged, lacks a column or holds another type in it, or where
        the windows differ in length. Whether coordinates and labels make sense is for the checks to say.
        """
        folder = Path(folder)
        task, source, settings = _read_description(folder / DESCRIPTION)
        path = folder / "windows.parquet"
        windows = _read_table(path, WINDOW_COLUMNS[task])
        lengths = (windows["win_end"] - windows["win_start"]).unique()
        if len(lengths) != 1 or lengths[0] <= 0:
            raise InputError(f"{path}: windows must have one positive length, found {sorted(lengths.tolist())[:5]}")
        planted = folder / "planted.parquet"
        truth = _read_table(planted, PLANTED_COLUMNS) if planted.exists() else None
        return cls(task, windows, Genome.open(folder / "genome.fa"), source, settings, truth)


def _write_table(table: pd.DataFrame, path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, compression="zstd")


def _read_description(path: Path) -> tuple[Task, str, dict[str, Any]]:
    if not path.parent.is_dir() or not path.exists():
        raise InputError(f"{path}: no such file; a window set is a folder written by `contactlens import windows`")
    require_file(path)
    try:
        found = read_json(path)
        task, source, settings = found["task"], found["source"], found["settings"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not the description of a window set ({type(error).__name__}: {error})") from error
    if task not in list(WINDOW_COLUMNS) or not isinstance(source, str) or not isinstance(settings, dict):
        problem = f"task must be {' or '.join(WINDOW_COLUMNS)}, source a text, settings a mapping"
        raise InputError(f"{path}: {problem}; found {task!r}, {source!r}, {type(settings).__name__}")
    return task, source, settings


def _read_table(path: Path, columns: Kinds) -> pd.DataFrame:
    table = read_parquet(path, check=partial(require_distinct, path)).to_pandas(ignore_metadata=True)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(map(repr, missing))}; it has {', '.join(table.columns)}")
    for name, kind in columns.items():
        _require_kind(path, table[name], kind)
    if table.empty and columns is not PLANTED_COLUMNS:
        raise InputError(f"{path}: no rows")
    return table


def _require_kind(path: Path, column: pd.Series, kind: type) -> None:
    empty = column.isna().to_numpy()
    if empty.any():
        raise InputError(
            f"{path}, column {column.name!r}: {empty.sum():,} cells are empty, first in row {empty.argmax() + 1}"
        )
    right = pd.api.types.is_string_dtype(column) if kind is str else column.dtype == np.int64
    if not right and not (kind is str and column.empty):
        expected = "text" if kind is str else "int64"
        raise InputError(f"{path}, column {column.name!r}: expected {expected}, found {column.dtype}")
