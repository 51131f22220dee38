"""From states per base to one logit: masked means over the regions, their comparison, and a small MLP."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contactlens.dna.models.caduceus.operations import UsesOperations

Drop = Callable[[Tensor], Tensor]


class RegionHead(nn.Module, UsesOperations):
    """States (B, L, d) and regions (B, R, L) -> logit (B,).

    Mean states are first brought to a common scale, channel by channel: a motif covers a tenth of its region, so what
    sets one region's mean apart is small beside what all of them share, and smaller still in products. A single region
    (R = 1) then gives v; a pair (R = 2: enhancer E, promoter P) gives [v_E, v_P, |v_E - v_P|, v_E * v_P]. Where the
    states of a window and of its reverse complement mirror each other, the means are the same over mirrored regions,
    and so is the logit.
    """

    def __init__(self, d_model: int, n_regions: int, hidden: int) -> None:
        super().__init__()
        if n_regions not in (1, 2):
            raise ValueError(f"a head takes 1 or 2 regions, not {n_regions}")
        self.d_model, self.n_regions, self.n_hidden = d_model, n_regions, hidden
        self.gain, self.bias = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))
        self.hidden = nn.Linear(d_model * (4 if n_regions == 2 else 1), hidden)
        self.out = nn.Linear(hidden, 1)

    def pooled(self, states: Tensor, regions: Tensor) -> Tensor:
        """Mean state over the bases of each region, (B, R, d); an empty region gives zero."""
        weight = regions.to(states.dtype)  # (B, R, L)
        return (weight @ states) / weight.sum(-1, keepdim=True).clamp(min=1)

    @torch.no_grad()
    def standardise(self, pooled: Tensor) -> None:
        """Start with mean 0 and variance 1 of each channel over these mean states (N, R, d), and at one logit for all.

        Source: the data-dependent initialisation of Kingma & Dhariwal 2018 (Glow, "actnorm").
        """
        sd, mean = torch.std_mean(pooled.flatten(0, 1), dim=0)
        self.gain.copy_(1 / sd.clamp(min=1e-6))
        self.bias.copy_(-mean * self.gain)
        self.out.weight.zero_()

    def features(self, v: Tensor) -> Tensor:
        if self.n_regions == 1:
            return v[:, 0]
        enhancer, promoter = v.unbind(1)
        product = self.operations.product(enhancer, promoter)
        return torch.cat([enhancer, promoter, (enhancer - promoter).abs(), product], dim=-1)

    def forward(self, states: Tensor, regions: Tensor, drop: Drop | None = None) -> Tensor:
        """drop: what training does to the features and to the hidden units, such as dropout"""
        kept: Drop = drop or (lambda x: x)
        v = self.operations.add_bias(self.pooled(states, regions) * self.gain, self.bias)
        x = kept(self.features(v)) @ self.hidden.weight.T
        x = kept(torch.relu(self.operations.add_bias(x, self.hidden.bias)))
        return self.operations.add_bias(x @ self.out.weight.T, self.out.bias).squeeze(-1)
