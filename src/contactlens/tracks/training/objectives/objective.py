"""What the training loop needs of an objective."""

from typing import Protocol

from torch import Tensor

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.models.track_model import Output


class Objective(Protocol):
    """A likelihood of what a task predicts, with its regularisers."""

    def target(self, batch: TrackBatch) -> Tensor:
        """What is predicted, (N, T); InputError where the tracks do not have it."""
        ...

    def terms(self, target: Tensor, output: Output, observed: Tensor, epoch: int) -> dict[str, Tensor]:
        """The terms whose sum is minimised, by name."""
        ...

    def scores(self, target: Tensor, output: Output, observed: Tensor) -> dict[str, float]:
        """`validation_nll`, in nats per frame, which chooses the epoch, and `validation_crps`, in the target's unit."""
        ...
