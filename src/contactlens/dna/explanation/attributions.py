"""Contributions of bases to a model's score, by several methods behind one signature.

Every method gives *hypothetical* contributions (B, L, 4): what each of A, C, G, T would contribute at each place of a
window. The contribution of the base that is there is its own entry. Only bases have any: rows of N are zero.
A further method is one function and its entry in `METHODS`.

A model here is a module with `forward(ids, regions)` and `forward_one_hot(x, regions)`, both -> (B,).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contactlens.base.progress import counted
from contactlens.dna.data.tokens import BASES
from contactlens.dna.explanation.lrp import frozen, known_bases, one_hot_tokens, relevance
from contactlens.dna.explanation.mutagenesis import mutation_effects


@dataclass(frozen=True)
class AttributionSettings:
    """ig_steps: nodes of the path integral; rows_per_pass: most windows in one pass of the model (bounds memory)"""

    ig_steps: int
    rows_per_pass: int


AttributionFunction = Callable[[nn.Module, Tensor, Tensor, AttributionSettings], Tensor]
"""(model, ids (B, L), regions (B, R, L), settings) -> hypothetical contributions (B, L, 4)."""


def centred(hypothetical: Tensor) -> Tensor:
    """Minus the mean over A, C, G, T of each place, (..., 4)."""
    return hypothetical - hypothetical.mean(-1, keepdim=True)


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


def lrp(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """Layer-wise relevance propagation: `contactlens.dna.explanation.lrp`."""
    return relevance(model, ids, regions).hypothetical


def uniform_baseline(x: Tensor, ids: Tensor) -> Tensor:
    """One-hot tokens (B, L, vocab) with a quarter of each base in place of every base; other tokens stay."""
    quarter = torch.zeros_like(x[0, 0])
    quarter[list(BASES)] = 0.25
    return torch.where(known_bases(ids).unsqueeze(-1), quarter, x)


def integrated_gradients(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """Shares in the change of the score from the baseline of no base in particular (`uniform_baseline`).

    The baseline favours no base and needs no draws, so the contributions of the bases that are there add up to
    the score's change from it, up to the error of the integral. As hypothetical contributions: each base in place of
    the baseline along the mean gradient of the path, as in Shrikumar et al. 2018 (arXiv 1811.00416) for DeepLIFT.
    Source: Sundararajan et al., ICML 2017.
    """
    x = one_hot_tokens(model, ids)
    gradient = _path_gradient(model, x, uniform_baseline(x, ids), regions, settings)
    return centred(gradient[..., list(BASES)]) * known_bases(ids).unsqueeze(-1)


def region_baseline(x: Tensor, ids: Tensor, region: Tensor) -> Tensor:
    """One-hot tokens (B, L, vocab) with a quarter of each base in place of the bases of one region (B, L)."""
    return torch.where(region.unsqueeze(-1), uniform_baseline(x, ids), x)


def region_integrated_gradients(
    model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings
) -> Tensor:
    """Integrated gradients of one region at a time, the rest of the window as it is; zero outside of the regions.

    The contributions in a region add up to what the score loses without its bases. Where a score says how well two
    regions match, a path along which both of them fade says little: at its end they match again, and the change of the
    score, and with it the sum of the contributions, is near zero or of either sign. With one region, and no other base
    that counts, this is `integrated_gradients`. No base may lie in two regions.
    """
    x = one_hot_tokens(model, ids)
    gradient = torch.zeros_like(x)
    for region in regions.unbind(1):
        along = _path_gradient(model, x, region_baseline(x, ids, region), regions, settings)
        gradient = torch.where(region.unsqueeze(-1), along, gradient)
    return centred(gradient[..., list(BASES)]) * known_bases(ids).unsqueeze(-1)


def _path_gradient(
    model: nn.Module, x: Tensor, baseline: Tensor, regions: Tensor, settings: AttributionSettings
) -> Tensor:
    """Mean gradient (B, L, vocab) of the score on the straight path from the baseline to x."""
    from captum.attr import IntegratedGradients

    with frozen(model):
        return IntegratedGradients(model.forward_one_hot, multiply_by_inputs=False).attribute(
            x,
            baselines=baseline,
            additional_forward_args=(regions,),
            n_steps=settings.ig_steps,
            internal_batch_size=max(settings.rows_per_pass, len(x)),
        )


def mutagenesis(model: nn.Module, ids: Tensor, regions: Tensor, settings: AttributionSettings) -> Tensor:
    """In-silico mutagenesis of all bases inside the regions; zero outside of them.

    The effect of a base is relative to the mean of the four, so the base that is there gets minus the mean effect of
    replacing it. Three passes of the model a base: for small regions.
    """
    return centred(mutation_effects(model, ids, regions, regions.any(1), settings.rows_per_pass))


METHODS: dict[str, AttributionFunction] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "region_integrated_gradients": region_integrated_gradients,
    "lrp": lrp,
    "mutagenesis": mutagenesis,
}


def attribute(model: nn.Module, ids: Tensor, regions: Tensor, method: str, settings: AttributionSettings) -> np.ndarray:
    """Hypothetical contributions (N, L, 4) float32 of any number of windows, a batch at a time."""
    parts = list(zip(ids.split(settings.rows_per_pass), regions.split(settings.rows_per_pass), strict=True))
    shown = counted(parts, f"batches attributed by {method}")
    found = [METHODS[method](model, *part, settings).float().cpu() for part in shown]
    return torch.cat(found).numpy()


def actual_contributions(hypothetical: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
    """Contributions (N, L) of the bases that are there."""
    return (hypothetical * one_hot).sum(axis=-1)
