"""What training minimises and how a prediction is scored: one objective per form of prediction, and its weights.

Every term is logged under the name it has here. A new term is one entry of an objective's `terms`, a new objective one
class and one line of `OBJECTIVES`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.bernoulli_latent import bernoulli_kl
from contactlens.tracks.models.heads.distribution import Distribution, Head, SignalScale
from contactlens.tracks.models.tasks import state_of
from contactlens.tracks.models.track_model import Output, TrackModel
from contactlens.tracks.training.config import LossConfig


def anneal(epoch: int, config: LossConfig) -> float:
    """Weight of the calibration terms: 1 during the warm-up, a half cosine down to 0, then 0."""
    after = epoch - config.warmup_epochs
    if after < 0:
        return 1.0
    if after >= config.anneal_epochs:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * after / config.anneal_epochs))


def masked_mean(values: Tensor, observed: Tensor) -> Tensor:
    """Mean over the observed frames of a batch."""
    mask = observed.to(values.dtype)
    return (values * mask).sum() / mask.sum().clamp(min=1)


def bernoulli_nll(state: Tensor, logit: Tensor) -> Tensor:
    """Negative log-likelihood per frame, in nats: cross-entropy of the state (0 or 1) and its log odds."""
    return F.binary_cross_entropy_with_logits(logit, state, reduction="none")


class Objective(Protocol):
    """A likelihood of what a task predicts, with its regularisers. Of N tracks of T frames, `observed` is (N, T)."""

    def target(self, batch: TrackBatch) -> Tensor:
        """What is predicted, (N, T); InputError where the tracks do not have it."""
        ...

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        """The terms whose sum is minimised, by name."""
        ...

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        """`validation_nll`, in nats per frame, which chooses the epoch, and `validation_crps`, in the target's unit."""
        ...


@dataclass(frozen=True)
class SignalObjective:
    """A distribution of the standardised signal, of whatever head; scores are in the signal's unit.

    nll: masked NLL, weighted by var**beta (no gradient through the weight) for beta-NLL
    crps: lambda_crps * CRPS
    variance: lambda_var * var; variance_prior: lambda_prior * (logvar - target_logvar)**2, both annealed; var is the
        predictive variance
    contact: lambda_contact * mean gate opening
    """

    loss: LossConfig
    head: Head
    scale: SignalScale

    def target(self, batch: TrackBatch) -> Tensor:
        return (batch.signal - self.scale.mean) / self.scale.sd

    def predicted(self, output: Output) -> Distribution:
        return self.head.distribution(output.prediction, self.scale)

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        loss = self.loss
        predicted = self.predicted(output)
        nll = -predicted.log_density(target)
        if loss.beta > 0:
            nll = nll * torch.exp(loss.beta * predicted.log_variance.detach())
        weight = anneal(epoch, loss)

        def weighed(factor: float, values: Callable[[], Tensor]) -> Tensor:
            """What has no weight is not computed."""
            return factor * masked_mean(values(), observed) if factor else nll.new_zeros(())

        return {
            "nll": masked_mean(nll, observed),
            "crps": weighed(loss.lambda_crps, lambda: predicted.crps(target)),
            "variance": weighed(weight * loss.lambda_var, lambda: predicted.variance),
            "variance_prior": weighed(
                weight * loss.lambda_prior, lambda: (predicted.log_variance - loss.target_logvar).square()
            ),
            "contact": loss.lambda_contact * masked_mean(output.gate, observed),
        }

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        predicted, sd = self.predicted(output), self.scale.sd
        return {
            "validation_nll": float(masked_mean(-predicted.log_density(target), observed) + sd.log()),
            "validation_crps": float(masked_mean(predicted.crps(target), observed) * sd),
        }


@dataclass(frozen=True)
class BernoulliObjective:
    """Log odds that the promoter is on: cross-entropy per frame, and penalties on probabilities that decide nothing.

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


@dataclass(frozen=True)
class ElboObjective:
    """The standardised signal through binary latents; scores are in the signal's unit, terms per observed frame.

    With beta 1 and all other weights 0 the sum is an upper bound of the NLL (with `gumbel`, whose samples are relaxed,
    as their temperature falls).

    prior: probability of a one in a bin before the data
    nll: masked Gaussian NLL of the reconstruction from sampled latents
    kl: beta of the epoch * divergence from the prior
    sparsity: lambda_sparsity * expected ones
    correction: lambda_correction * mean squared correction
    """

    loss: LossConfig
    head: Head
    scale: SignalScale
    prior: float

    @property
    def _reconstruction(self) -> SignalObjective:
        return SignalObjective(self.loss, self.head, self.scale)

    def target(self, batch: TrackBatch) -> Tensor:
        return self._reconstruction.target(batch)

    def _divergence(self, logits: Tensor, observed: Tensor) -> Tensor:
        """KL from the prior in nats per observed frame, the bins of the lead included."""
        return bernoulli_kl(logits, self.prior).sum() / observed.sum().clamp(min=1)

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        config = self.loss.elbo
        logits, correction = _latents(output)
        predicted = self._reconstruction.predicted(output)
        ones = torch.sigmoid(logits).sum() / observed.sum().clamp(min=1)
        return {
            "nll": masked_mean(-predicted.log_density(target), observed),
            "kl": config.beta_at(epoch) * self._divergence(logits, observed),
            "sparsity": config.lambda_sparsity * ones,
            "correction": config.lambda_correction * masked_mean(correction.square(), observed),
        }

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        """`validation_nll` is NLL plus divergence with the weight of the divergence that training ends on, and with the
        posterior's mean for the latents, which needs no drawing."""
        scores = self._reconstruction.scores(target, output, observed)
        logits, _ = _latents(output)
        cost = self.loss.elbo.beta * self._divergence(logits, observed)
        return {**scores, "validation_nll": scores["validation_nll"] + float(cost)}


def _latents(output: Output) -> tuple[Tensor, Tensor]:
    """Logits and correction; ValueError where the model has no latents."""
    if output.logits is None or output.correction is None:
        raise ValueError("the objective of a VAE needs a model with latents")
    return output.logits, output.correction


# By what a task predicts, or `latent`.
OBJECTIVES: dict[str, Callable[[LossConfig, TrackModel], Objective]] = {
    "signal": lambda loss, model: SignalObjective(loss, model.signal_head, model.signal_scale),
    "state": lambda loss, model: BernoulliObjective(loss),
    "latent": lambda loss, model: ElboObjective(loss, model.signal_head, model.signal_scale, model.prior),
}


def objective_of(model: TrackModel, loss: LossConfig) -> Objective:
    """The objective of a model's task, in the model's own scaling."""
    return OBJECTIVES["latent" if model.task.latent else model.task.target](loss, model)
