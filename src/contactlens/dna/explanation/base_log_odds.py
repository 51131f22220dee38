"""What can be explained in a model that was only pre-trained: how much it expects the bases of a region."""

import torch
from torch import Tensor, nn

from contactlens.dna.data.tokens import BASES, MASK
from contactlens.dna.explanation.lrp import one_hot_tokens
from contactlens.dna.models.caduceus import CaduceusForMaskedLM
from contactlens.dna.models.caduceus.operations import UsesOperations

PASSES = 7  # hides every seventh base, about the 15 % of the pre-training


class BaseLogOdds(nn.Module, UsesOperations):
    """Token ids (B, L) and regions (B, R, L) -> pseudo-log-odds of the regions' bases (B,), in nats.

    The sum over bases of the logit of the base that is there minus the mean logit of A, C, G and T: its log-odds
    against the geometric mean of the four. Each is read in a pass that hides it, as otherwise the model could copy it;
    seven passes hide every base of the regions once. Zero where the model expects nothing, or where a base is an even
    mixture of all four. Centred logits stand in for log-probabilities because they have no normaliser: relevance is
    conserved through them.

    A base contributes by being expected, and by what it makes the model expect elsewhere.
    """

    def __init__(self, model: CaduceusForMaskedLM) -> None:
        super().__init__()
        self.model = model

    def logits(self, x: Tensor) -> Tensor:
        """One-hot tokens (B, L, vocab) -> logits; models that are not `rcps` are averaged over both strands."""
        backbone, weight = self.model.backbone, self.model.backbone.embedding.weight
        forward, reverse = backbone.strands_one_hot(x)
        if backbone.config.rcps:
            return self.model.head(backbone.join(forward, reverse))
        return (forward @ weight.T + reverse @ weight[backbone.complement].T) / 2

    def forward_one_hot(self, x: Tensor, regions: Tensor) -> Tensor:
        bases = x[..., list(BASES)]  # (B, L, 4)
        inside = regions.any(1) & (bases.detach().sum(-1) > 0.5)
        turn = torch.arange(x.shape[1], device=x.device) % PASSES == torch.arange(PASSES, device=x.device)[:, None]
        hidden = (inside.unsqueeze(1) & turn).unsqueeze(-1).to(x.dtype)  # (B, P, L, 1)
        mask = torch.zeros_like(x[0, 0])
        mask[MASK] = 1
        seen = self.operations.add_bias((x.unsqueeze(1) * (1 - hidden)).flatten(0, 1), (hidden * mask).flatten(0, 1))
        logits = self.logits(seen)[..., list(BASES)].unflatten(0, (len(x), PASSES))
        expected = ((logits - logits.mean(-1, keepdim=True)) * hidden).sum(1)  # (B, L, 4)
        return self.operations.product(bases, expected).sum((1, 2))

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)
