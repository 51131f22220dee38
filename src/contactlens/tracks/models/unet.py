"""U-Net over time, with interpolated skips, so that any track length and any two depths fit together."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.tracks.models.backbone import Backbone, BackboneOutput


class ConvBlock(nn.Module):
    """Two convolutions over time, each followed by a rectifier: (B, C_in, T) -> (B, C_out, T)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv1 = nn.Conv1d(in_channels, out_channels, kernel_size, padding=padding)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv1d(out_channels, out_channels, kernel_size, padding=padding)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.conv2(self.relu1(self.conv1(x))))


class ResidualBlock(ConvBlock):
    """The same two convolutions around an identity (or 1x1) shortcut: (B, C_in, T) -> (B, C_out, T)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size)
        self.shortcut = nn.Conv1d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.conv2(self.relu1(self.conv1(x))) + self.shortcut(x))


def resample(x: Tensor, length: int) -> Tensor:
    """Linear interpolation of (B, C, T) to (B, C, length)."""
    return x if x.size(-1) == length else F.interpolate(x, size=length, mode="linear", align_corners=False)


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

    def forward(self, x: Tensor, observed: Tensor | None = None, context: Tensor | None = None) -> BackboneOutput:
        """x (B, C, T), context (B, context_channels, S) -> features (B, width, T). `observed`, which every backbone
        is given, is not used: the mask is one of x's channels."""
        T = x.size(-1)
        features: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            if level > 0:
                x = F.avg_pool1d(x, 2, ceil_mode=True)  # (B, C, T / 2**level)
            x = block(x)
            features.append(x)
        for height, skip, block in zip(self.heights, self.skips, self.decoder, strict=True):
            length = -(-T // 2 ** int(height)) if height == int(height) else round(T / 2**height)
            fused = [x, features[skip], *([] if context is None else [context])]
            x = block(torch.cat([resample(part, length) for part in fused], dim=1))
        return BackboneOutput(x)  # (B, width, T)
