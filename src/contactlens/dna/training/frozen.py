"""What frozen blocks give, on disk: they run once, and every epoch reads it. Needs torch and numpy alone."""

import math
import shutil
from pathlib import Path

import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.base.progress import counting
from contactlens.dna.data.batch import Windows
from contactlens.dna.models.caduceus.strands import StrandBackbone


def require_room(folder: Path, n_windows: int, length: int, backbone: StrandBackbone) -> None:
    """InputError where what is kept would not fit on the disk, before hours are spent on it."""
    needed = n_windows * math.prod(_shape(backbone, length)) * backbone.embedding.weight.element_size()
    free = free_bytes(folder)
    if needed > free:
        raise InputError(
            f"dna.fine_tune.cache_frozen: {n_windows:,} windows of {length:,} bp take {needed / 2**30:,.1f} GiB in"
            f" {folder}, where {free / 2**30:,.1f} GiB are free; set it to false"
        )


def free_bytes(folder: Path) -> int:
    """Of the disk that holds the folder, whether or not that is there yet."""
    there = next(part for part in (folder.absolute(), *folder.absolute().parents) if part.exists())
    return shutil.disk_usage(there).free


def _shape(backbone: StrandBackbone, length: int) -> tuple[int, int, int]:
    return (2, length, backbone.config.d_model)


class FrozenStates:
    """`backbone.prefix` of the first `n_frozen` blocks for N windows, (N, 2, L, d), in one file.

    Memory holds no more of it than the rows that are read. A whole file of that name is taken as it is; a run that was
    killed while it wrote one leaves none.
    """

    def __init__(self, path: Path, windows: Windows, backbone: StrandBackbone, n_frozen: int, batch_size: int) -> None:
        self.path, self.shape = path, _shape(backbone, windows.length)
        self.dtype = backbone.embedding.weight.dtype
        self.row_bytes = math.prod(self.shape) * self.dtype.itemsize
        if not (path.is_file() and path.stat().st_size == len(windows) * self.row_bytes):
            self._fill(windows, backbone, n_frozen, batch_size)

    @torch.no_grad()
    def _fill(self, windows: Windows, backbone: StrandBackbone, n_frozen: int, batch_size: int) -> None:
        device, n = backbone.embedding.weight.device, len(windows)
        with write_aside(self.path) as aside, aside.open("wb") as file, counting("windows cached", n) as count:
            for rows in torch.arange(n).split(batch_size):
                states = backbone.prefix(windows.read(rows).ids.to(device), n_frozen).to(self.dtype)
                file.write(states.cpu().contiguous().view(torch.uint8).numpy().data)
                count.to(int(rows[-1]) + 1)

    def read(self, rows: Tensor) -> Tensor:
        """Of the rows (B,): (B, 2, L, d), on the CPU."""
        found = torch.empty((len(rows), *self.shape), dtype=self.dtype)
        places = found.flatten(1).view(torch.uint8).numpy()  # (B, bytes of a row)
        with self.path.open("rb") as file:
            for place, row in zip(places, rows.tolist(), strict=True):
                file.seek(row * self.row_bytes)
                if file.readinto(place.data) != self.row_bytes:
                    raise InputError(f"{self.path}: cut short, at window {row}; delete it and start again")
        return found
