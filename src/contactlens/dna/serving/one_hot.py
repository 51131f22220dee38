"""A model as other tools of the field take it: one-hot sequences (B, 4, L) in, logits (B, 1) out.

Such tools (tangermeme, Captum, bpnet-lite) know no regions: they are fixed here, and the same for every sequence.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.dna.data.shown import Bounds
from contactlens.dna.data.tokens import BASES, PAD, VOCAB_SIZE


class AsOneHot(nn.Module):
    """X (B, 4, L) in the order A, C, G, T -> logit (B, 1), differentiable in X.

    A column of zeros is an unknown base, as N is for the model; weights that sum to less than 1 are partly unknown.
    model: a `WindowClassifier`, or what has its `forward_one_hot(x, regions)`
    regions: (R, L) bool, or [start, end) of each element with `length`, in the order of the model's elements

    Raises InputError where the regions are no such array, and for sequences of another length.
    """

    regions: Tensor

    def __init__(self, model: nn.Module, regions: Tensor | Sequence[Bounds], length: int | None = None) -> None:
        super().__init__()
        self.model = model
        if not isinstance(regions, Tensor):
            if length is None:
                raise InputError("AsOneHot: bounds of elements need the `length` of the sequences")
            place = torch.arange(length)
            regions = torch.stack([(place >= start) & (place < end) for start, end in regions])
        if regions.ndim != 2 or not regions.any(-1).all():
            raise InputError(
                f"AsOneHot: regions must be (elements, bases), none of them empty; got {tuple(regions.shape)}"
            )
        self.register_buffer("regions", regions.bool(), persistent=False)

    def forward(self, X: Tensor) -> Tensor:
        length = self.regions.shape[-1]
        if X.ndim != 3 or X.shape[1:] != (len(BASES), length):
            raise InputError(f"AsOneHot: sequences must be (batch, 4, {length}), got {tuple(X.shape)}")
        X = X.to(next(self.model.parameters()).dtype).transpose(1, 2)  # (B, L, 4)
        x = X.new_zeros(*X.shape[:2], VOCAB_SIZE)
        x[..., list(BASES)] = X
        x[..., PAD] = 1 - X.sum(-1)
        regions = self.regions.expand(len(X), *self.regions.shape)
        logit: Tensor = self.model.forward_one_hot(x, regions)  # type: ignore[operator]
        return logit[:, None]
