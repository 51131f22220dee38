"""Single output frames of explained tracks, for measures that need a model run for each of them."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution import faithfulness as faith
from contactlens.attribution.reach import Model
from contactlens.tracks.explanation.explainer import Explainer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """k output frames of each of P tracks: E = P k examples, track by track.

    position: (P, k) into the explainer's output frames
    """

    explainer: Explainer
    position: Tensor

    @classmethod
    def of(cls, explainer: Explainer, tracks: int, per_track: int) -> "Examples":
        """Output frames evenly spread over the observed ones of the first `tracks` tracks."""
        rows = []
        for observed in explainer.observed[:tracks, explainer.frames].cpu().numpy():
            candidates = np.flatnonzero(observed) if observed.any() else np.arange(len(observed))
            inner = np.linspace(0, len(candidates) - 1, per_track + 2)[1:-1]
            rows.append(candidates[inner.round().astype(np.int64)])
        return cls(explainer, torch.as_tensor(np.stack(rows), device=explainer.x.device))

    @property
    def track(self) -> Tensor:
        P, k = self.position.shape
        return torch.arange(P, device=self.position.device).repeat_interleave(k)

    @property
    def frames(self) -> Tensor:
        return self.explainer.frames[self.position.flatten()]

    @property
    def x(self) -> Tensor:
        return self.explainer.x[self.track]

    @property
    def reference(self) -> Tensor:
        return self.explainer.reference.expand_as(self.x)

    @property
    def observed(self) -> Tensor:
        return self.explainer.observed[self.track]

    def targets(self, output: str) -> faith.Targets:
        return [(self.explainer.outputs[output], frame) for frame in self.frames.tolist()]

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """The examples' rows (E, ...) of a matrix (P, F, ...)."""
        return matrix[self.track, self.position.flatten()]

    def by_track(self, values: Tensor) -> Floats:
        """Sums over each track's examples, (P, ...), of values (E, ...)."""
        P, k = self.position.shape
        return np.asarray(values.double().cpu().numpy().reshape(P, k, *values.shape[1:]).sum(axis=1))


class Remembered:
    """A model without gradients that computes the output for an input once; infidelity asks for the same
    perturbed inputs with every method, and every deletion curve begins and ends alike."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.outputs: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def __call__(self, x: Tensor, *extra: Tensor) -> Tensor:
        digest = hashlib.sha256()
        for value in (x, *extra):
            digest.update(value.cpu().contiguous().numpy().data)
        key = digest.digest()
        if key not in self.outputs:
            self.outputs[key] = self.model(x, *extra)
        return self.outputs[key]
