"""Settings of the training; imports no torch, so that reading params stays quick."""

from dataclasses import dataclass, field, replace
from typing import Any

from contactlens.base.settings import (
    ClosedUnit,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    settings,
)
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.tasks import Task
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.training.config import LoopConfig


@settings
class FitConfig(LoopConfig):
    """gate_learning_rate: of the gate's two parameters, which move over a much larger range than a weight does and get
        no weight decay
    compile: torch.compile, on a GPU only
    """

    gate_learning_rate: PositiveFloat
    compile: bool


@settings
class ElboConfig:
    """Weights of the terms.

    beta: weight of the divergence from the prior once the schedule has ended (beta-VAE, Higgins et al., ICLR 2017).
        Below 1: ones come in bursts, of which a prior that takes bins for independent knows nothing, and at 1 it is
        cheaper to leave most of MS2 unexplained than to pay for every polymerase
    beta_start, warmup_epochs: where the weight starts, and the epochs in which it goes linearly to `beta`
    lambda_sparsity: weight of the expected number of ones per frame
    lambda_correction: weight of the mean square of what the decoder adds to the polymerases' own signal, so that it
        can't scale or delay them at will
    """

    beta: NonNegativeFloat = 0.1
    beta_start: NonNegativeFloat = 0.0
    warmup_epochs: NonNegativeInt = 4
    lambda_sparsity: NonNegativeFloat = 0.0
    lambda_correction: NonNegativeFloat = 10.0

    def beta_at(self, epoch: int) -> float:
        """Weight of the divergence in an epoch, counted from 0."""
        if epoch >= self.warmup_epochs:
            return self.beta
        return self.beta_start + (self.beta - self.beta_start) * epoch / self.warmup_epochs


@settings
class LossConfig:
    """Weights of the loss's terms.

    lambda_contact: weight of the mean gate opening (the contact regulariser)
    lambda_crps: weight of the CRPS beside the NLL. Both are proper scores, so the truth minimises their sum too; where
        a Gaussian is only an approximation (residuals of a promoter that is on or off have two peaks) the NLL alone
        buys its tails with wide bands, which the CRPS makes it pay for
    lambda_var, lambda_prior, target_logvar: calibration terms on the predicted variance (see `SignalObjective`)
    warmup_epochs, anneal_epochs: the calibration terms count fully during the warm-up, then fall to nothing over the
        anneal, so that training ends on the proper score alone
    beta: 0 for the Gaussian NLL; above 0 for beta-NLL (Seitzer et al., ICLR 2022), which weights each frame by its
        predicted variance to that power
    lambda_entropy, lambda_clusters: penalties on undecided promoter states (see `BernoulliObjective`)
    elbo: of a model with latents, in place of all other terms
    """

    lambda_contact: NonNegativeFloat
    lambda_crps: NonNegativeFloat
    lambda_var: NonNegativeFloat
    lambda_prior: NonNegativeFloat
    target_logvar: float
    warmup_epochs: NonNegativeInt
    anneal_epochs: NonNegativeInt
    beta: ClosedUnit
    lambda_entropy: NonNegativeFloat = 0.0
    lambda_clusters: NonNegativeFloat = 0.0
    elbo: ElboConfig = field(default_factory=ElboConfig)


@dataclass(frozen=True)
class TrainingConfig:
    """One row of the table of systems (`task` and `model`) with its gate, loss and optimisation.

    reporter: what a model with latents assumes of MS2
    """

    task: str
    model: ModelConfig
    gate: GateConfig
    loss: LossConfig
    fit: FitConfig
    reporter: Reporter

    def with_fit(self, **changes: Any) -> "TrainingConfig":
        """The same system, optimised otherwise."""
        return replace(self, fit=replace(self.fit, **changes))


@settings
class SeedsConfig:
    """n_seeds: trainings that differ in their seed alone; the best on validation is kept as the single network
    ensemble: whether all of them together are one model too, where a signal is predicted
    """

    n_seeds: PositiveInt
    ensemble: bool

    def is_ensemble(self, task: Task) -> bool:
        """Whether a task's model is an ensemble of more than one network."""
        return self.ensemble and self.n_seeds > 1 and task.predicts_signal
