"""Windows as the tensors a model takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from contactlens.dna.data.tokens import encode, reverse_complement_ids, unknown_as_pad

if TYPE_CHECKING:
    from contactlens.dna.data.window_set import WindowSet

REGIONS = {"pair": ("enhancer", "promoter"), "region": ("region",)}
ELEMENT_BOUNDS = {"enhancer": ("enh_rel_start", "enh_rel_end"), "promoter": ("prom_rel_start", "prom_rel_end")}


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

    def select(self, rows: Sequence[int] | Tensor) -> "WindowBatch":
        index = torch.as_tensor(rows, dtype=torch.long)
        names = [self.window_ids[i] for i in index.tolist()]
        index = index.to(self.ids.device)
        return WindowBatch(self.ids[index], self.regions[index], self.label[index], names)

    def to(self, device: torch.device | str) -> "WindowBatch":
        return WindowBatch(self.ids.to(device), self.regions.to(device), self.label.to(device), self.window_ids)

    def reverse_complement(self) -> "WindowBatch":
        """The same windows read from the other strand, with mirrored regions."""
        return WindowBatch(reverse_complement_ids(self.ids), self.regions.flip(-1), self.label, self.window_ids)


def batch_of(windows: "WindowSet", window_ids: Sequence[str] | None = None) -> WindowBatch:
    """The windows named, in that order (all, where none are named)."""
    chosen = windows if window_ids is None else windows.select(window_ids)
    ids = np.stack([unknown_as_pad(encode(sequence)) for sequence in chosen.sequences()])
    table = chosen.windows
    regions = np.ones((len(table), 1, ids.shape[1]), dtype=bool)
    if chosen.task == "pair":
        position = np.arange(ids.shape[1])
        bounds = [table[list(ELEMENT_BOUNDS[name])].to_numpy() for name in REGIONS["pair"]]
        inside = [(position >= bound[:, :1]) & (position < bound[:, 1:]) for bound in bounds]
        regions = np.stack(inside, axis=1)
    return WindowBatch(
        ids=torch.from_numpy(ids.astype(np.int64)),
        regions=torch.from_numpy(regions),
        label=torch.from_numpy(table["label"].to_numpy(dtype=np.float32)),
        window_ids=table["window_id"].tolist(),
    )
