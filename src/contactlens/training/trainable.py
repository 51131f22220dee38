"""What the loop of both branches trains, and what comes of it. Needs torch and numpy alone."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

EpochLog = dict[str, float]


class Validation(NamedTuple):
    """scores: by name, the criterion among them
    outputs: what the model gave for each validation row, where that is to be kept of every epoch
    """

    scores: EpochLog
    outputs: Tensor | None = None


class Trainable(Protocol):
    """A model with its data and its objective, which the loop trains."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def n_rows(self) -> int:
        """Rows of the training set."""
        ...

    @property
    def criterion(self) -> str:
        """The validation score whose least value names the epoch that is kept."""
        ...

    def optimizer(self) -> torch.optim.Optimizer:
        """Of the model's trained parameters, each group with its own learning rate and decay."""
        ...

    def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
        """The terms whose sum is minimised, by name, each a mean over `rows` (n,), which index the training set.

        What is drawn comes from `random`, the run's own numbers, or torch's global ones, seeded anew every epoch; among
        many workers both are seeded anew for every call.
        """
        ...

    def validate(self) -> Validation:
        """After an epoch, with the model in evaluation mode."""
        ...


@dataclass
class TrainingResult:
    """history: one dict per epoch, the mean loss and its terms as `train_...` and the validation scores
    best_epoch: the one of the lowest criterion, `best_score`
    validation_outputs: of each epoch, where the model's outputs are kept
    """

    history: list[EpochLog] = field(default_factory=list)
    best_epoch: int = -1
    best_score: float = math.inf
    validation_outputs: list[Tensor] = field(default_factory=list, compare=False)
