"""The configuration of a model, of whatever architecture; imports no torch, so that reading params stays quick."""

from dataclasses import field
from typing import Literal

from contactlens.base.settings import OpenUnit, PositiveFloat, PositiveInt, rule, settings
from contactlens.tracks.models.heads import HEADS
from contactlens.tracks.models.heads.config import HeadConfig

Rotation = Literal["as_given", "random", "invariant"]
Estimator = Literal["straight_through", "gumbel"]


@settings
class GateConfig:
    """A gate that opens below a learned distance, `radius`: its midpoint.

    radius_init: where the radius starts, in the driver's unit
    radius_bounds: lowest and highest radius that can be learned, in the driver's unit
    sharpness: starting steepness of the gate, per `Scaling.driver_scale` (alpha = sharpness / driver_scale)
    """

    radius_init: float
    radius_bounds: tuple[float, float]
    sharpness: PositiveFloat

    @rule
    def _radius_lies_in_its_bounds(self) -> None:
        low, high = self.radius_bounds
        if not low < self.radius_init < high:
            raise ValueError(f"radius_init {self.radius_init} must lie inside radius_bounds ({low}, {high})")


@settings
class TransformerConfig:
    """layers, heads: of the encoder; twice the number of heads must divide the width
    window: frames either side that a frame attends to; the whole track where null
    """

    layers: PositiveInt = 2
    heads: PositiveInt = 2
    window: PositiveInt | None = 24


@settings
class BernoulliVaeConfig:
    """width, encoder_depth, kernel_size: of the U-Net that encodes, whose decoder steps are as many as its halvings

    decoder_blocks: residual blocks of the decoder, of the same width and kernel
    convolutions: `causal` where the decoder's prediction of a frame may depend on latents up to that frame alone;
        `standard` convolutions look ahead by `kernel_size // 2` frames each. The encoder always sees both sides, since
        a polymerase shows in the frames after its loading
    estimator, temperature: how training samples the latents; the temperature is that of `gumbel`
    prior: probability of a one in a bin before any MS2 is seen. Sparse: far below the share of ones in the data, or
        the ones drawn at random where the promoter is off cost more than they tell
    logvar_bounds: range of the predicted log-variance, in log units of the standardised signal's variance
    """

    width: PositiveInt = 16
    encoder_depth: PositiveInt = 3
    kernel_size: PositiveInt = 5
    decoder_blocks: PositiveInt = 2
    convolutions: Literal["causal", "standard"] = "causal"
    estimator: Estimator = "straight_through"
    temperature: PositiveFloat = 0.5
    prior: OpenUnit = 0.03
    logvar_bounds: tuple[float, float] = (-8.0, 4.0)

    @rule
    def _kernel_is_odd(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")


@settings
class LatentConfig:
    """What only a Bernoulli VAE has: see `BernoulliVaeConfig`.

    bins_per_frame: latents per frame, so that ones can be placed between frames
    """

    bins_per_frame: PositiveInt = 5
    decoder_blocks: PositiveInt = BernoulliVaeConfig.decoder_blocks
    convolutions: Literal["causal", "standard"] = BernoulliVaeConfig.convolutions
    estimator: Estimator = BernoulliVaeConfig.estimator
    temperature: PositiveFloat = BernoulliVaeConfig.temperature
    prior: OpenUnit = BernoulliVaeConfig.prior


@settings
class ModelConfig:
    """Backbone and head.

    name: an entry of `architectures.ARCHITECTURES`
    width: channels at full length; each halving of a U-Net doubles them
    encoder_depth, decoder_depth: steps of a U-Net down to its coarsest level and back up
    kernel_size: frames of a convolution
    gated: whether the distance gate multiplies the input of a task that has it
    rotation: how a separation vector is seen: `as_given`, x, y, z beside the distance in the microscope's axes;
        `random`, the same with every track turned at random each time it is trained on; `invariant`, the distance
        alone, so that no rotation changes a prediction
    between_frames: whether the distance half way between a frame and the one before is an input beside that of the
        frame, of a separation vector; a contact between two frames leaves a trace there
    logvar_bounds: range of a predicted Gaussian's log-variance, in log units of the standardised signal's variance
    context_frames: frames to which MS2 is pooled where it conditions the decoder
    head: what a predicted signal is predicted as
    transformer, bernoulli_vae: what only such a model has
    """

    name: str
    width: PositiveInt
    encoder_depth: PositiveInt
    decoder_depth: PositiveInt
    kernel_size: PositiveInt
    gated: bool
    logvar_bounds: tuple[float, float]
    rotation: Rotation = "as_given"
    between_frames: bool = False
    context_frames: PositiveInt = 8
    head: HeadConfig = field(default_factory=HeadConfig)
    transformer: TransformerConfig = TransformerConfig()
    bernoulli_vae: LatentConfig = LatentConfig()

    @rule
    def _sizes_fit(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")
        if self.decoder_depth < self.encoder_depth:
            raise ValueError(f"decoder_depth must be at least encoder_depth ({self.encoder_depth})")
        if self.name == "transformer" and self.width % (2 * self.transformer.heads):
            raise ValueError(f"width must be a multiple of twice the heads, got {self.width}")
        if self.head.name not in HEADS:
            raise ValueError(f"head.name must be one of {', '.join(HEADS)}, got {self.head.name!r}")

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
