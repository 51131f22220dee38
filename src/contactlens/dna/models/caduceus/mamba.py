"""The bidirectional Mamba mixer. B = sequences, L = positions, D = d_inner = expand * d_model, N = d_state."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contactlens.dna.models.caduceus.config import CaduceusConfig
from contactlens.dna.models.caduceus.operations import UsesOperations


class Mamba(nn.Module, UsesOperations):
    """One direction's parameters, and the part between its two projections.

    Source: Gu & Dao 2023 (arXiv 2312.00752), figure 3 and algorithm 2.
    """

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__()
        ssm, D, rank = config.ssm_cfg, config.d_inner, config.dt_rank
        self.rank, self.d_state = rank, ssm.d_state
        self.in_proj = nn.Linear(config.d_model, 2 * D, bias=ssm.bias)
        self.conv1d = nn.Conv1d(D, D, ssm.d_conv, groups=D, bias=ssm.conv_bias)
        self.x_proj = nn.Linear(D, rank + 2 * ssm.d_state, bias=False)
        self.dt_proj = nn.Linear(rank, D)
        self.A_log = nn.Parameter(torch.arange(1, ssm.d_state + 1.0).log().repeat(D, 1))
        self.D = nn.Parameter(torch.ones(D))
        self.out_proj = nn.Linear(D, config.d_model, bias=ssm.bias)
        self._start_step_sizes(config)

    def _start_step_sizes(self, config: CaduceusConfig) -> None:
        """Step sizes spread log-uniformly over [dt_min, dt_max] at the start."""
        ssm = config.ssm_cfg
        spread = ssm.dt_scale * self.rank**-0.5
        if ssm.dt_init == "constant":
            nn.init.constant_(self.dt_proj.weight, spread)
        else:
            nn.init.uniform_(self.dt_proj.weight, -spread, spread)
        low, high = math.log(ssm.dt_min), math.log(ssm.dt_max)
        dt = torch.exp(torch.rand(config.d_inner) * (high - low) + low).clamp(min=ssm.dt_init_floor)
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # inverse of softplus

    def split(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, L, d_model) -> input of the convolution and of the gate, (B, L, D) each."""
        x, z = self.in_proj(h).chunk(2, dim=-1)
        return x, z

    def scanned(self, x: Tensor, reverse: bool) -> Tensor:
        """Convolution, SiLU and selective scan: (B, L, D) -> (B, L, D), not gated yet."""
        x = self.operations.convolution_silu(x, self.conv1d.weight, self.conv1d.bias, reverse)
        sizes = [self.rank, self.d_state, self.d_state]
        dt, B, C = self.x_proj(x).split(sizes, dim=-1)
        delta = F.softplus(self.dt_proj(dt))
        return self.operations.scan(x, delta, -torch.exp(self.A_log), B, C, self.D, reverse)

    def gated(self, y: Tensor, z: Tensor) -> Tensor:
        return self.operations.product(y, self.operations.silu(z))


class BiMamba(nn.Module, UsesOperations):
    """A Mamba each way, added or multiplied: (B, L, d_model) -> (B, L, d_model).

    With tied weights the projections in and out are shared; as they are linear and the scan runs in either direction,
    each is applied once, and nothing is flipped.
    """

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__()
        self.strategy, self.tied = config.bidirectional_strategy, config.bidirectional_weight_tie
        self.mamba_fwd, self.mamba_rev = Mamba(config), Mamba(config)
        if self.tied:
            self.mamba_rev.in_proj = self.mamba_fwd.in_proj
            self.mamba_rev.out_proj = self.mamba_fwd.out_proj

    def forward(self, h: Tensor) -> Tensor:
        forth, back = self.mamba_fwd, self.mamba_rev
        x, z = forth.split(h)
        if self.tied and self.strategy == "add" and forth.out_proj.bias is None:
            return forth.out_proj(forth.gated(forth.scanned(x, reverse=False) + back.scanned(x, reverse=True), z))
        ahead = forth.out_proj(forth.gated(forth.scanned(x, reverse=False), z))
        x, z = (x, z) if self.tied else back.split(h)
        behind = back.out_proj(back.gated(back.scanned(x, reverse=True), z))
        return ahead + behind if self.strategy == "add" else self.operations.product(ahead, behind)
