"""From states per base to one logit: detectors of sites, means over the regions, their comparison, and a small MLP."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from contactlens.dna.models.caduceus.operations import UsesOperations
from contactlens.dna.models.config import HeadConfig, Pooling

Drop = Callable[[Tensor], Tensor]


class RegionHead(nn.Module, UsesOperations):
    """States (B, L, d) or (B, L, 2 d) and regions (B, R, L) -> logit (B,).

    `per_base` makes the states from those of both strands. With `detectors` a base's state on a strand is first turned
    into that many rectified weighted sums. A site covers a tenth of its region: the mean over what exceeds a threshold
    is not drowned by the other bases, as the mean of the states is. d is then the number of detectors. What is pooled
    of a region is, by `pooling`:

    - `mean`: the mean over its bases and over both strands (d channels): it knows what is there, not how it lies
    - `directed`, of pairs: a window is read from the enhancer to the promoter. The mean and the first moment along that
      direction (weights from -1 at a region's first base to 1 at its last), of the strand that runs this way and of the
      other one (4 d channels): strand, order and place within an element are there to be learned

    Pooled states are first brought to a common scale, channel by channel: what sets one region's mean apart is small
    beside what all of them share, and smaller still in products. A single region
    (R = 1) then gives v; a pair (R = 2: enhancer E, promoter P) gives [v_E, v_P, |v_E - v_P|, v_E * v_P]. The reverse
    complement of a window has the strands' states exchanged and mirrored; its direction turns with it, and the logit
    stays the same. Where the elements have one centre, or one is empty, there is no direction: both strands
    count half, and the moments are 0.
    """

    def __init__(self, d_model: int, n_regions: int, config: HeadConfig) -> None:
        super().__init__()
        if n_regions not in (1, 2):
            raise ValueError(f"a head takes 1 or 2 regions, not {n_regions}")
        self.d_model, self.n_regions = d_model, n_regions
        self.pooling: Pooling = config.pooling if n_regions == 2 else "mean"
        self.config = replace(config, pooling=self.pooling)
        self.detectors = nn.Linear(d_model, config.detectors) if config.detectors else None
        hidden, width = config.hidden, (config.detectors or d_model) * (4 if self.pooling == "directed" else 1)
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.hidden = nn.Linear(width * (4 if n_regions == 2 else 1), hidden)
        self.out = nn.Linear(hidden, 1)

    def per_base(self, forward: Tensor, reverse: Tensor) -> Tensor:
        """States of both strands (B, L, d_model), each at the base's own place -> the mean of what is pooled of them
        (B, L, d), or both (B, L, 2 d)."""
        forward, reverse = self._detected(forward), self._detected(reverse)
        if self.pooling == "mean":
            return torch.stack([forward, reverse]).mean(0)
        return torch.cat([forward, reverse], dim=-1)

    def _detected(self, states: Tensor) -> Tensor:
        if self.detectors is None:
            return states
        return torch.relu(self.operations.add_bias(states @ self.detectors.weight.T, self.detectors.bias))

    def pooled(self, states: Tensor, regions: Tensor, direction: Tensor | None = None) -> Tensor:
        """What is kept of each region, (B, R, d) or (B, R, 4 d); an empty region gives zero.

        direction: `towards_promoter` (B,), where `regions` hold one element of a pair alone
        """
        inside = regions.to(states.dtype)  # (B, R, L)
        mean = inside / inside.sum(-1, keepdim=True).clamp(min=1)
        if self.pooling == "mean":
            return mean @ states
        direction = (towards_promoter(regions) if direction is None else direction).to(states.dtype)  # (B,)
        share = ((1 + direction) / 2)[:, None, None]
        forward, reverse = states.chunk(2, dim=-1)
        along = torch.cat([share * forward + (1 - share) * reverse, share * reverse + (1 - share) * forward], dim=-1)
        return torch.cat(
            [mean @ along, (mean * places(regions).to(mean.dtype) * direction[:, None, None]) @ along], dim=-1
        )

    @torch.no_grad()
    def standardise(self, pooled: Tensor) -> None:
        """Start with mean 0 and a variance of at most 1 of each channel over pooled states (N, R, C), and at one logit
        for all. A channel that varies less than the median one is scaled as that is: blown up to a variance of 1 it
        would be noise, and each step of the layers below would throw it about.

        Source: the data-dependent initialisation of Kingma & Dhariwal 2018 (Glow, "actnorm").
        """
        sd, mean = torch.std_mean(pooled.flatten(0, 1), dim=0)
        self.gain.copy_(1 / sd.clamp(min=max(1e-6, float(sd.median()))))
        self.bias.copy_(-mean * self.gain)
        self.out.weight.zero_()

    def features(self, v: Tensor) -> Tensor:
        if self.n_regions == 1:
            return v[:, 0]
        enhancer, promoter = v.unbind(1)
        product = self.operations.product(enhancer, promoter)
        return torch.cat([enhancer, promoter, (enhancer - promoter).abs(), product], dim=-1)

    def forward(self, states: Tensor, regions: Tensor) -> Tensor:
        return self.score(self.pooled(states, regions))

    def score(self, pooled: Tensor, drop: Drop | None = None) -> Tensor:
        """Of `pooled` (B, R, C), the logit (B,).

        drop: what training does to the features and to the hidden units, such as dropout
        """
        kept: Drop = drop or (lambda x: x)
        v = self.operations.add_bias(pooled * self.gain, self.bias)
        x = kept(self.features(v)) @ self.hidden.weight.T
        x = kept(torch.relu(self.operations.add_bias(x, self.hidden.bias)))
        return self.operations.add_bias(x @ self.out.weight.T, self.out.bias).squeeze(-1)


def towards_promoter(regions: Tensor) -> Tensor:
    """1 where the enhancer (first region of (B, 2, L)) lies left of the promoter, -1 where right: (B,); 0 where their
    centres are one, or an element is empty."""
    centre = _centres(regions)
    return torch.sign(centre[:, 1] - centre[:, 0]) * regions.any(-1).all(-1)


def places(regions: Tensor) -> Tensor:
    """Place of each base in its region (B, R, L), -1 at the first to 1 at the last; 0 elsewhere and of one base."""
    inside, at = regions.double(), torch.arange(regions.shape[-1], device=regions.device)
    half = ((inside.sum(-1, keepdim=True) - 1) / 2).clamp(min=0.5)
    return (at - _centres(regions)[..., None]) / half * inside


def _centres(regions: Tensor) -> Tensor:
    """Mean place (B, R) of each region's bases; in double precision, as windows may be long and states half ones."""
    inside, at = regions.double(), torch.arange(regions.shape[-1], dtype=torch.float64, device=regions.device)
    return inside @ at / inside.sum(-1).clamp(min=1)
