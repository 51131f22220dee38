"""Models of one spec that differ in their seed, as one model: a mixture over its members with equal weights."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.tracks.models.checkpoint import ModelSpec, load_model, save_model
from contactlens.tracks.models.heads.distribution import Distribution, SignalScale, bisected
from contactlens.tracks.models.heads.mixture import Mixture
from contactlens.tracks.models.track_model import TrackModel

FILES = "seed_{}.safetensors"
GAUSSIANS = ("means", "logvars")  # of a mixture's components
NODES = 200  # levels of the quadrature of the CRPS


@dataclass(frozen=True)
class MixedDistribution(Distribution):
    """Members' distributions at the same frames, each with the same weight (Lakshminarayanan et al., NeurIPS 2017)."""

    members: tuple[Distribution, ...]

    @cached_property
    def _as_one(self) -> Mixture | None:
        """Of mixtures of Gaussians, all their components as one, which has closed forms."""
        parts = [one for one in self.members if isinstance(one, Mixture)]
        if len(parts) < len(self.members):
            return None
        weights = torch.cat([one.log_weights for one in parts], dim=1) - math.log(len(parts))
        return Mixture(weights, *(torch.cat([getattr(one, name) for one in parts], dim=1) for name in GAUSSIANS))

    def _average(self, value: Callable[[Distribution], Tensor]) -> Tensor:
        return torch.stack([value(one) for one in self.members]).mean(dim=0)

    @property
    def mean(self) -> Tensor:
        return self._average(lambda one: one.mean)

    @property
    def aleatoric(self) -> Tensor:
        """Mean of the members' variances."""
        return self._average(lambda one: one.variance)

    @property
    def epistemic(self) -> Tensor:
        """Variance between the members' means; with `aleatoric` it adds up to the variance (law of total variance)."""
        return torch.stack([one.mean for one in self.members]).var(dim=0, correction=0)

    @property
    def log_variance(self) -> Tensor:
        return (self.aleatoric + self.epistemic).log()

    def log_density(self, y: Tensor) -> Tensor:
        logs = torch.stack([one.log_density(y) for one in self.members])
        return torch.logsumexp(logs, dim=0) - torch.tensor(float(len(logs))).log()

    def cdf(self, y: Tensor) -> Tensor:
        if self._as_one is not None:
            return self._as_one.cdf(y)
        return self._average(lambda one: one.cdf(y))

    def cdf_below(self, y: Tensor) -> Tensor:
        if self._as_one is not None:  # to the same rounding as `cdf`, or every frame would seem to have a jump
            return self._as_one.cdf_below(y)
        return self._average(lambda one: one.cdf_below(y))

    def quantile(self, level: float) -> Tensor:
        """Between the lowest and the highest of the members' own; exactly theirs where they agree."""
        if self._as_one is not None:
            return self._as_one.quantile(level)
        ends = torch.stack([one.quantile(level) for one in self.members])
        low, high = ends.amin(dim=0), ends.amax(dim=0)
        # At a jump, bisection ends on the side that has passed the level: the upper one.
        return torch.where(self.cdf(low) >= level, low, bisected(self, level, low, high))

    def crps(self, y: Tensor) -> Tensor:
        """The mean of the members' scores less the spread of their cdfs F_i around their mean F:

        int (F - [y <= x])^2 = mean_i int (F_i - [y <= x])^2 - mean_i int (F_i - F)^2,

        the last integral by the midpoint rule between the members' outermost quantiles.
        """
        if self._as_one is not None:
            return self._as_one.crps(y)
        single = self._average(lambda one: one.crps(y))
        if len(self.members) == 1:
            return single
        low = torch.stack([one.quantile(1e-6) for one in self.members]).amin(dim=0)
        high = torch.stack([one.quantile(1 - 1e-6) for one in self.members]).amax(dim=0)
        width = (high - low) / NODES
        spread = torch.zeros_like(single)
        for node in range(NODES):
            at = low + (node + 0.5) * width
            spread = spread + width * torch.stack([one.cdf(at) for one in self.members]).var(dim=0, correction=0)
        return single - spread

    def in_units(self, scale: SignalScale) -> "MixedDistribution":
        return MixedDistribution(tuple(one.in_units(scale) for one in self.members))

    def channels(self) -> Tensor:
        """Mean, log-variance, then the channels of every member in turn."""
        moments = torch.stack([self.mean, self.log_variance], dim=1)
        return torch.cat([moments, *(one.channels() for one in self.members)], dim=1)


class Ensemble(torch.nn.Module):
    """Members of one spec. One member is that model.

    Takes what a `TrackModel` takes. Of a signal it gives (B, K, T): mean, log-variance, then each member's channels,
    which `distribution` reads. Of a state it gives (B, 1, T): the log odds of the members' mean probability.
    """

    def __init__(self, members: Sequence[TrackModel]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member")
        self.members = torch.nn.ModuleList(members)
        self.task = members[0].task

    def _each(self) -> list[TrackModel]:
        return [one for one in self.members if isinstance(one, TrackModel)]

    @property
    def signal_mean(self) -> Tensor:
        return self._each()[0].signal_mean

    @property
    def head_name(self) -> str:
        return "bernoulli" if self.task.target == "state" else "ensemble"

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        outputs = [one(x, observed) for one in self._each()]
        if self.task.target == "state":
            return torch.logit(torch.stack(outputs).double().sigmoid().mean(dim=0)).to(x.dtype)
        parts = [one.distribution(output) for one, output in zip(self._each(), outputs, strict=True)]
        return MixedDistribution(tuple(parts)).channels()

    def distribution(self, channels: Tensor) -> MixedDistribution:
        """Of the signal, in its unit, from what the ensemble gives (B, K, T), or (n, K) for a flat list of frames."""
        parts = channels[:, 2:].chunk(len(self.members), dim=1)
        return MixedDistribution(tuple(one.distribution(part) for one, part in zip(self._each(), parts, strict=True)))


def save_ensemble(models: Sequence[TrackModel], spec: ModelSpec, folder: Path | str) -> None:
    """One safetensors file a member, in their order; the folder is replaced as a whole."""
    with write_aside(folder) as aside:
        aside.mkdir()
        for number, model in enumerate(models):
            save_model(model, spec, aside / FILES.format(number))


def load_ensemble(folder: Path | str) -> tuple[Ensemble, ModelSpec]:
    """The ensemble, ready to predict, and its members' spec.

    Raises InputError where the folder holds no members, one can't be read, or they are not of one spec.
    """
    paths = sorted(Path(folder).glob(FILES.format("*")), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise InputError(f"{folder}: holds no {FILES.format('*')}")
    models, specs = zip(*(load_model(path) for path in paths), strict=True)
    for path, spec in zip(paths, specs, strict=True):
        if spec != specs[0]:
            raise InputError(f"{path}: is of another configuration than {paths[0].name}")
    return Ensemble(models).eval(), specs[0]
