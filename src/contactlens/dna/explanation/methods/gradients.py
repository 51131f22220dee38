"""Plain gradients of the score by the bases."""

import torch
from torch import Tensor, nn

from contactlens.attribution.centring import centred
from contactlens.dna.data.tokens import BASES
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.methods.lrp import frozen, known_bases, one_hot_tokens


def input_x_gradient(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """Gradient of the score by each one-hot base, in the score's unit per base: the base's embedding times the
    embedding's gradient, of both strands.
    """
    x = one_hot_tokens(model, ids).requires_grad_()
    with frozen(model):
        score = model.forward_one_hot(x, regions)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(score.sum(), x)
    return gradient[..., list(BASES)] * known_bases(ids).unsqueeze(-1)


def saliency(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """`input_x_gradient` minus its mean over the four bases of a place, with its sign.

    Bases live on a simplex: the component of the gradient common to all four points out of it and says nothing about
    sequence. Source: Majdandzic et al., Genome Biology 24 (2023) 109.
    """
    return centred(input_x_gradient(model, ids, regions, settings))
