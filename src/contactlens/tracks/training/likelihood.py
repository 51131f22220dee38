"""Proper scores of a Gaussian per frame, and their mean over the frames that were observed."""

import math

import torch
from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def gaussian_nll(y: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Negative log-likelihood per frame, in nats, all terms included."""
    return 0.5 * (logvar + (y - mean).square() * torch.exp(-logvar)) + HALF_LOG_2PI


def gaussian_crps(y: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Continuous ranked probability score per frame, in y's unit (Gneiting & Raftery, JASA 2007, eq. 21)."""
    sd = torch.exp(0.5 * logvar)
    z = (y - mean) / sd
    density = torch.exp(-0.5 * z.square() - HALF_LOG_2PI)
    return sd * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


def masked_mean(values: Tensor, observed: Tensor) -> Tensor:
    """Mean over the observed frames of a batch."""
    mask = observed.to(values.dtype)
    return (values * mask).sum() / mask.sum().clamp(min=1)
