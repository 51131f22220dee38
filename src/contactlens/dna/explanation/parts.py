"""Contributions of any number of windows, made and kept part by part: memory holds one part, and a kill costs one."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from contactlens.base.files import write_aside
from contactlens.base.progress import counted
from contactlens.dna.data.batch import Rows, WindowBatch, Windows, contents
from contactlens.dna.data.tokens import one_hot_bases
from contactlens.dna.explanation.attributions import Attributions
from contactlens.dna.explanation.methods import AttributionSettings, attribute
from contactlens.dna.explanation.methods.mutagenesis import scores
from contactlens.dna.explanation.references import REFERENCES, reference_table
from contactlens.training.state import fingerprint, source_digest

Array = np.ndarray
LEAST_PART = 16  # windows, in whole passes of the model
PART = "part"  # a piece's folder of results: it is there once they are whole
CODE = ("data/*.py", "explanation/**/*.py", "models/**/*.py")  # what decides contributions, of this branch

Runner = Callable[[Callable[[Any, Any, Path], None], Sequence[Any], Any, Path, str], list[Path]]
"""(work, pieces, shared, folder, what): calls `work(piece, shared, own folder)` for each piece that has not ended yet,
and gives their folders, in order; `what` names the pieces where they are counted."""


def in_turn(
    work: Callable[[Any, Any, Path], None], pieces: Sequence[Any], shared: Any, folder: Path, what: str
) -> list[Path]:
    """The `Runner` of one process."""
    folders = [folder / f"{number:03d}" for number in range(len(pieces))]
    for piece, own in counted(list(zip(pieces, folders, strict=True)), what):
        if not (own / PART).is_dir():
            work(piece, shared, own)
    return folders


@dataclass(frozen=True, eq=False)
class AttributionParts:
    """Contributions by one method to N windows of L bases, in folders of consecutive windows.

    sizes: windows of each folder; references: `reference_table` of all
    home: kept for as long as these are in use, such as a temporary folder around them
    """

    folders: list[Path]
    sizes: list[int]
    window_ids: Array
    logits: Array
    length: int
    references: pd.DataFrame
    home: Any = None

    def pieces(self) -> Iterator[Attributions]:
        """Part by part, in the order of the windows."""
        first = 0
        for folder, size in zip(self.folders, self.sizes, strict=True):
            own = slice(first, first + size)
            arrays = (np.load(_file(folder, name), allow_pickle=False) for name in ("hypothetical", "one_hot"))
            yield Attributions(self.window_ids[own], self.logits[own], *arrays)
            first += size

    def row(self, row: int) -> tuple[Array, Array]:
        """`hypothetical` and `one_hot` (L, 4) of one window, read alone."""
        part, place = divmod(row, self.sizes[0])
        found = (np.load(_file(self.folders[part], one), mmap_mode="r")[place] for one in ("hypothetical", "one_hot"))
        hypothetical, one_hot = map(np.array, found)
        return hypothetical, one_hot

    def load(self) -> Attributions:
        """All of them, in memory."""
        found = list(self.pieces())
        hypothetical, one_hot = (
            np.concatenate([getattr(one, name) for one in found]) for name in ("hypothetical", "one_hot")
        )
        return Attributions(self.window_ids, self.logits, hypothetical, one_hot)


def _file(folder: Path, name: str) -> Path:
    return folder / PART / f"{name}.npy"


def attributed(
    model: nn.Module, batch: WindowBatch, logits: Array, method: str, settings: AttributionSettings
) -> Attributions:
    """Contributions by one method to the logits (N,) of the windows, in memory."""
    one_hot = one_hot_bases(batch.ids).cpu().numpy().astype(np.uint8)
    hypothetical = attribute(model, batch.ids, batch.regions, method, settings)
    return Attributions(np.array(batch.window_ids, dtype=np.str_), logits, hypothetical, one_hot)


def parts_of(windows: Windows, settings: AttributionSettings) -> list[list[int]]:
    """Rows of each part: whole passes, so that the model sees the batches that it would see of all windows at once."""
    passes = settings.rows_per_pass
    return [rows.tolist() for rows in torch.arange(len(windows)).split(passes * -(-LEAST_PART // passes))]


def by_parts(model: nn.Module, windows: Windows, settings: AttributionSettings) -> Iterator[WindowBatch]:
    """The windows on the model's device, part by part."""
    device = next(model.parameters()).device
    for rows in parts_of(windows, settings):
        yield windows.read(rows).to(device)


def scored(model: nn.Module, windows: Windows, settings: AttributionSettings) -> Array:
    """The model's score (N,) float64 of each window."""
    found, done = np.empty(len(windows)), 0  # in one piece: tensors kept one by one leave holes in memory
    for batch in by_parts(model, windows, settings):
        own = scores(model, batch.ids, batch.regions, settings.rows_per_pass)
        found[done : done + len(batch)] = own.cpu().numpy()
        done += len(batch)
    return found


def digest(model: nn.Module, windows: Windows, settings: AttributionSettings) -> str:
    """Of all that decides contributions but the method."""
    code = source_digest(Path(__file__).parents[1], CODE)
    described = (fingerprint(model.state_dict().values()), fingerprint(contents(windows)), windows.window_ids)
    return hashlib.sha256(repr((repr(model), described, settings, code)).encode()).hexdigest()[:16]


def attribute_parts(
    model: nn.Module,
    windows: Windows,
    logits: Array,
    method: str,
    settings: AttributionSettings,
    folder: Path,
    run: Runner = in_turn,
) -> AttributionParts:
    """Contributions by one method to the logits (N,) of windows; parts that are whole in `folder` are not made again.

    folder: for these windows and this model alone, see `digest`
    """
    parts = parts_of(windows, settings)
    what = f"parts of {len(parts[0])} windows attributed by {method}"
    folders = run(_attribute_part, parts, (model, windows, logits, method, settings), folder / method, what)
    values = np.concatenate([np.load(_file(own, "references"), allow_pickle=False) for own in folders])
    names = np.array(windows.window_ids, dtype=np.str_)
    references = pd.DataFrame(values, columns=REFERENCES[2:])
    if len(references):
        references = references.assign(method=method, window_id=names)
    return AttributionParts(
        folders, list(map(len, parts)), names, logits, windows.length, references.reindex(columns=REFERENCES)
    )


def _attribute_part(rows: Rows, shared: Any, folder: Path) -> None:
    model, windows, logits, method, settings = shared
    batch = windows.read(rows).to(next(model.parameters()).device)
    found = attributed(model, batch, logits[rows], method, settings)
    table = reference_table(model, batch, {method: found}, settings)
    with write_aside(folder / PART) as aside:
        aside.mkdir()
        np.save(aside / "hypothetical.npy", found.hypothetical.astype(np.float32, copy=False))
        np.save(aside / "one_hot.npy", found.one_hot)
        np.save(aside / "references.npy", table[REFERENCES[2:]].to_numpy(dtype=np.float64))
