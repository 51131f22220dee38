"""Contributions of any number of windows, made and kept part by part: memory holds one part, and a kill costs one."""

import copy
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
from contactlens.dna.explanation.memory import give_back
from contactlens.dna.explanation.methods import AttributionSettings, attribute
from contactlens.dna.explanation.methods.mutagenesis import scores
from contactlens.dna.explanation.references import REFERENCES, reference_table
from contactlens.dna.explanation.shuffles import shuffled
from contactlens.training.state import fingerprint, source_digest

Array = np.ndarray
LEAST_PART = 16  # windows, in whole passes of the model
PART = "part"  # a piece's folder of results: it is there once they are whole
CODE = ("data/*.py", "explanation/**/*.py", "models/**/*.py")  # what decides contributions, of this branch

Work = Callable[[Any, Any, Path], None]
Runner = Callable[[Work, Sequence[tuple[Any, Path]], Any, str], None]
"""(work, pieces with the folder of each, shared, what): calls `work(piece, shared, folder)` for each of them, in any
order and in any process; `what` names the pieces where they are counted."""


def in_turn(work: Work, pieces: Sequence[tuple[Any, Path]], shared: Any, what: str) -> None:
    """The `Runner` of one process."""
    for piece, own in counted(pieces, what):
        work(piece, shared, own)


def _whole(
    work: Work, parts: Sequence[list[list[int]]], shared: Any, homes: Sequence[Path], what: str, run: Runner
) -> list[list[Path]]:
    """Folders of the results of each set's parts, in order; those that are there already are not made again.

    All sets' parts are run by one call, so that many sets of a few parts each keep several workers busy too. A piece
    is the number of its set and its rows there.
    """
    folders = [[home.absolute() / f"{n:03d}" for n in range(len(own))] for home, own in zip(homes, parts, strict=True)]
    pieces = [(number, rows) for number, own in enumerate(parts) for rows in own]
    pairs = zip(pieces, (folder for own in folders for folder in own), strict=True)
    waiting = [pair for pair in pairs if not (pair[1] / PART).is_dir()]
    if waiting:
        largest = max(len(rows) for _, rows in pieces)
        run(work, waiting, shared, f"parts of {largest} windows {what}")
    return folders


class Sent:
    """A model that another process unpickles on its own device of the same kind, with torch set as here."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        device = next(self.model.parameters()).device.type
        model = self.model if device == "cpu" else copy.deepcopy(self.model).cpu()
        return _received, (model, device, torch.are_deterministic_algorithms_enabled())


def _received(model: nn.Module, device: str, deterministic: bool) -> Sent:
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    return Sent(model.to(device))


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
    several: Sequence[Windows],
    logits: Sequence[Array],
    method: str,
    settings: AttributionSettings,
    homes: Sequence[Path],
    run: Runner = in_turn,
) -> list[AttributionParts]:
    """Contributions by one method to the logits (N,) of each of several sets of windows; parts that are whole are not
    made again.

    homes: a folder for each set, for its windows and this model alone, see `digest`
    """
    parts = [parts_of(windows, settings) for windows in several]
    shared = (Sent(model), several, logits, method, settings)
    own_homes = [home / method for home in homes]
    folders = _whole(_attribute_part, parts, shared, own_homes, f"attributed by {method}", run)
    return [
        _gathered(windows, own_logits, method, own_folders, own_parts)
        for windows, own_logits, own_folders, own_parts in zip(several, logits, folders, parts, strict=True)
    ]


def _gathered(
    windows: Windows, logits: Array, method: str, folders: list[Path], parts: list[list[int]]
) -> AttributionParts:
    values = np.concatenate([np.load(_file(own, "references"), allow_pickle=False) for own in folders])
    names = np.array(windows.window_ids, dtype=np.str_)
    references = pd.DataFrame(values, columns=REFERENCES[2:])
    if len(references):
        references = references.assign(method=method, window_id=names)
    return AttributionParts(
        folders, list(map(len, parts)), names, logits, windows.length, references.reindex(columns=REFERENCES)
    )


def _attribute_part(piece: tuple[int, Rows], shared: Any, folder: Path) -> None:
    (number, rows), (sent, several, logits, method, settings) = piece, shared
    batch = several[number].read(rows).to(next(sent.model.parameters()).device)
    found = attributed(sent.model, batch, logits[number][rows], method, settings)
    table = reference_table(sent.model, batch, {method: found}, settings)
    with write_aside(folder / PART) as aside:
        aside.mkdir()
        np.save(aside / "hypothetical.npy", found.hypothetical.astype(np.float32, copy=False))
        np.save(aside / "one_hot.npy", found.one_hot)
        np.save(aside / "references.npy", table[REFERENCES[2:]].to_numpy(dtype=np.float64))
    give_back()


def score_parts(
    model: nn.Module,
    several: Sequence[Windows],
    settings: AttributionSettings,
    copies: int,
    homes: Sequence[Path],
    run: Runner = in_turn,
) -> list[tuple[Array, Array]]:
    """For each of several sets of windows the model's score of each (N,), as `scored`, and of `copies` shuffles of each
    (N, copies); parts are kept in `homes` as those of `attribute_parts`."""
    parts = [parts_of(windows, settings) for windows in several]
    shared = (Sent(model), several, settings, copies)
    folders = _whole(_score_part, parts, shared, [home / f"scores_{copies}" for home in homes], "scored", run)
    found = [np.concatenate([np.load(_file(own, "scores"), allow_pickle=False) for own in one]) for one in folders]
    return [(values[:, 0], values[:, 1:]) for values in found]


def _score_part(piece: tuple[int, Rows], shared: Any, folder: Path) -> None:
    (number, rows), (sent, several, settings, copies) = piece, shared
    batch = several[number].read(rows).to(next(sent.model.parameters()).device)
    everywhere = torch.ones_like(batch.ids, dtype=torch.bool)
    found = [scores(sent.model, batch.ids, batch.regions, settings.rows_per_pass)]
    for draw in range(copies):
        ids = shuffled(batch.ids, everywhere, draw)
        found.append(scores(sent.model, ids, batch.regions, settings.rows_per_pass))
    with write_aside(folder / PART) as aside:
        aside.mkdir()
        np.save(aside / "scores.npy", torch.stack(found, dim=-1).double().cpu().numpy())
