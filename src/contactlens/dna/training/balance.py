"""Weights of windows where one label is rare. Needs torch alone."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from contactlens.base.errors import InputError


class Balance(NamedTuple):
    """Weights under which both labels count as much in all.

    Trained with them alone, a logit would be short of `log_odds`, those of the labels as they are; it is trained less
    that number instead, so that it holds for the windows as they are (King & Zeng 2001, Political Analysis 9:137, the
    prior correction).
    """

    positives: float  # share of the windows

    @classmethod
    def of(cls, label: Tensor) -> "Balance":
        """Raises InputError where one label is absent."""
        share = float(label.mean())
        if not 0 < share < 1:
            raise InputError("dna.fine_tune.class_weights: balanced needs training windows of both labels")
        return cls(share)

    @property
    def log_odds(self) -> float:
        return math.log(self.positives / (1 - self.positives))

    def weight(self, label: Tensor) -> Tensor:
        """Of windows (B,); 1 in the mean."""
        return 0.5 / torch.where(label > 0.5, self.positives, 1 - self.positives)
