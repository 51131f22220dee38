"""Heads: what turns features into a distribution of the signal at every frame. One line of HEADS registers one."""

from collections.abc import Callable
from typing import NamedTuple

from contactlens.tracks.models.heads.bernoulli import BernoulliHead
from contactlens.tracks.models.heads.config import HeadConfig
from contactlens.tracks.models.heads.distribution import Distribution, Head, SignalScale, soft_clip
from contactlens.tracks.models.heads.gaussian import DecodedGaussianHead, GaussianHead
from contactlens.tracks.models.heads.hurdle import HurdleHead
from contactlens.tracks.models.heads.mixture import MixtureHead
from contactlens.tracks.models.heads.negative_binomial import NegativeBinomialHead
from contactlens.tracks.models.scaling import Scaling

__all__ = [
    "HEADS",
    "BernoulliHead",
    "DecodedGaussianHead",
    "Distribution",
    "GaussianHead",
    "Head",
    "HeadConfig",
    "HeadKind",
    "HeadPlan",
    "SignalScale",
    "soft_clip",
]


class HeadPlan(NamedTuple):
    """What a head is built from: its configuration, the channels of the features, the range of a Gaussian's
    log-variance, and the data's scale."""

    config: HeadConfig
    in_channels: int
    logvar_bounds: tuple[float, float]
    scaling: Scaling


class HeadKind(NamedTuple):
    """build: the head of a plan; outputs: names of the first channels of its model, those that can be explained"""

    build: Callable[[HeadPlan], Head]
    outputs: tuple[str, ...] = ("mean", "logvar")


HEADS: dict[str, HeadKind] = {
    "gaussian": HeadKind(lambda plan: GaussianHead(plan.in_channels, plan.logvar_bounds)),
    "mixture": HeadKind(lambda plan: MixtureHead(plan.in_channels, plan.config.mixture, plan.logvar_bounds)),
    "hurdle": HeadKind(
        lambda plan: HurdleHead(plan.in_channels, plan.config.hurdle, plan.logvar_bounds, plan.scaling.signal_sd),
        ("mean", "logvar", "p_signal"),
    ),
    "negative_binomial": HeadKind(
        lambda plan: NegativeBinomialHead(plan.in_channels, plan.config.negative_binomial, plan.scaling.signal_mean)
    ),
}
