"""Rules for Captum's layer-wise relevance propagation, which has none for Conv1d.

Captum hands relevance R itself from layer to layer, so what a network does between its modules (add, concatenate,
pool, interpolate) gets gradients of R and loses or gains relevance. Here each activation a carries R / a instead:
that quantity follows the ordinary chain rule through every linear operation and through a rectifier, module or not
(Ancona et al., ICLR 2018, proposition 1), and the epsilon rule is one factor at each layer's output. Relevance is
made of it where the input enters and from the output where it leaves.

Imported where it is used, as Captum takes seconds to import.
"""

import copy
from collections.abc import Callable

import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from contactlens.attribution.reach import Model

EPSILON = 0.05
"""Of the epsilon rule, as a share of the root mean square of a layer's output for one input."""

Hook = Callable[[Tensor], Tensor]


class Rectifier(nn.ReLU):
    """A rectifier with its own gradient; Captum lets all relevance pass a plain nn.ReLU."""


class Unchanged(EpsilonRule):
    """R / a follows the chain rule: for modules without weights."""

    def _create_backward_hook_input(self, inputs: Tensor) -> Hook:
        return lambda gradient: gradient

    def _create_backward_hook_output(self, outputs: Tensor) -> Hook:
        return lambda gradient: gradient


class Layer(Unchanged):
    """The epsilon rule for a linear layer z = w a + b: what its inputs get of R is |z| / (|z| + epsilon) of it."""

    def _create_backward_hook_output(self, outputs: Tensor) -> Hook:
        size = outputs.abs()
        typical = size.flatten(1).square().mean(dim=1).sqrt().view(-1, *[1] * (size.ndim - 1))
        share = size / (size + EPSILON * typical).clamp_min(torch.finfo(size.dtype).tiny)
        return lambda gradient: gradient * share


class Entry(Unchanged):
    """Where the input enters: from R / a to R."""

    def _create_backward_hook_input(self, inputs: Tensor) -> Hook:
        return lambda gradient: gradient * inputs


class Exit(Unchanged):
    """Where the output leaves: from R to R / a. Captum starts with R = 1 and scales the result by the output."""

    def _create_backward_hook_output(self, outputs: Tensor) -> Hook:
        return EpsilonRule._create_backward_hook_output(self, outputs)


class Enclosed(nn.Module):
    """A model between a place where relevance begins and one where it ends."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.entry, self.model, self.exit = nn.Identity(), model, nn.Identity()

    def forward(self, x: Tensor, *extra: Tensor) -> Tensor:
        return self.exit(self.model(self.entry(x), *extra))


def with_rules(model: Model) -> nn.Module:
    """A copy of `model` for one call of Captum's LRP, with a rule on each of its modules."""
    assert isinstance(model, nn.Module)
    enclosed = Enclosed(copy.deepcopy(model))
    for parent in list(enclosed.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.ReLU:
                setattr(parent, name, Rectifier())
    for module in enclosed.modules():
        if not list(module.children()):
            module.rule = Layer() if isinstance(module, nn.Conv1d | nn.Linear) else Unchanged()
    enclosed.entry.rule, enclosed.exit.rule = Entry(), Exit()
    return enclosed
