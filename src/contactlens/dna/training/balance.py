"""Weights of windows where one label is rare. Needs torch alone."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from contactlens.base.errors import InputError


class Balance(NamedTuple):
    """Weights under which both labels count as much in all.

    They make the best logit that of as many windows of either label. The loss takes `logit - log_odds` in its place,
    so that the logit itself holds for the windows as they are (King & Zeng 2001, Political Analysis 9:137, the prior
    correction).
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

    def target(self, label: Tensor, smoothing: float) -> Tensor:
        """What `logit - log_odds` is trained on (B,): the label or, smoothed, what gives the logit itself the best
        value that it has without weights, log(2 / s - 1) or its negative."""
        if not smoothing:
            return label
        best = math.log(2 / smoothing - 1)
        return torch.sigmoid((2 * label - 1) * best - self.log_odds)

    def weight(self, label: Tensor) -> Tensor:
        """Of windows (B,); 1 in the mean."""
        return 0.5 / torch.where(label > 0.5, self.positives, 1 - self.positives)
