"""Caduceus itself. B = sequences, L = positions, d = d_model; a hidden state of an rcps model has 2 d channels."""

import math

import torch
from torch import Tensor, nn

from contactlens.dna.models.caduceus.config import CaduceusConfig
from contactlens.dna.models.caduceus.mamba import BiMamba, Mamba
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel, Norm, StrandBackbone


class Block(nn.Module):
    """Norm and mixer; the residual stream is added by `Caduceus`, before the norm."""

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__()
        self.norm, self.mixer = Norm(config), BiMamba(config)

    def forward(self, residual: Tensor) -> Tensor:
        return self.mixer(self.norm(residual))


class Caduceus(StrandBackbone):
    """The backbone: token ids (B, L) -> last hidden states (B, L, 2 d) for `rcps`, else (B, L, d).

    With `fused_add_norm` every block of the published code exchanges the two strands, which in the single-strand form
    reverses the residual stream before each norm: another function with the same weights, and the one that the
    published `ps` weights were trained in.
    """

    config: CaduceusConfig

    def block(self, config: CaduceusConfig, i: int) -> nn.Module:
        return Block(config)

    def initialise(self) -> None:
        """Mamba's: small embeddings, and projections onto the residual stream scaled down by its depth."""
        init = self.config.initializer_cfg
        nn.init.normal_(self.embedding.weight, std=init.initializer_range)
        residuals = init.n_residuals_per_layer * self.config.n_layer
        for part in self.modules():
            if isinstance(part, Mamba) and init.rescale_prenorm_residual:
                nn.init.kaiming_uniform_(part.out_proj.weight, a=math.sqrt(5))
                with torch.no_grad():
                    part.out_proj.weight /= math.sqrt(residuals)

    @property
    def swaps(self) -> bool:
        """Whether every block exchanges the strands."""
        return self.config.rcps and self.config.fused_add_norm


class CaduceusForMaskedLM(MaskedLanguageModel):
    """Caduceus with its language-model head."""

    backbone: Caduceus

    def __init__(self, config: CaduceusConfig) -> None:
        super().__init__(Caduceus(config))
