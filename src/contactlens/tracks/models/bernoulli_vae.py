"""A variational autoencoder of MS2 whose latents are ones: polymerases, placed between the frames."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.tracks.models.backbone import Backbone, BackboneOutput
from contactlens.tracks.models.bernoulli_latent import sample
from contactlens.tracks.models.config import BernoulliVaeConfig
from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.heads.gaussian import GaussianHead
from contactlens.tracks.models.padding import track_lengths, without_padding
from contactlens.tracks.models.unet import ConvBlock, UNet
from contactlens.tracks.simulation.loading_grid import LoadingGrid


class CausalConv1d(nn.Conv1d):
    """A convolution whose output at a frame depends on that frame and earlier ones: (B, C_in, T) -> (B, C_out, T)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.kernel_size[0] - 1, 0)))


class PreActivationBlock(nn.Module):
    """Two rectified convolutions beside an identity that nothing rectifies (He et al., ECCV 2016), on (B, C, T).

    A rectifier at the end would let the penalty on the correction switch every channel off for good, and with it the
    log-variance.
    """

    def __init__(self, width: int, kernel_size: int, causal: bool) -> None:
        super().__init__()
        self.relu1 = nn.ReLU()
        self.conv1 = _convolution(width, width, kernel_size, causal)
        self.relu2 = nn.ReLU()
        self.conv2 = _convolution(width, width, kernel_size, causal)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        inner = self.conv1(without_padding(self.relu1(x), lengths))
        return x + self.conv2(without_padding(self.relu2(inner), lengths))


def _convolution(in_channels: int, out_channels: int, kernel_size: int, causal: bool) -> nn.Conv1d:
    if causal:
        return CausalConv1d(in_channels, out_channels, kernel_size)
    return nn.Conv1d(in_channels, out_channels, kernel_size, padding="same")


class LoadingDecoder(nn.Module):
    """Ones to MS2: the sum of the polymerases' known responses, then residual blocks.

    The response is not learned. A learned one leaves free when a one comes before the signal that it explains, and how
    many polymerases it stands for; the ones then reconstruct MS2 as well, but no longer mark loading. The blocks see
    the summed response, not the ones, and start with no correction.
    """

    response: Tensor
    background: Tensor

    def __init__(self, config: BernoulliVaeConfig, grid: LoadingGrid, signal_mean: float, signal_sd: float) -> None:
        super().__init__()
        self.bins_per_frame = grid.bins_per_frame
        self.lead_frames = grid.lead_frames
        response = torch.from_numpy(grid.response()[::-1].T.copy()).float() / signal_sd  # (k, taps), oldest first
        self.register_buffer("response", response[None])
        self.register_buffer("background", torch.tensor((grid.background - signal_mean) / signal_sd))
        causal = config.convolutions == "causal"
        self.blocks = nn.Sequential(
            _convolution(1, config.width, config.kernel_size, causal),
            *(PreActivationBlock(config.width, config.kernel_size, causal) for _ in range(config.decoder_blocks)),
        )
        self.head = GaussianHead(config.width, config.logvar_bounds)
        for parameter in self.head.project.parameters():
            nn.init.zeros_(parameter)

    def forward(self, latents: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Prediction (B, 2, T) and correction (B, T), from latents (B, (lead + T) k); lengths (B,) of the tracks, None
        where they all reach the last frame."""
        bins = latents.unflatten(1, (-1, self.bins_per_frame)).transpose(1, 2)  # (B, k, lead + T)
        signal = F.conv1d(bins, self.response) + self.background  # (B, 1, T)
        features = self.blocks[0](without_padding(signal, lengths))
        for block in list(self.blocks)[1:]:
            features = block(features, lengths)
        correction, logvar = self.head(features).unbind(dim=1)
        return torch.stack([signal[:, 0] + correction, logvar], dim=1), correction


class BernoulliVae(Backbone):
    """MS2 to MS2 through ones on a `LoadingGrid`, k bins per frame.

    A U-Net encoder gives the log odds of a one in every bin; a `LoadingDecoder` turns ones into the mean and
    log-variance of MS2. Source of the objective: Kingma and Welling, ICLR 2014; its terms are `ElboObjective`'s.

    Takes x (B, 1, T), the standardised signal, and observed (B, T); further channels of x are not read.

    signal_mean, signal_sd: of the standardisation, a.u.
    """

    def __init__(self, config: BernoulliVaeConfig, grid: LoadingGrid, signal_mean: float, signal_sd: float) -> None:
        super().__init__()
        self.config = config
        self.grid: LoadingGrid = grid
        self.prior = config.prior
        depth = config.encoder_depth
        self.encoder = UNet(2, config.width, depth, depth, config.kernel_size, ConvBlock)
        self.to_bins = PointwiseConv(config.width, grid.bins_per_frame)
        self.prior_logit = math.log(config.prior / (1 - config.prior))
        self.decoder = LoadingDecoder(config, grid, signal_mean, signal_sd)

    def encode(self, x: Tensor, observed: Tensor) -> Tensor:
        """Log odds of a one in each bin, lead included: (B, (lead + T) k)."""
        mask = observed.to(x.dtype)
        # The frames of the lead come in as missing.
        frames = F.pad(torch.stack([x[:, 0] * mask, mask], dim=1), (self.grid.lead_frames, 0))
        bins = self.to_bins(
            self.encoder(frames, F.pad(observed, (self.grid.lead_frames, 0))).features
        )  # (B, k, lead + T)
        return self.prior_logit + bins.transpose(1, 2).flatten(1)

    def forward(
        self, x: Tensor, observed: Tensor, context: None = None, generator: torch.Generator | None = None
    ) -> BackboneOutput:
        """Mean and log-variance (B, 2, T) of the standardised signal as `features`, with the latents behind them.

        The latents are drawn in training; otherwise they are the posterior's mean. There is no context.
        """
        logits = self.encode(x, observed)
        config = self.config
        drawn = self.training
        latents = sample(logits, config.estimator, config.temperature, generator) if drawn else torch.sigmoid(logits)
        prediction, correction = self.decoder(latents, track_lengths(observed))
        return BackboneOutput(prediction, logits, correction)

    def latent(self, x: Tensor, observed: Tensor) -> Tensor:
        """Probability of a one in each bin of the frames, (B, T k), without the lead."""
        return torch.sigmoid(self.encode(x, observed)[:, self.grid.lead_frames * self.grid.bins_per_frame :])
