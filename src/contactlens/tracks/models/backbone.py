"""What every backbone takes and gives, so that the model around it need not know which one it is."""

from typing import NamedTuple

from torch import Tensor, nn

from contactlens.tracks.simulation.loading_grid import LoadingGrid


class BackboneOutput(NamedTuple):
    """features (B, C, T): what the head predicts from at every frame; of a backbone with latents, whose decoder ends in
    a head of its own, the prediction (B, 2, T)
    logits (B, (lead + T) k): log odds of a one in every bin of the latents' grid; None without latents
    correction (B, T): what a decoder of latents adds to the polymerases' own signal, in units of the standardised
        signal; None without latents
    """

    features: Tensor
    logits: Tensor | None = None
    correction: Tensor | None = None


class Backbone(nn.Module):
    """Called as `backbone(x (B, C, T), observed (B, T), context)`, the context only where there is one; gives a
    `BackboneOutput`.

    has_attention: whether `attention` is there
    grid, prior: where its latents lie, and the probability of a one in a bin before the data; None without latents
    """

    has_attention = False
    grid: LoadingGrid | None = None
    prior: float | None = None

    def attention(self, x: Tensor, observed: Tensor) -> Tensor:
        """Weights of every layer and head, (B, layers, heads, T, T)."""
        raise ValueError("this model has no attention")

    def latent(self, x: Tensor, observed: Tensor) -> Tensor:
        """Probability of a one in each bin of the frames, (B, T k)."""
        raise ValueError("this model has no latents")
