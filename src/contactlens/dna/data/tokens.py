"""Bases as the token ids of Caduceus' tokenizer, their complements, and back.

Source: the tokenizer published with the Caduceus checkpoints: one character, one token; what is no base is [UNK].
Torch is imported for tensors alone: splits and checks of windows read their letters.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

CLS, SEP, BOS, MASK, PAD, RESERVED, UNK, A, C, G, T, N = range(12)
BASES = (A, C, G, T)
VOCAB_SIZE = 16  # twelve tokens, padded to a multiple of eight

# Token -> token on the other strand; special tokens and padding are their own.
COMPLEMENT_LETTERS = str.maketrans("ACGT", "TGCA")
COMPLEMENT = np.arange(VOCAB_SIZE)
COMPLEMENT[[A, C, G, T]] = [T, G, C, A]

_IDS = np.full(256, UNK, dtype=np.uint8)
for _base, _id in zip("ACGTN", (A, C, G, T, N), strict=True):
    _IDS[[ord(_base), ord(_base.lower())]] = _id
_TOKEN_LETTERS = np.array(list("......?ACGTN...."))


def encode(sequence: str) -> np.ndarray:
    """Token ids (L,) uint8 of a sequence, without special tokens; case is ignored, R, Y, - and so on are [UNK]."""
    return _IDS[np.frombuffer(sequence.encode("latin-1", "replace"), dtype=np.uint8)]


def decode(ids: np.ndarray) -> str:
    """The sequence of ids (L,); [UNK] is `?`, every other special token `.`."""
    return "".join(_TOKEN_LETTERS[np.asarray(ids)])


def unknown_as_pad(ids: np.ndarray) -> np.ndarray:
    """N as [PAD], as Caduceus saw it in pre-training (its own N token occurred there only as a random replacement)."""
    return np.where(ids == N, np.asarray(PAD, dtype=ids.dtype), ids)


def reverse_complement_ids(ids: "Tensor") -> "Tensor":
    """The other strand of ids (..., L), read in its own direction."""
    import torch

    return torch.as_tensor(COMPLEMENT, device=ids.device)[ids.flip(-1)]


def one_hot_bases(ids: "Tensor") -> "Tensor":
    """(..., L) -> (..., L, 4) float32 in the order A, C, G, T; all zero where the token is no base."""
    import torch

    return torch.stack([(ids == base) for base in BASES], dim=-1).float()


LEAST_COPY_BP = 20  # of bases that are there twice because one is a copy: shorter ones are alike by chance in a genome


def one_strand(bases: str) -> str:
    """The bases on the strand that sorts first, so that both strands of an element are one."""
    return min(bases, bases.translate(COMPLEMENT_LETTERS)[::-1])
