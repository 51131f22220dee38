"""Captum's methods that go back through a network module by module, each kind by a rule of its own.

They are right only where every activation is a module with such a rule; `contactlens.attribution.applicability`
says whether that holds.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from contactlens.attribution.captum_methods.settings import MethodSettings, Target
from contactlens.attribution.reach import Model


def deep_lift(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Share of every input in model(x) - model(baseline) by the rescale rule, in the output's unit.

    Source: Shrikumar, Greenside and Kundaje, ICML 2017.
    """
    from captum.attr import DeepLift

    with _quiet():
        return (
            DeepLift(model)
            .attribute(x, baselines=baseline.expand_as(x), target=target, additional_forward_args=extra)
            .detach()
        )


def guided_backprop(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Gradient of which only the positive part passes each rectifier, in the output's unit per input unit.

    Source: Springenberg et al., ICLR workshop 2015.
    """
    from captum.attr import GuidedBackprop

    with _quiet():
        return GuidedBackprop(model).attribute(x, target=target, additional_forward_args=extra).detach()


def lrp(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Layer-wise relevance of every input, in the output's unit: it adds up to the output less what biases and the
    epsilon rule take. Rules: `contactlens.attribution.captum_lrp`.

    Source: Bach et al., PLOS ONE 10 (2015) e0130140.
    """
    from captum.attr import LRP

    from contactlens.attribution.captum_lrp import with_rules

    with _quiet():
        return LRP(with_rules(model)).attribute(x, target=target, additional_forward_args=extra).detach()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Captum's warnings about the hooks that it sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
