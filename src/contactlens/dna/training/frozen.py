"""What frozen blocks give, on disk: they run once, and every epoch reads it. Needs torch and numpy alone."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.base.progress import counting
from contactlens.dna.data.batch import WindowBatch, Windows
from contactlens.dna.models.caduceus.strands import StrandBackbone
from contactlens.dna.models.pieces import Pieces, pieces_of


def cached_lengths(windows: Windows, context_bp: int | None, batch_size: int) -> np.ndarray:
    """Bases of each sequence that the blocks run on: the windows (N,), or where the context is short their elements'
    pieces (N, R), 0 for an empty element."""
    if context_bp is None:
        return np.full(len(windows), windows.length)
    found = []
    for rows in torch.arange(len(windows)).split(batch_size):
        regions = windows.read(rows).regions
        lengths = np.zeros(regions.shape[:2], dtype=np.int64)
        for pieces in pieces_of(regions, context_bp):
            lengths[pieces.window.numpy(), pieces.element.numpy()] = pieces.places.shape[1]
        found.append(lengths)
    return np.concatenate(found)


def require_room(folder: Path, lengths: Iterable[np.ndarray], n_windows: int, window_bp: int, base_bytes: int) -> None:
    """InputError where what is to be kept would not fit on the disk, before hours are spent on it.

    lengths: `cached_lengths` of the windows of each file that is not there yet
    base_bytes: what is kept of a base
    """
    needed, free = sum(int(one.sum()) for one in lengths) * base_bytes, free_bytes(folder)
    if needed > free:
        raise InputError(
            f"dna.fine_tune.cache_frozen: {n_windows:,} windows of {window_bp:,} bp take {needed / 2**30:,.1f} GiB in"
            f" {folder}, where {free / 2**30:,.1f} GiB are free; set it to false"
        )


def free_bytes(folder: Path) -> int:
    """Of the disk that holds the folder, whether or not that is there yet."""
    there = next(part for part in (folder.absolute(), *folder.absolute().parents) if part.exists())
    return shutil.disk_usage(there).free


def is_whole(path: Path, lengths: np.ndarray, base_bytes: int) -> bool:
    """Whether a file of that name holds all states, as one that was filled before does."""
    return path.is_file() and path.stat().st_size == int(lengths.sum()) * base_bytes


def base_bytes(backbone: StrandBackbone, dtype: torch.dtype) -> int:
    """Of a base's states on both strands."""
    return 2 * backbone.config.d_model * dtype.itemsize


class FrozenStates:
    """`backbone.prefix` of the first `n_frozen` blocks for N windows, (2, L, d) each, or for their elements' pieces, in
    one file.

    Memory holds no more of it than the rows that are read. A whole file of that name is taken as it is; a run that was
    killed while it wrote one leaves none.

    lengths: `cached_lengths` of the windows
    dtype: of the numbers in the file
    """

    def __init__(
        self,
        path: Path,
        windows: Windows,
        lengths: np.ndarray,
        context_bp: int | None,
        dtype: torch.dtype,
        backbone: StrandBackbone,
        n_frozen: int,
        batch_size: int,
    ) -> None:
        self.path, self.lengths, self.context_bp = path, lengths, context_bp
        self.d_model, self.dtype = backbone.config.d_model, dtype
        bytes_of_base = base_bytes(backbone, dtype)
        self.first = np.concatenate([[0], lengths.ravel().cumsum()]) * bytes_of_base  # byte of each sequence
        if not is_whole(path, lengths, bytes_of_base):
            self._fill(windows, backbone, n_frozen, batch_size)

    @torch.no_grad()
    def _fill(self, windows: Windows, backbone: StrandBackbone, n_frozen: int, batch_size: int) -> None:
        n = len(windows)
        with write_aside(self.path) as aside, aside.open("wb") as file, counting("windows cached", n) as count:
            for rows in torch.arange(n).split(batch_size):
                for states in self._in_order(windows.read(rows), backbone, n_frozen):
                    file.write(states.to(self.dtype).cpu().contiguous().view(torch.uint8).numpy().data)
                count.to(int(rows[-1]) + 1)

    def _in_order(self, batch: WindowBatch, backbone: StrandBackbone, n_frozen: int) -> Iterator[Tensor]:
        """Of the sequences of a batch, in their order in the file."""
        device = backbone.embedding.weight.device
        if self.context_bp is None:
            yield backbone.prefix(batch.ids.to(device), n_frozen)
            return
        found: dict[tuple[int, int], Tensor] = {}
        for pieces in pieces_of(batch.regions, self.context_bp):
            states = backbone.prefix(pieces.of(batch.ids).to(device), n_frozen)
            found.update(zip(zip(pieces.window.tolist(), pieces.element.tolist(), strict=True), states, strict=True))
        yield from (found[place] for place in sorted(found))

    def read(self, rows: Tensor, pieces: Pieces | None = None) -> Tensor:
        """Of the windows in these rows (B,): (B, 2, L, d); or of pieces of them, (n, 2, P, d). On the CPU, as kept."""
        sequences = rows.numpy()
        if pieces is not None:
            sequences = sequences[pieces.window.cpu().numpy()] * self.lengths.shape[1] + pieces.element.cpu().numpy()
        length = int(self.lengths.ravel()[sequences[0]])
        found = torch.empty((len(sequences), 2, length, self.d_model), dtype=self.dtype)
        places = found.flatten(1).view(torch.uint8).numpy()  # (n, bytes of a sequence)
        with self.path.open("rb") as file:
            for place, sequence in zip(places, sequences.tolist(), strict=True):
                file.seek(self.first[sequence])
                if file.readinto(place.data) != place.nbytes:
                    raise InputError(f"{self.path}: cut short, at sequence {sequence}; delete it and start again")
        return found
