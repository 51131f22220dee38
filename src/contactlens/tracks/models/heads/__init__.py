"""Heads: what turns features into a distribution of the signal at every frame. One line of HEADS registers one.

A head's module is imported when it is built, so that reading params stays quick.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from contactlens.tracks.models.heads.config import HeadConfig

if TYPE_CHECKING:
    from contactlens.tracks.models.heads.distribution import Head
    from contactlens.tracks.models.scaling import Scaling


class HeadPlan(NamedTuple):
    """What a head is built from: its configuration, the channels of the features, the range of a Gaussian's
    log-variance, and the data's scale."""

    config: HeadConfig
    in_channels: int
    logvar_bounds: tuple[float, float]
    scaling: "Scaling"


class HeadKind(NamedTuple):
    """build: the head of a plan; outputs: names of the first channels of its model, those that can be explained"""

    build: "Callable[[HeadPlan], Head]"
    outputs: tuple[str, ...] = ("mean", "logvar")


def _gaussian(plan: HeadPlan) -> "Head":
    from contactlens.tracks.models.heads.gaussian import GaussianHead

    return GaussianHead(plan.in_channels, plan.logvar_bounds)


def _mixture(plan: HeadPlan) -> "Head":
    from contactlens.tracks.models.heads.mixture import MixtureHead

    return MixtureHead(plan.in_channels, plan.config.mixture, plan.logvar_bounds)


def _hurdle(plan: HeadPlan) -> "Head":
    from contactlens.tracks.models.heads.hurdle import HurdleHead

    return HurdleHead(plan.in_channels, plan.config.hurdle, plan.logvar_bounds, plan.scaling.signal_sd)


def _negative_binomial(plan: HeadPlan) -> "Head":
    from contactlens.tracks.models.heads.negative_binomial import NegativeBinomialHead

    return NegativeBinomialHead(plan.in_channels, plan.config.negative_binomial, plan.scaling.signal_mean)


HEADS: dict[str, HeadKind] = {
    "gaussian": HeadKind(_gaussian),
    "mixture": HeadKind(_mixture),
    "hurdle": HeadKind(_hurdle, ("mean", "logvar", "p_signal")),
    "negative_binomial": HeadKind(_negative_binomial),
}
