"""The objective of a mean and log-variance of the signal."""

from dataclasses import dataclass

from torch import Tensor

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.track_model import Output
from contactlens.tracks.training.likelihood import gaussian_crps, gaussian_nll, masked_mean
from contactlens.tracks.training.losses import LossConfig, loss_terms


@dataclass(frozen=True)
class GaussianObjective:
    """The terms of `losses.loss_terms` on the standardised signal; scores are in the signal's unit."""

    loss: LossConfig
    signal_mean: Tensor
    signal_sd: Tensor

    def target(self, batch: TrackBatch) -> Tensor:
        return (batch.signal - self.signal_mean) / self.signal_sd

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        return loss_terms(target, output.prediction, output.gate, observed, epoch, self.loss)

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        mean, logvar = output.prediction.unbind(dim=1)
        sd = self.signal_sd
        return {
            "validation_nll": float(masked_mean(gaussian_nll(target, mean, logvar), observed) + sd.log()),
            "validation_crps": float(masked_mean(gaussian_crps(target, mean, logvar), observed) * sd),
        }
