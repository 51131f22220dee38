"""The one interface of every head: what is predicted of a frame, as a distribution that training can differentiate."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
BISECTIONS = 80


class SignalScale(NamedTuple):
    """Mean and standard deviation of the standardisation, in the signal's unit; scalars."""

    mean: Tensor
    sd: Tensor


class Distribution(ABC):
    """A predictive distribution at each of some frames: of shape (B, T), or (n,) for a flat list of frames.

    Arguments y have that shape and the distribution's unit. A distribution may hold an atom, a value with a probability
    of its own: there `log_density` is the logarithm of that probability.
    """

    @property
    @abstractmethod
    def mean(self) -> Tensor: ...

    @property
    @abstractmethod
    def log_variance(self) -> Tensor: ...

    @property
    def variance(self) -> Tensor:
        return self.log_variance.exp()

    @abstractmethod
    def log_density(self, y: Tensor) -> Tensor:
        """In nats; where the density of a standardised signal has an atom, log P plus that of the unit, so that the
        NLL in the signal's unit is everywhere the standardised one plus log sd."""

    @abstractmethod
    def crps(self, y: Tensor) -> Tensor:
        """Continuous ranked probability score, in y's unit."""

    @abstractmethod
    def cdf(self, y: Tensor) -> Tensor: ...

    def cdf_below(self, y: Tensor) -> Tensor:
        """P(Y < y): the cdf, but at an atom."""
        return self.cdf(y)

    @abstractmethod
    def quantile(self, level: float) -> Tensor:
        """The smallest y with cdf(y) >= level, 0 < level < 1. No gradient passes."""

    @abstractmethod
    def in_units(self, scale: SignalScale) -> "Distribution":
        """The distribution of scale.mean + scale.sd * Y."""

    @abstractmethod
    def channels(self) -> Tensor:
        """(B, K, T): the mean, the log-variance, then whatever else its head's `read` needs."""


class Head(nn.Module, ABC):
    """Features (B, C, T) to parameters (B, P, T), which `distribution` reads."""

    @abstractmethod
    def distribution(self, prediction: Tensor, scale: SignalScale) -> Distribution:
        """Of the standardised signal, from parameters (B, P, T)."""

    def in_units(self, prediction: Tensor, scale: SignalScale) -> Tensor:
        """What the model gives, (B, K, T): the `channels` of the distribution in the signal's unit."""
        return self.distribution(prediction, scale).in_units(scale).channels()

    @abstractmethod
    def read(self, channels: Tensor) -> Distribution:
        """The distribution whose `channels` these are: (B, K, T), or (n, K) for a flat list of frames."""


def soft_clip(value: Tensor, low: float, high: float) -> Tensor:
    """`value` held inside (low, high) smoothly: the identity well inside, with a gradient everywhere."""
    value = high - F.softplus(high - value)
    return low + F.softplus(value - low)


@torch.no_grad()
def shifted(project: nn.Conv1d, start: Tensor) -> nn.Conv1d:
    """A projection whose outputs start around `start`, one number an output."""
    assert project.bias is not None
    project.bias += start
    return project


def normal_cdf(z: Tensor) -> Tensor:
    return torch.special.ndtr(z)


def normal_density(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z.square() - HALF_LOG_2PI)


@torch.no_grad()
def bisected(distribution: Distribution, level: float, low: Tensor, high: Tensor) -> Tensor:
    """The quantile of a continuous cdf that lies between `low` and `high`."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = distribution.cdf(middle) < level
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return 0.5 * (low + high)


@torch.no_grad()
def root(value_and_slope: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], low: Tensor, high: Tensor) -> Tensor:
    """Where n increasing smooth functions are 0, (n,): Newton's method, which bisects wherever a step leaves the
    bracket or does not halve the one before (Press et al., Numerical Recipes, 9.4).

    value_and_slope: (m,) each, of the functions with the numbers rows (m,) at y (m,); called as f(y, rows)
    low, high: (n,) ends between which each function changes its sign
    """
    found = 0.5 * (low + high)
    eps = torch.finfo(low.dtype).eps
    # Newton's steps square their error: after one this small, what is left is rounding.
    small, least = eps**0.6 * torch.maximum(low.abs(), high.abs()), eps * torch.maximum(low.abs(), high.abs())
    rows = torch.arange(len(low))
    y, before = found, high - low
    for _ in range(BISECTIONS):
        value, slope = value_and_slope(y, rows)
        low, high = torch.where(value < 0, y, low), torch.where(value < 0, high, y)
        step = torch.nan_to_num(value / slope, nan=torch.inf).abs()
        new = y - value.sign() * step
        bisects = (step > small) & ((new <= low) | (new >= high) | (2 * step > before))
        new = torch.where(bisects, 0.5 * (low + high), new)
        before = (new - y).abs()
        found = found.index_copy(0, rows, new)
        going_on = (step > small) & (high - low > least)
        if not going_on.any():
            break
        if 2 * going_on.sum() < len(rows):  # a copy costs as much as a step
            rows, new, before, low, high, small, least = (
                one[going_on] for one in (rows, new, before, low, high, small, least)
            )
        y = new
    return found
