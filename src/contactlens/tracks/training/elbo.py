"""The objective of the Bernoulli VAE and its terms; every term is logged under the name it has here."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contactlens.tracks.models.bernoulli_latent import bernoulli_kl
from contactlens.tracks.models.bernoulli_vae import VaeOutput
from contactlens.tracks.training.likelihood import gaussian_nll, masked_mean


@dataclass(frozen=True)
class ElboConfig:
    """Weights of the terms.

    beta: weight of the divergence from the prior once the schedule has ended (beta-VAE, Higgins et al., ICLR 2017).
        Below 1: ones come in bursts, of which a prior that takes bins for independent knows nothing, and at 1 it is
        cheaper to leave most of MS2 unexplained than to pay for every polymerase
    beta_start, warmup_epochs: where the weight starts, and the epochs in which it goes linearly to `beta`
    lambda_sparsity: weight of the expected number of ones per frame
    lambda_correction: weight of the mean square of what the decoder adds to the polymerases' own signal, so that it
        can't scale or delay them at will
    """

    beta: float = 0.1
    beta_start: float = 0.0
    warmup_epochs: int = 4
    lambda_sparsity: float = 0.0
    lambda_correction: float = 10.0

    def __post_init__(self) -> None:
        for name in ("beta", "beta_start", "warmup_epochs", "lambda_sparsity", "lambda_correction"):
            if getattr(self, name) < 0:
                raise ValueError(f"elbo.{name} must not be negative, got {getattr(self, name)}")

    def beta_at(self, epoch: int) -> float:
        """Weight of the divergence in an epoch, counted from 0."""
        if epoch >= self.warmup_epochs:
            return self.beta
        return self.beta_start + (self.beta - self.beta_start) * epoch / self.warmup_epochs


def divergence(output: VaeOutput, observed: Tensor, prior: float) -> Tensor:
    """KL from the prior in nats per observed frame, the bins of the lead included."""
    return bernoulli_kl(output.logits, prior).sum() / observed.sum().clamp(min=1)


def elbo_terms(
    y: Tensor, output: VaeOutput, observed: Tensor, prior: float, epoch: int, config: ElboConfig
) -> dict[str, Tensor]:
    """The terms whose sum is minimised, by name, all per observed frame. With beta 1 and all other weights 0 it is an
    upper bound of the NLL (with `gumbel`, whose samples are relaxed, as their temperature falls).

    y (B, T): the standardised signal; output: of sampled latents; observed (B, T)
    nll: masked Gaussian NLL of the reconstruction
    kl: beta of the epoch * divergence from the prior
    sparsity: lambda_sparsity * expected ones
    correction: lambda_correction * mean squared correction
    """
    mean, logvar = output.prediction.unbind(dim=1)
    ones = torch.sigmoid(output.logits).sum() / observed.sum().clamp(min=1)
    return {
        "nll": masked_mean(gaussian_nll(y, mean, logvar), observed),
        "kl": config.beta_at(epoch) * divergence(output, observed, prior),
        "sparsity": config.lambda_sparsity * ones,
        "correction": config.lambda_correction * masked_mean(output.correction.square(), observed),
    }
