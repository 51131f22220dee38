"""A model whose score is known in closed form: what a planted word is worth in each element, on either strand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contactlens.dna.data.tokens import BASES, COMPLEMENT_LETTERS

WORD = "GATTACAC"
WORTH = (2.0, 0.5)  # of a word in the first element, and in the second


def other_strand(bases: str) -> str:
    return bases.translate(COMPLEMENT_LETTERS)[::-1]


def worth(bases: str, elements: tuple[tuple[int, int], ...]) -> float:
    """The score, counted letter by letter."""
    total = 0.0
    for value, (start, end) in zip(WORTH, elements, strict=False):
        inside = bases[start:end]
        places = range(len(inside) - len(WORD) + 1)
        total += value * sum(inside[i : i + len(WORD)] in (WORD, other_strand(WORD)) for i in places)
    return total


class WordModel(nn.Module):
    """ids (B, L) or one-hot tokens (B, L, 16), and regions (B, R, L) -> score (B,): words that lie inside, by worth."""

    def __init__(self) -> None:
        super().__init__()
        letters = torch.tensor([[[base == letter for base in word] for letter in "ACGT"] for word in self.words()])
        self.register_buffer("filters", letters.double())
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    @staticmethod
    def words() -> tuple[str, str]:
        return WORD, other_strand(WORD)

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        return self.forward_one_hot(F.one_hot(ids, 16).double(), regions)

    def forward_one_hot(self, x: Tensor, regions: Tensor) -> Tensor:
        n = len(WORD)
        matched = F.conv1d(x[..., list(BASES)].transpose(1, 2).double(), self.filters)  # (B, 2, L - n + 1)
        found = F.relu(matched - n + 1).sum(1)
        whole = regions.double().unfold(-1, n, 1).prod(-1)  # (B, R, L - n + 1)
        values = torch.tensor(WORTH[: regions.shape[1]], dtype=torch.float64)
        return self.scale * ((found[:, None] * whole).sum(-1) * values).sum(-1)
