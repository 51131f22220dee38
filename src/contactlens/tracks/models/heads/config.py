"""Which head predicts a signal, and what each one is configured by."""

from dataclasses import field, replace

from torch import Tensor

from contactlens.base.settings import settings
from contactlens.tracks.models.heads.hurdle import HurdleConfig
from contactlens.tracks.models.heads.mixture import MixtureConfig
from contactlens.tracks.models.heads.negative_binomial import NegativeBinomialConfig, check_counts


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

    def resolved(self, signal: Tensor) -> "HeadConfig":
        """With what the head reads from the observed signal (n,) of the training split.

        Raises InputError where the signal is of another kind than the head's.
        """
        if self.name == "hurdle":
            return replace(self, hurdle=self.hurdle.resolved(signal))
        if self.name == "negative_binomial":
            check_counts(signal)
        return self
