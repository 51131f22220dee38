"""The objective of the probability that the promoter is on."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.tasks import state_of
from contactlens.tracks.models.track_model import Output
from contactlens.tracks.training.likelihood import masked_mean
from contactlens.tracks.training.losses import LossConfig


def bernoulli_nll(state: Tensor, logit: Tensor) -> Tensor:
    """Negative log-likelihood per frame, in nats: cross-entropy of the state (0 or 1) and its log odds."""
    return F.binary_cross_entropy_with_logits(logit, state, reduction="none")


@dataclass(frozen=True)
class BernoulliObjective:
    """Cross-entropy per frame, and penalties on probabilities that decide nothing.

    entropy: lambda_entropy * entropy of the predicted state, in nats
    clusters: lambda_clusters * squared distance of the probability to the nearer of the two states, 0 and 1
    contact: lambda_contact * mean gate opening
    """

    loss: LossConfig

    def target(self, batch: TrackBatch) -> Tensor:
        return state_of(batch)

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        logit = output.prediction[:, 0]
        probability = torch.sigmoid(logit)
        return {
            "nll": masked_mean(bernoulli_nll(target, logit), observed),
            # The entropy of a Bernoulli variable is its cross-entropy with itself.
            "entropy": self.loss.lambda_entropy * masked_mean(bernoulli_nll(probability, logit), observed),
            "clusters": self.loss.lambda_clusters
            * masked_mean(torch.minimum(probability, 1 - probability).square(), observed),
            "contact": self.loss.lambda_contact * masked_mean(output.gate, observed),
        }

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        """The CRPS of a variable that is 0 or 1 is its Brier score."""
        logit = output.prediction[:, 0]
        return {
            "validation_nll": float(masked_mean(bernoulli_nll(target, logit), observed)),
            "validation_crps": float(masked_mean((torch.sigmoid(logit) - target).square(), observed)),
        }
