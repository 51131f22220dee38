"""Windows as the tensors a model takes: a batch of them, or any number whose bases are read batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from contactlens.dna.data.tokens import encode, reverse_complement_ids, unknown_as_pad

if TYPE_CHECKING:
    from contactlens.dna.data.genome import Genome
    from contactlens.dna.data.window_set import WindowSet

REGIONS = {"pair": ("enhancer", "promoter"), "region": ("region",)}
ELEMENT_BOUNDS = {"enhancer": ("enh_rel_start", "enh_rel_end"), "promoter": ("prom_rel_start", "prom_rel_end")}
Rows = Sequence[int] | Tensor
DIGESTED = 64  # windows of which a digest is made at once
KEPT_BASES = 2**25  # of windows that are read once for all; more of them stay in their genome


@dataclass(frozen=True)
class WindowBatch:
    """B windows of L bases.

    ids: (B, L) int64 tokens, N as [PAD]
    regions: (B, R, L) bool; R = 2 for pairs (enhancer, promoter), R = 1 for regions (the whole window)
    label: (B,) float32, 0 or 1
    """

    ids: Tensor
    regions: Tensor
    label: Tensor
    window_ids: list[str]

    def __len__(self) -> int:
        return len(self.window_ids)

    @property
    def length(self) -> int:
        return self.ids.shape[1]

    def select(self, rows: Rows) -> "WindowBatch":
        index = torch.as_tensor(rows, dtype=torch.long)
        names = [self.window_ids[i] for i in index.tolist()]
        index = index.to(self.ids.device)
        return WindowBatch(self.ids[index], self.regions[index], self.label[index], names)

    def read(self, rows: Rows) -> "WindowBatch":
        """As `StoredWindows.read`: here the bases are in memory already."""
        return self.select(rows)

    def to(self, device: torch.device | str) -> "WindowBatch":
        return WindowBatch(self.ids.to(device), self.regions.to(device), self.label.to(device), self.window_ids)

    def reverse_complement(self) -> "WindowBatch":
        """The same windows read from the other strand, with mirrored regions."""
        return WindowBatch(reverse_complement_ids(self.ids), self.regions.flip(-1), self.label, self.window_ids)


class Windows(Protocol):
    """What training and prediction take: a `WindowBatch`, or `StoredWindows` of which only batches are in memory."""

    @property
    def label(self) -> Tensor: ...

    @property
    def window_ids(self) -> list[str]: ...

    @property
    def length(self) -> int: ...

    def __len__(self) -> int: ...

    def read(self, rows: Rows) -> WindowBatch: ...


@dataclass(frozen=True, eq=False)
class StoredWindows:
    """N windows of L bases, which stay in their genome until they are read: memory holds some 200 bytes a window, and
    the bases themselves where there are few.

    places: record, start and end of each
    bounds: (N, R, 2) int64, where each element starts and ends, from the window's first base
    label, window_ids: as of `WindowBatch`
    """

    genome: "Genome"
    places: list[tuple[str, int, int]]
    bounds: np.ndarray
    label: Tensor
    window_ids: list[str]

    def __len__(self) -> int:
        return len(self.window_ids)

    @property
    def length(self) -> int:
        _, start, end = self.places[0]
        return end - start

    def select(self, rows: Rows) -> "StoredWindows":
        index = torch.as_tensor(rows, dtype=torch.long)
        order = index.tolist()
        places, names = ([found[i] for i in order] for found in (self.places, self.window_ids))
        return StoredWindows(self.genome, places, self.bounds[order], self.label[index], names)

    def read(self, rows: Rows) -> WindowBatch:
        """Their bases. Raises InputError where a window lies outside of its record."""
        chosen = self.select(rows)
        kept = self._kept
        ids = chosen._ids() if kept is None else kept[torch.as_tensor(rows, dtype=torch.long).numpy()]
        position, bounds = np.arange(ids.shape[1]), chosen.bounds
        inside = (position >= bounds[..., :1]) & (position < bounds[..., 1:])
        return WindowBatch(
            torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(inside), chosen.label, chosen.window_ids
        )

    @cached_property
    def _kept(self) -> np.ndarray | None:
        return self._ids() if len(self) * self.length <= KEPT_BASES else None

    def _ids(self) -> np.ndarray:
        """Tokens (N, L) uint8."""
        return np.stack([unknown_as_pad(encode(self.genome.fetch(*place))) for place in self.places])


def stored(windows: "WindowSet", window_ids: Sequence[str] | None = None) -> StoredWindows:
    """The windows named, in that order (all, where none are named), to be read batch by batch."""
    chosen = windows if window_ids is None else windows.select(window_ids)
    table = chosen.windows
    first, last = (table[edge] - table["record_start"] for edge in ("win_start", "win_end"))
    places = list(zip(table["record"].tolist(), first.tolist(), last.tolist(), strict=True))
    if chosen.task == "pair":
        bounds = np.stack([table[list(ELEMENT_BOUNDS[name])].to_numpy() for name in REGIONS["pair"]], axis=1)
    else:
        bounds = np.stack([np.zeros(len(table), dtype=np.int64), (last - first).to_numpy()], axis=-1)[:, None]
    label = torch.from_numpy(table["label"].to_numpy(dtype=np.float32))
    return StoredWindows(chosen.genome, places, bounds, label, table["window_id"].tolist())


def batch_of(windows: "WindowSet", window_ids: Sequence[str] | None = None) -> WindowBatch:
    """The windows named, in that order (all, where none are named), in memory."""
    found = stored(windows, window_ids)
    return found.read(range(len(found)))


def contents(windows: Windows) -> Iterator[Tensor]:
    """All that a model is given of the windows, some at a time: what a digest of them is made from."""
    for rows in torch.arange(len(windows)).split(DIGESTED):
        batch = windows.read(rows)
        yield from (batch.ids.to(torch.uint8), batch.regions, batch.label)
