"""Binary latents that gradients can pass: estimators of a Bernoulli sample, and the divergence from a sparse prior."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from contactlens.tracks.models.config import Estimator


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers in (0, 1) of `like`'s shape, drawn where the generator lives."""
    device = like.device if generator is None else generator.device
    drawn = torch.rand(like.shape, dtype=like.dtype, device=device, generator=generator).to(like.device)
    return drawn.clamp(torch.finfo(like.dtype).tiny, 1 - torch.finfo(like.dtype).eps)


def straight_through(logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Ones with probability sigmoid(logits); their gradient is that probability's (Bengio et al., arXiv 1308.3432)."""
    probability = torch.sigmoid(logits)
    ones = (_uniform(logits, generator) < probability).to(logits.dtype)
    return ones + (probability - probability.detach())


def binary_concrete(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """Relaxed samples in (0, 1) that tend to ones and zeros as the temperature falls.

    Sources: Maddison et al., ICLR 2017, eq. 16; Jang et al., ICLR 2017 (Gumbel-softmax with two classes).
    """
    return torch.sigmoid((logits + torch.logit(_uniform(logits, generator))) / temperature)


def sample(logits: Tensor, estimator: Estimator, temperature: float, generator: torch.Generator | None) -> Tensor:
    """Latents of `logits`' shape by the estimator of that name."""
    if estimator == "straight_through":
        return straight_through(logits, generator)
    return binary_concrete(logits, temperature, generator)


def bernoulli_kl(logits: Tensor, prior: float) -> Tensor:
    """KL(Bernoulli(sigmoid(logits)) || Bernoulli(prior)) of each latent, in nats."""
    probability = torch.sigmoid(logits)
    on = F.logsigmoid(logits) - math.log(prior)
    off = F.logsigmoid(-logits) - math.log1p(-prior)
    return probability * on + (1 - probability) * off
