"""The parts of windows that a model with a short context sees: each element with its flanks, by itself."""

from typing import NamedTuple

import torch
from torch import Tensor


class Pieces(NamedTuple):
    """Elements whose pieces have one length P.

    window, element: (n,) row and element of each; places: (n, P) where its bases lie in the window
    """

    window: Tensor
    element: Tensor
    places: Tensor

    def of(self, x: Tensor) -> Tensor:
        """What x (B, L, ...) holds of each, (n, P, ...)."""
        return x[self.window[:, None], self.places]

    def inside(self, regions: Tensor) -> Tensor:
        """Of regions (B, R, L): which bases of a piece are its element's, (n, 1, P)."""
        return regions[self.window, self.element].gather(1, self.places).unsqueeze(1)


def pieces_of(regions: Tensor, context_bp: int) -> list[Pieces]:
    """The pieces of regions (B, R, L): from `context_bp` bases before an element to as many after it, as far as the
    window goes; those of one length together, the shortest first.

    A piece is no longer than that: with padding, its network's states would know how much of it there is, and a window
    and its reverse complement would no longer have one logit. An empty element has none.
    """
    window, element = regions.any(-1).nonzero(as_tuple=True)
    own, length = regions[window, element].to(torch.uint8), regions.shape[-1]  # (n, L)
    start = (own.argmax(-1) - context_bp).clamp(min=0)
    end = (length - own.flip(-1).argmax(-1) + context_bp).clamp(max=length)
    found = []
    for size in (end - start).unique().tolist():
        same = (end - start == size).nonzero().flatten()
        places = start[same, None] + torch.arange(size, device=regions.device)
        found.append(Pieces(window[same], element[same], places))
    return found
