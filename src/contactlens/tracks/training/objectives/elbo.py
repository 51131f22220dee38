"""The objective of MS2 through binary latents."""

from dataclasses import dataclass

from torch import Tensor

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.bernoulli_vae import VaeOutput
from contactlens.tracks.models.track_model import Output
from contactlens.tracks.training.elbo import divergence, elbo_terms
from contactlens.tracks.training.losses import LossConfig
from contactlens.tracks.training.objectives.gaussian import GaussianObjective


@dataclass(frozen=True)
class ElboObjective:
    """The terms of `elbo.elbo_terms` on the standardised signal; scores are in the signal's unit."""

    loss: LossConfig
    signal_mean: Tensor
    signal_sd: Tensor
    prior: float

    @property
    def _reconstruction(self) -> GaussianObjective:
        return GaussianObjective(self.loss, self.signal_mean, self.signal_sd)

    def target(self, batch: TrackBatch) -> Tensor:
        return self._reconstruction.target(batch)

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        return elbo_terms(target, _vae_output(output), observed, self.prior, epoch, self.loss.elbo)

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        """`validation_nll` is NLL plus divergence with the weight of the divergence that training ends on, and with the
        posterior's mean for the latents, which needs no drawing."""
        scores = self._reconstruction.scores(target, output, observed)
        cost = self.loss.elbo.beta * divergence(_vae_output(output), observed, self.prior)
        return {**scores, "validation_nll": scores["validation_nll"] + float(cost)}


def _vae_output(output: Output) -> VaeOutput:
    if output.logits is None or output.correction is None:
        raise ValueError("the objective of a VAE needs a model with latents")
    return VaeOutput(output.prediction, output.logits, output.correction)
