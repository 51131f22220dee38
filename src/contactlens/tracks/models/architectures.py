"""The architectures by name, and which task fits which.

A network's module is imported when it is built, so that reading params stays quick.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from contactlens.base.errors import InputError
from contactlens.tracks.models.config import ModelConfig
from contactlens.tracks.models.tasks import Task

if TYPE_CHECKING:
    from contactlens.tracks.models.backbone import Backbone
    from contactlens.tracks.models.scaling import Scaling
    from contactlens.tracks.simulation.loading_grid import LoadingGrid


class Plan(NamedTuple):
    """What a backbone is built from: its configuration, the channels of its input and of the context that conditions
    its decoder (0 where there is none), the data's scale, and the grid of its latents where it has some."""

    config: ModelConfig
    in_channels: int
    context_channels: int
    scaling: "Scaling"
    grid: "LoadingGrid | None"


@dataclass(frozen=True)
class Architecture:
    """One entry of the table of models.

    build: the backbone of a plan
    conditioned: whether its decoder takes a context
    latent: whether MS2 passes through a binary latent
    """

    build: "Callable[[Plan], Backbone]"
    conditioned: bool = False
    latent: bool = False


def _unet(residual: bool, plan: Plan) -> "Backbone":
    from contactlens.tracks.models.unet import ConvBlock, ResidualBlock, UNet

    config = plan.config
    return UNet(
        plan.in_channels,
        config.width,
        config.encoder_depth,
        config.decoder_depth,
        config.kernel_size,
        ResidualBlock if residual else ConvBlock,
        plan.context_channels,
    )


def _transformer(plan: Plan) -> "Backbone":
    from contactlens.tracks.models.transformer import Transformer

    own = plan.config.transformer
    return Transformer(plan.in_channels, plan.config.width, own.layers, own.heads, own.window)


def _bernoulli_vae(plan: Plan) -> "Backbone":
    from contactlens.tracks.models.bernoulli_vae import BernoulliVae

    if plan.grid is None:
        raise ValueError("a Bernoulli VAE needs the grid of its latents")
    return BernoulliVae(plan.config.vae, plan.grid, plan.scaling.signal_mean, plan.scaling.signal_sd)


ARCHITECTURES: dict[str, Architecture] = {
    "unet": Architecture(partial(_unet, False), conditioned=True),
    "unet_resnet": Architecture(partial(_unet, True), conditioned=True),
    "transformer": Architecture(_transformer),
    "bernoulli_vae": Architecture(_bernoulli_vae, latent=True),
}


DEFAULT_MODEL = "unet_resnet"


def fits(task: Task, architecture: Architecture) -> bool:
    return task.latent == architecture.latent and (architecture.conditioned or not task.conditioned)


def fitting(task: Task) -> list[str]:
    """Names of the architectures that a task can use."""
    return [name for name, architecture in ARCHITECTURES.items() if fits(task, architecture)]


def default_model(task: Task) -> str:
    """The architecture that a task has if none is named."""
    known = fitting(task)
    return DEFAULT_MODEL if DEFAULT_MODEL in known else known[0]


def check_fit(task: Task, config: ModelConfig) -> None:
    """InputError where the model is not known, can't do the task, or could copy the target from its input."""
    if config.name not in ARCHITECTURES:
        raise InputError(f"tracks.model.name: unknown model {config.name!r}; known: {', '.join(ARCHITECTURES)}")
    if config.name not in fitting(task):
        known = ", ".join(fitting(task)) or "none"
        raise InputError(f"tracks.model.name: {config.name} does not fit task {task.name}; fitting: {known}")
    if task.may_copy_signal and not config.gated:
        raise InputError(f"tracks.model.gated: task {task.name} needs the gate, or MS2 is copied to the output")
