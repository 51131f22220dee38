"""Integrated gradients from bases that are no base in particular, of a window or of one region at a time."""

import torch
from torch import Tensor, nn

from contactlens.attribution.centring import centred
from contactlens.dna.data.tokens import BASES
from contactlens.dna.explanation.methods import AttributionSettings
from contactlens.dna.explanation.methods.lrp import frozen, known_bases, one_hot_tokens


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
