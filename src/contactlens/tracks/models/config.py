"""The configuration of a model, of whatever architecture."""

from dataclasses import dataclass, field
from typing import Literal

from contactlens.tracks.models.bernoulli_latent import Estimator
from contactlens.tracks.models.bernoulli_vae import BernoulliVaeConfig
from contactlens.tracks.models.heads import HEADS, HeadConfig


@dataclass(frozen=True)
class TransformerConfig:
    """layers, heads: of the encoder; twice the number of heads must divide the width
    window: frames either side that a frame attends to; the whole track where null
    """

    layers: int = 2
    heads: int = 2
    window: int | None = 24


@dataclass(frozen=True)
class LatentConfig:
    """What only a Bernoulli VAE has: see `BernoulliVaeConfig`.

    bins_per_frame: latents per frame, so that ones can be placed between frames
    """

    bins_per_frame: int = 5
    decoder_blocks: int = BernoulliVaeConfig.decoder_blocks
    convolutions: Literal["causal", "standard"] = BernoulliVaeConfig.convolutions
    estimator: Estimator = BernoulliVaeConfig.estimator
    temperature: float = BernoulliVaeConfig.temperature
    prior: float = BernoulliVaeConfig.prior

    def __post_init__(self) -> None:
        if self.bins_per_frame < 1:
            raise ValueError(f"bernoulli_vae.bins_per_frame must be at least 1, got {self.bins_per_frame}")


@dataclass(frozen=True)
class ModelConfig:
    """Backbone and head.

    name: an entry of `architectures.ARCHITECTURES`
    width: channels at full length; each halving of a U-Net doubles them
    encoder_depth, decoder_depth: steps of a U-Net down to its coarsest level and back up
    kernel_size: frames of a convolution
    gated: whether the distance gate multiplies the input of a task that has it
    logvar_bounds: range of a predicted Gaussian's log-variance, in log units of the standardised signal's variance
    context_frames: frames to which MS2 is pooled where it conditions the decoder
    head: what a predicted signal is predicted as
    transformer, bernoulli_vae: what only such a model has
    """

    name: str
    width: int
    encoder_depth: int
    decoder_depth: int
    kernel_size: int
    gated: bool
    logvar_bounds: tuple[float, float]
    context_frames: int = 8
    head: HeadConfig = field(default_factory=HeadConfig)
    transformer: TransformerConfig = TransformerConfig()
    bernoulli_vae: LatentConfig = LatentConfig()

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0 or self.kernel_size < 1:
            raise ValueError(f"model.kernel_size must be odd and positive, got {self.kernel_size}")
        if self.encoder_depth < 1 or self.decoder_depth < self.encoder_depth:
            raise ValueError("model.encoder_depth must be at least 1 and model.decoder_depth at least as deep")
        for name in ("width", "context_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} must be positive, got {getattr(self, name)}")
        if self.name == "transformer" and self.width % (2 * self.transformer.heads):
            raise ValueError(f"model.width must be a multiple of twice the heads, got {self.width}")
        if self.head.name not in HEADS:
            raise ValueError(f"model.head.name must be one of {', '.join(HEADS)}, got {self.head.name!r}")
        self.vae  # noqa: B018 (raises where the values do not fit)

    @property
    def vae(self) -> BernoulliVaeConfig:
        """The whole configuration of a Bernoulli VAE."""
        own = self.bernoulli_vae
        return BernoulliVaeConfig(
            width=self.width,
            encoder_depth=self.encoder_depth,
            kernel_size=self.kernel_size,
            decoder_blocks=own.decoder_blocks,
            convolutions=own.convolutions,
            estimator=own.estimator,
            temperature=own.temperature,
            prior=own.prior,
            logvar_bounds=self.logvar_bounds,
        )
