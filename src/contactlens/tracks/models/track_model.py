"""The whole model of a task: scaling, gate, backbone and head in one module."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from contactlens.tracks.batch import TrackBatch
from contactlens.tracks.models.gate import DistanceGate, GateConfig
from contactlens.tracks.models.heads import GaussianHead
from contactlens.tracks.models.unet import ConvBlock, ResidualBlock, UNet

DECODER_BLOCKS: dict[str, type[ConvBlock]] = {"unet": ConvBlock, "unet_resnet": ResidualBlock}


@dataclass(frozen=True)
class ModelConfig:
    """Backbone and head.

    name: `unet`, or `unet_resnet` with a residual decoder
    width: channels at full length; each halving doubles them
    gated: whether the distance gate multiplies the input
    logvar_bounds: range of the predicted log-variance, in log units of the standardised signal's variance
    """

    name: Literal["unet", "unet_resnet"]
    width: int
    encoder_depth: int
    decoder_depth: int
    kernel_size: int
    gated: bool
    logvar_bounds: tuple[float, float]

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0 or self.kernel_size < 1:
            raise ValueError(f"model.kernel_size must be odd and positive, got {self.kernel_size}")
        if self.encoder_depth < 1 or self.decoder_depth < self.encoder_depth:
            raise ValueError("model.encoder_depth must be at least 1 and model.decoder_depth at least as deep")
        if self.width < 1:
            raise ValueError(f"model.width must be positive, got {self.width}")


@dataclass(frozen=True)
class Scaling:
    """One scale for the whole dataset: the driver's typical size and the signal's mean and standard deviation."""

    driver_scale: float
    signal_mean: float
    signal_sd: float

    @classmethod
    def of(cls, train: TrackBatch) -> "Scaling":
        """Measured on the observed frames of the training split."""
        distance = train.driver[:, -1][train.observed]
        signal = train.signal[train.observed].double()
        return cls(
            driver_scale=float(distance.abs().median()),
            signal_mean=float(signal.mean()),
            signal_sd=float(signal.std()) or 1.0,
        )


class TrackModel(nn.Module):
    """E-P tracks (and, where the task says so, MS2) to the mean and log-variance of MS2 at every frame.

    Takes x (B, C, T), the driver's channels and then MS2 if it is an input, in the data's own units, and
    observed (B, T). Gives (B, 2, T): mean in the signal's unit, log-variance in the log of its square.
    """

    signal_mean: Tensor
    signal_sd: Tensor
    channel_scale: Tensor
    channel_shift: Tensor

    def __init__(
        self,
        config: ModelConfig,
        gate: GateConfig,
        scaling: Scaling,
        driver_channels: int,
        signal_input: bool,
    ) -> None:
        super().__init__()
        self.driver_channels = driver_channels
        self.gated = config.gated
        extra = [scaling.signal_sd] if signal_input else []
        shift = [scaling.signal_mean] if signal_input else []
        self.register_buffer("channel_scale", torch.tensor([scaling.driver_scale] * driver_channels + extra)[:, None])
        self.register_buffer("channel_shift", torch.tensor([0.0] * driver_channels + shift)[:, None])
        self.register_buffer("signal_mean", torch.tensor(scaling.signal_mean))
        self.register_buffer("signal_sd", torch.tensor(scaling.signal_sd))
        self.distance_gate = DistanceGate(gate, scaling.driver_scale)
        # Two further channels: the gated constant (the contact itself; without it a driver near 0 in contact looks the
        # same as no contact) and the mask of observed frames.
        in_channels = driver_channels + int(signal_input) + 2
        self.backbone = UNet(
            in_channels,
            config.width,
            config.encoder_depth,
            config.decoder_depth,
            config.kernel_size,
            DECODER_BLOCKS[config.name],
        )
        self.head = GaussianHead(config.width, config.logvar_bounds)

    @property
    def contact_radius(self) -> float:
        """The learned radius, in the driver's unit."""
        return float(self.distance_gate.radius.detach())

    @property
    def gate_alpha(self) -> float:
        """The learned steepness of the gate, per unit of the driver."""
        return float(self.distance_gate.alpha.detach())

    def gate(self, x: Tensor) -> Tensor:
        """How open the gate is at each frame, (B, T) in (0, 1), from the driver's last channel."""
        return self.distance_gate(x[:, self.driver_channels - 1])

    def _gated_input(self, x: Tensor, gate: Tensor, observed: Tensor) -> Tensor:
        """(B, C + 2, T): scaled input, contact and mask. Opening the gate to copy MS2 must not pay, so in training
        the gate that multiplies MS2 passes no gradient to the radius."""
        scaled = (x - self.channel_shift) / self.channel_scale  # (B, C, T)
        opening = gate[:, None].expand_as(scaled)
        if self.training:
            opening = torch.cat(
                [opening[:, : self.driver_channels], opening[:, self.driver_channels :].detach()], dim=1
            )
        seen = observed[:, None].to(x.dtype)
        return torch.cat([scaled * opening * seen, gate[:, None] * seen, seen], dim=1)

    def standardised(self, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Prediction (B, 2, T) in units of the standardised signal, and the gate (B, T): what the loss takes."""
        gate = self.gate(x) if self.gated else torch.ones_like(x[:, 0])
        return self.head(self.backbone(self._gated_input(x, gate, observed))), gate

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        prediction, _ = self.standardised(x, observed)
        mean = self.signal_mean + self.signal_sd * prediction[:, 0]
        logvar = prediction[:, 1] + 2 * self.signal_sd.log()
        return torch.stack([mean, logvar], dim=1)
