"""The architectures by name, and which task fits which."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from contactlens.errors import InputError
from contactlens.tracks.models.config import ModelConfig
from contactlens.tracks.models.transformer import Transformer
from contactlens.tracks.models.unet import ConvBlock, ResidualBlock, UNet
from contactlens.tracks.tasks import Task


@dataclass(frozen=True)
class Architecture:
    """One entry of the table of models.

    build: the backbone of a configuration, given the channels of its input and of the context that conditions its
        decoder (0 where there is none). It is called as `backbone(x (B, C, T), observed (B, T))`, with the context
        where there is one, and gives per-frame features (B, width, T), or, where it is `latent`, the standardised mean
        and log-variance (B, 2, T).
    conditioned: whether its decoder takes a context
    latent: whether MS2 passes through a binary latent
    """

    build: Callable[[ModelConfig, int, int], nn.Module]
    conditioned: bool = False
    latent: bool = False


def _unet(block: type[ConvBlock], config: ModelConfig, in_channels: int, context_channels: int) -> nn.Module:
    return UNet(
        in_channels,
        config.width,
        config.encoder_depth,
        config.decoder_depth,
        config.kernel_size,
        block,
        context_channels,
    )


def _transformer(config: ModelConfig, in_channels: int, context_channels: int) -> nn.Module:
    own = config.transformer
    return Transformer(in_channels, config.width, own.layers, own.heads, own.window)


ARCHITECTURES: dict[str, Architecture] = {
    "unet": Architecture(partial(_unet, ConvBlock), conditioned=True),
    "unet_resnet": Architecture(partial(_unet, ResidualBlock), conditioned=True),
    "transformer": Architecture(_transformer),
}


def fits(task: Task, architecture: Architecture) -> bool:
    return task.latent == architecture.latent and (architecture.conditioned or not task.conditioned)


def fitting(task: Task) -> list[str]:
    """Names of the architectures that a task can use."""
    return [name for name, architecture in ARCHITECTURES.items() if fits(task, architecture)]


def check_fit(task: Task, config: ModelConfig) -> None:
    """InputError where the model is not known, can't do the task, or could copy the target from its input."""
    if config.name not in ARCHITECTURES:
        raise InputError(f"tracks.model.name: unknown model {config.name!r}; known: {', '.join(ARCHITECTURES)}")
    if config.name not in fitting(task):
        known = ", ".join(fitting(task)) or "none"
        raise InputError(f"tracks.model.name: {config.name} does not fit task {task.name}; fitting: {known}")
    if task.may_copy_signal and not config.gated:
        raise InputError(f"tracks.model.gated: task {task.name} needs the gate, or MS2 is copied to the output")
