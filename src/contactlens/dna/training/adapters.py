"""Low-rank adapters: frozen blocks learn by a product of two thin matrices that is added to the weights of their
projections.

W + B A with A (rank, columns) drawn and B (rows, rank) 0 at the start, so that training starts from the network as it
is. Source: Hu et al. 2021, "LoRA" (arXiv 2106.09685), with alpha = rank. Needs torch alone.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations


class LowRank(nn.Module):
    """A weight (rows, ...) with the product added; its further axes count as one."""

    def __init__(self, weight: Tensor, rank: int, random: torch.Generator) -> None:
        super().__init__()
        columns = weight[0].numel()
        drawn = torch.randn(rank, columns, generator=random) / columns**0.5
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view_as(weight)


def adapted_layers(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    """The linear layers and the convolutions over all channels, each once: projections that two directions share are
    one layer. A convolution of each channel by itself has no rank to spare."""
    layers = dict.fromkeys(layer for block in blocks for layer in block.modules())
    return [layer for layer in layers if isinstance(layer, nn.Linear) or _mixes_channels(layer)]


def _mixes_channels(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv1d) and layer.groups == 1


@contextmanager
def adapters(blocks: Iterable[nn.Module], rank: int, seed: int) -> Iterator[None]:
    """Adapters of `rank` on the blocks' layers; none where it is 0. At the end they are part of the weights, so that a
    model is saved, explained and served as any other.
    """
    layers = adapted_layers(blocks) if rank else []
    random = torch.Generator().manual_seed(seed)
    for layer in layers:
        assert isinstance(layer.weight, Tensor)
        register_parametrization(layer, "weight", LowRank(layer.weight, rank, random))
    try:
        yield
    finally:
        for layer in layers:
            remove_parametrizations(layer, "weight")
