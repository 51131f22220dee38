"""Which head predicts a signal, and what each one is configured by; imports no torch, so that reading params stays
quick."""

from dataclasses import field, replace
from typing import TYPE_CHECKING

from contactlens.base.errors import InputError
from contactlens.base.settings import PositiveInt, rule, settings

if TYPE_CHECKING:
    from torch import Tensor


@settings
class MixtureConfig:
    """components: Gaussians of the mixture"""

    components: PositiveInt = 4


@settings
class HurdleConfig:
    """components: Gaussians of the mixture above the limit, each cut off at it
    limit: the detection limit, in the signal's unit; where null, the smallest signal of the training split, which
        several frames must share
    """

    components: PositiveInt = 3
    limit: float | None = None

    def resolved(self, signal: "Tensor") -> "HurdleConfig":
        """With the limit read from the observed signal (n,) of the training split.

        Raises InputError where no two frames share the smallest signal, or the limit that is given is no floor.
        """
        lowest = signal.min().item()
        limit = lowest if self.limit is None else self.limit
        at_limit = int((signal <= limit).sum())
        if at_limit < 2:
            raise InputError(
                f"tracks.model.head.name: a hurdle needs frames at the detection limit; {at_limit} of {len(signal):,} "
                f"training frames have a signal of at most {limit:g}. Choose mixture, or give model.head.hurdle.limit"
            )
        return replace(self, limit=limit)


@settings
class NegativeBinomialConfig:
    """log_dispersion_bounds: range of log r, of which the variance is mean + mean^2 / r"""

    log_dispersion_bounds: tuple[float, float] = (-4.0, 8.0)

    @rule
    def _bounds_rise(self) -> None:
        low, high = self.log_dispersion_bounds
        if low >= high:
            raise ValueError(f"log_dispersion_bounds must rise, got {low}, {high}")

    def check(self, signal: "Tensor") -> None:
        """InputError where an observed signal (n,) is not a whole number of at least 0."""
        wrong = (signal < 0) | (signal != signal.round())
        if wrong.any():
            raise InputError(
                f"tracks.model.head.name: negative_binomial takes counts; {int(wrong.sum()):,} of {len(signal):,} "
                f"training frames are none, such as {signal[wrong][0].item():g}. Choose mixture or hurdle"
            )


@settings
class HeadConfig:
    """name: an entry of `heads.HEADS`, the form of a predicted signal; a predicted state and a decoder of latents have
        their own, whatever is named here
    mixture, hurdle, negative_binomial: what only such a head has
    """

    name: str = "gaussian"
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    hurdle: HurdleConfig = field(default_factory=HurdleConfig)
    negative_binomial: NegativeBinomialConfig = field(default_factory=NegativeBinomialConfig)

    def resolved(self, signal: "Tensor") -> "HeadConfig":
        """With what the head reads from the observed signal (n,) of the training split.

        Raises InputError where the signal is of another kind than the head's.
        """
        if self.name == "hurdle":
            return replace(self, hurdle=self.hurdle.resolved(signal))
        if self.name == "negative_binomial":
            self.negative_binomial.check(signal)
        return self
