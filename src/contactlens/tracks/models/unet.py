"""U-Net over time, with interpolated skips, so that any track length and any two depths fit together."""

import torch
from torch import Tensor, nn

from contactlens.tracks.models.backbone import Backbone, BackboneOutput
from contactlens.tracks.models.convolution import FrameConv, PointwiseConv, channels_together, joined
from contactlens.tracks.models.padding import halved, resample, track_lengths, without_padding


class ConvBlock(nn.Module):
    """Two convolutions over time, each followed by a rectifier: (B, C_in, T) -> (B, C_out, T).

    lengths: (B,) of the tracks, beyond whose end a convolution sees zeros; None where they all reach the last frame
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv1 = FrameConv(in_channels, out_channels, kernel_size)
        self.relu1 = nn.ReLU()
        self.conv2 = FrameConv(out_channels, out_channels, kernel_size)
        self.relu2 = nn.ReLU()

    def inner(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Up to the last rectifier; x without padding."""
        return self.conv2(without_padding(self.relu1(self.conv1(x)), lengths))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.relu2(self.inner(without_padding(x, lengths), lengths))


class ResidualBlock(ConvBlock):
    """The same two convolutions around an identity (or 1x1) shortcut: (B, C_in, T) -> (B, C_out, T)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size)
        self.shortcut = PointwiseConv(in_channels, out_channels) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = without_padding(x, lengths)
        return self.relu2(self.inner(x, lengths) + self.shortcut(x))


class UNet(Backbone):
    """Encoder of `encoder_depth` halvings, decoder of `decoder_depth` >= `encoder_depth` steps back to full length.

    Level k of the encoder has `width * 2**k` channels. Decoder steps are spaced evenly in log length, and each takes
    the encoder features of the nearest level, interpolated to its own length, and in the same way the context where
    there is one. Without a context the output at a frame depends on the inputs within a finite reach of it.
    Source: Ronneberger et al., MICCAI 2015, in one dimension.

    context_channels: channels of the context that conditions the decoder; 0 for none
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        encoder_depth: int,
        decoder_depth: int,
        kernel_size: int,
        decoder_block: type[ConvBlock],
        context_channels: int = 0,
    ) -> None:
        super().__init__()
        if decoder_depth < encoder_depth:
            raise ValueError(f"decoder_depth {decoder_depth} must be at least encoder_depth {encoder_depth}")
        channels = [width * 2**level for level in range(encoder_depth + 1)]
        self.encoder = nn.ModuleList(
            ConvBlock(before, after, kernel_size)
            for before, after in zip([in_channels, *channels[:-1]], channels, strict=True)
        )
        self.heights = [encoder_depth * (1 - step / decoder_depth) for step in range(1, decoder_depth + 1)]
        self.skips = [min(round(height), encoder_depth - 1) for height in self.heights]
        outs = [channels[level] for level in self.skips]
        self.decoder = nn.ModuleList(
            decoder_block(below + skip + context_channels, out, kernel_size)
            for below, skip, out in zip([channels[-1], *outs[:-1]], outs, outs, strict=True)
        )

    def forward(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> BackboneOutput:
        """x (B, C, T), context (B, context_channels, S) -> features (B, width, T). `observed` (B, T) says where each
        track ends, beyond which nothing changes its frames; the missing frames before are for x's channels to tell."""
        lengths = track_lengths(observed)
        T = x.size(-1)
        x = channels_together(x)
        features: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            if level > 0:
                x = halved(x, _at(lengths, level - 1))  # (B, C, T / 2**level)
            x = block(x, _at(lengths, level))
            features.append(x)
        above: float = len(self.encoder) - 1
        for height, skip, block in zip(self.heights, self.skips, self.decoder, strict=True):
            length, after = _frames_at(T, height), _at(lengths, height)
            fused = [
                resample(x, length, _at(lengths, above), after),
                resample(features[skip], length, _at(lengths, skip), after),
            ]
            if context is not None:
                fused.append(resample(context, length, _context_lengths(context, lengths), after))
            x, above = block(joined(fused), after), height
        return BackboneOutput(x)  # (B, width, T)


def _frames_at(frames: int, height: float) -> int:
    """Length of `frames` frames after a number of halvings, whole or not."""
    return -(-frames // 2 ** int(height)) if height == int(height) else round(frames / 2**height)


def _at(lengths: Tensor | None, height: float) -> Tensor | None:
    """`_frames_at` of every track."""
    if lengths is None or height == 0:
        return lengths
    if height == int(height):
        return (lengths + 2 ** int(height) - 1) // 2 ** int(height)
    return (lengths.double() / 2**height).round().long().clamp(min=1)


def _context_lengths(context: Tensor, lengths: Tensor | None) -> Tensor | None:
    """A context is as long for every track."""
    return None if lengths is None else torch.full_like(lengths, context.size(-1))
