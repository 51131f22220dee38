"""Weights of the losses, and the calibrated Gaussian loss; every term is logged under the name it has here."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from contactlens.tracks.training.elbo import ElboConfig
from contactlens.tracks.training.likelihood import gaussian_crps, gaussian_nll, masked_mean


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss's terms.

    lambda_contact: weight of the mean gate opening (the contact regulariser)
    lambda_crps: weight of the CRPS beside the NLL. Both are proper scores, so the truth minimises their sum too; where
        the Gaussian is only an approximation (residuals of a promoter that is on or off have two peaks) the NLL alone
        buys its tails with wide bands, which the CRPS makes it pay for
    lambda_var, lambda_prior, target_logvar: calibration terms on the predicted variance (see `loss_terms`)
    warmup_epochs, anneal_epochs: the calibration terms count fully during the warm-up, then fall to nothing over the
        anneal, so that training ends on the proper score alone
    beta: 0 for the Gaussian NLL; above 0 for beta-NLL (Seitzer et al., ICLR 2022), which weights each frame by its
        predicted variance to that power
    lambda_entropy, lambda_clusters: penalties on undecided promoter states (see `objectives.bernoulli`)
    elbo: of a model with latents, in place of all other terms
    """

    lambda_contact: float
    lambda_crps: float
    lambda_var: float
    lambda_prior: float
    target_logvar: float
    warmup_epochs: int
    anneal_epochs: int
    beta: float
    lambda_entropy: float = 0.0
    lambda_clusters: float = 0.0
    elbo: ElboConfig = field(default_factory=ElboConfig)

    def __post_init__(self) -> None:
        weights = [name for name in vars(self) if name.startswith("lambda_")]
        for name in (*weights, "warmup_epochs", "anneal_epochs"):
            if getattr(self, name) < 0:
                raise ValueError(f"loss.{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.beta <= 1:
            raise ValueError(f"loss.beta must lie in [0, 1], got {self.beta}")


def anneal(epoch: int, config: LossConfig) -> float:
    """Weight of the calibration terms: 1 during the warm-up, a half cosine down to 0, then 0."""
    after = epoch - config.warmup_epochs
    if after < 0:
        return 1.0
    if after >= config.anneal_epochs:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * after / config.anneal_epochs))


def loss_terms(
    y: Tensor, prediction: Tensor, gate: Tensor, observed: Tensor, epoch: int, config: LossConfig
) -> dict[str, Tensor]:
    """The terms whose sum is minimised, by name.

    y (B, T) is the standardised signal, prediction (B, 2, T) its mean and log-variance, gate (B, T), observed (B, T).
    nll: masked Gaussian NLL, weighted by var**beta (no gradient through the weight) for beta-NLL
    crps: lambda_crps * CRPS
    variance: lambda_var * var; variance_prior: lambda_prior * (logvar - target_logvar)**2, both annealed
    contact: lambda_contact * mean gate opening
    """
    mean, logvar = prediction.unbind(dim=1)
    nll = gaussian_nll(y, mean, logvar)
    if config.beta > 0:
        nll = nll * torch.exp(config.beta * logvar.detach())
    weight = anneal(epoch, config)
    return {
        "nll": masked_mean(nll, observed),
        "crps": config.lambda_crps * masked_mean(gaussian_crps(y, mean, logvar), observed),
        "variance": weight * config.lambda_var * masked_mean(logvar.exp(), observed),
        "variance_prior": weight
        * config.lambda_prior
        * masked_mean((logvar - config.target_logvar).square(), observed),
        "contact": config.lambda_contact * masked_mean(gate, observed),
    }
