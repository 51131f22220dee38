"""How unsure a predicted state is, as an output to be explained beside its log odds.

The variance p (1 - p) of a state that is on with probability p rises with the log odds below p = 0.5 and falls above:
what speaks for "on" speaks for or against certainty depending on where the prediction stands. Explanations of the log
odds are thus none of the variance, not even up to a factor for those along a path.
"""

import torch
from torch import Tensor, nn

UNCERTAINTY = "uncertainty"


class StateVariance(nn.Module):
    """p (1 - p) of log odds. A module, so that methods with a rule for each kind of module see that they have none."""

    def forward(self, logit: Tensor) -> Tensor:
        return torch.sigmoid(logit) * torch.sigmoid(-logit)  # 1 - p would round to 0 or 1 where p is near 1


class WithUncertainty(nn.Module):
    """A model of the log odds that a state is on, (B, 1, T), with the state's variance as second channel: (B, 2, T)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.variance = StateVariance()

    @property
    def has_attention(self) -> bool:
        return bool(self.model.has_attention)

    def attention(self, x: Tensor, *extra: Tensor) -> Tensor:
        """The attention of the model itself."""
        return self.model.attention(x, *extra)  # type: ignore[operator]

    def forward(self, x: Tensor, *extra: Tensor) -> Tensor:
        logit = self.model(x, *extra)
        return torch.cat([logit, self.variance(logit)], dim=1)


def giving(output: str, model: nn.Module) -> nn.Module:
    """What gives that output at its channel: the model itself unless it has to be computed from what it gives."""
    return WithUncertainty(model) if output == UNCERTAINTY else model
