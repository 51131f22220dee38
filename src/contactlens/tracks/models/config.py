"""The configuration of a model, of whatever architecture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TransformerConfig:
    """layers, heads: of the encoder; twice the number of heads must divide the width
    window: frames either side that a frame attends to; the whole track where null
    """

    layers: int = 2
    heads: int = 2
    window: int | None = 24


@dataclass(frozen=True)
class ModelConfig:
    """Backbone and head.

    name: an entry of `architectures.ARCHITECTURES`
    width: channels at full length; each halving of a U-Net doubles them
    encoder_depth, decoder_depth: steps of a U-Net down to its coarsest level and back up
    kernel_size: frames of a convolution
    gated: whether the distance gate multiplies the input of a task that has it
    logvar_bounds: range of the predicted log-variance, in log units of the standardised signal's variance
    context_frames: frames to which MS2 is pooled where it conditions the decoder
    transformer: what only a Transformer has
    """

    name: str
    width: int
    encoder_depth: int
    decoder_depth: int
    kernel_size: int
    gated: bool
    logvar_bounds: tuple[float, float]
    context_frames: int = 8
    transformer: TransformerConfig = TransformerConfig()

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0 or self.kernel_size < 1:
            raise ValueError(f"model.kernel_size must be odd and positive, got {self.kernel_size}")
        if self.encoder_depth < 1 or self.decoder_depth < self.encoder_depth:
            raise ValueError("model.encoder_depth must be at least 1 and model.decoder_depth at least as deep")
        for name in ("width", "context_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} must be positive, got {getattr(self, name)}")
