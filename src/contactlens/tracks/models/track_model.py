"""The whole model of a task: scaling, gate, backbone and head in one module."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from contactlens.tracks.data.halfway import halfway_distance
from contactlens.tracks.models.architectures import ARCHITECTURES, Plan, check_fit
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.convolution import PointwiseConv
from contactlens.tracks.models.gate import DistanceGate
from contactlens.tracks.models.heads import HEADS, HeadPlan
from contactlens.tracks.models.heads.bernoulli import BernoulliHead
from contactlens.tracks.models.heads.distribution import Distribution, Head, SignalScale
from contactlens.tracks.models.heads.gaussian import DecodedGaussianHead
from contactlens.tracks.models.padding import pooled, track_lengths
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import Task
from contactlens.tracks.simulation.loading_grid import LoadingGrid


class Output(NamedTuple):
    """What the loss takes: the prediction (B, K, T) in units of the standardised signal, the gate (B, T), and of a
    model with latents, the rest of its `BackboneOutput`."""

    prediction: Tensor
    gate: Tensor
    logits: Tensor | None = None
    correction: Tensor | None = None

    @classmethod
    def joined(cls, parts: "Sequence[Output]") -> "Output":
        """The outputs of several batches as one, in single precision."""
        several = len(parts) > 1
        tensors: list[Any] = [
            None if of[0] is None else (torch.cat(of) if several else of[0]).float() for of in zip(*parts, strict=True)
        ]
        return cls(*tensors)


class SignalContext(nn.Module):
    """MS2 as a condition of the decoder, pooled so that no single frame can be read off it: -> (B, channels, frames).

    Mean of the standardised signal in `frames` equal parts of the track, projected; a part without an observed frame
    is 0. signal (B, T), observed (B, T).
    """

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.frames = frames
        self.project = PointwiseConv(2, channels)
        self.relu = nn.ReLU()

    def forward(self, signal: Tensor, observed: Tensor) -> Tensor:
        mask = observed.to(signal.dtype)
        both = torch.stack([signal * mask, mask], dim=1)
        total, share = pooled(both, self.frames, track_lengths(observed)).unbind(dim=1)
        mean = total / share.clamp(min=torch.finfo(share.dtype).eps)
        return self.relu(self.project(torch.stack([mean, share], dim=1)))


class TrackModel(nn.Module):
    """Tracks to a prediction at every frame.

    Takes x (B, C, T), the channels of `tasks.model_input` in the data's own units, and observed (B, T). Of a signal it
    gives (B, K, T): its mean in the signal's unit, its log-variance in the log of that squared, and of heads other than
    the Gaussian the rest that `distribution` needs. Of a state it gives (B, 1, T): the log odds of "on".

    driver_channels: channels of the driver in the data
    grid: where a model with latents places polymerases
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
        task: Task,
        driver_channels: int,
        grid: LoadingGrid | None = None,
    ) -> None:
        super().__init__()
        check_fit(task, config)
        self.task = task
        self.driver_channels = driver_channels if task.driver_input else 0
        self.gated = config.gated and task.gated
        extra = [scaling.signal_sd] if task.signal_input else []
        shift = [scaling.signal_mean] if task.signal_input else []
        scale = [scaling.driver_scale] * self.driver_channels + extra
        # x, y and z come before the distance.
        self.turned_in_training = config.rotation == "random" and self.driver_channels > 1
        self.hidden_channels = max(self.driver_channels - 1, 0) if config.rotation == "invariant" else 0
        self.sees_between_frames = config.between_frames and self.driver_channels > 1
        self.register_buffer("channel_scale", torch.tensor(scale)[:, None])
        self.register_buffer("channel_shift", torch.tensor([0.0] * self.driver_channels + shift)[:, None])
        self.register_buffer("signal_mean", torch.tensor(scaling.signal_mean))
        self.register_buffer("signal_sd", torch.tensor(scaling.signal_sd))
        self.distance_gate = DistanceGate(gate, scaling.driver_scale) if self.gated else None
        # One further channel, the mask of observed frames, and behind a gate another for each distance: the gated
        # constant (the contact itself; without it a driver near 0 in contact looks the same as no contact).
        distances = 1 + self.sees_between_frames
        in_channels = len(scale) - self.hidden_channels + distances + distances * self.gated
        context_channels = config.width if task.conditioned else 0
        plan = Plan(config, in_channels, context_channels, scaling, grid)
        self.backbone = ARCHITECTURES[config.name].build(plan)
        self.context = SignalContext(config.context_frames, context_channels) if task.conditioned else None
        self.head_name = _head_name(task, config)
        self.head = _head(task, config, scaling)

    @property
    def gate_midpoint(self) -> float:
        """Where the gate is half open, in the driver's unit; NaN without a gate. No measured contact radius."""
        return math.nan if self.distance_gate is None else float(self.distance_gate.radius.detach())

    @property
    def gate_alpha(self) -> float:
        """The learned steepness of the gate, per unit of the driver; NaN without a gate."""
        return math.nan if self.distance_gate is None else float(self.distance_gate.alpha.detach())

    def gate(self, x: Tensor) -> Tensor:
        """How open the gate is at each frame, (B, T) in (0, 1), from the driver's last channel; 1 without a gate."""
        if self.distance_gate is None:
            return torch.ones_like(x[:, 0])
        return self.distance_gate(x[:, self.driver_channels - 1])

    def gated_input(self, x: Tensor, gate: Tensor, observed: Tensor) -> Tensor:
        """(B, Z, T): scaled input that is not hidden, contact (behind a gate), `_between_frames`, and mask."""
        scaled = ((x - self.channel_shift) / self.channel_scale)[:, self.hidden_channels :]
        mask = observed[:, None].to(x.dtype)
        between = self._between_frames(x, observed)
        if self.distance_gate is None:
            return torch.cat([scaled * mask, *(channel * mask for channel in between), mask], dim=1)
        opening = gate[:, None].expand_as(scaled)
        if self.task.may_copy_signal:
            opening = torch.cat(
                [opening[:, : self.driver_channels - self.hidden_channels], self._sight(gate)[:, None]], dim=1
            )
        seen = [scaled * opening, gate[:, None], *between]
        return torch.cat([*(channel * mask for channel in seen), mask], dim=1)

    def _between_frames(self, x: Tensor, observed: Tensor) -> list[Tensor]:
        """Channels (B, 1, T) of what lies half way to the frame before: the distance, behind a gate as far as that lets
        it through, and then the contact."""
        if not self.sees_between_frames:
            return []
        halfway = halfway_distance(x[:, : self.driver_channels], observed)[:, None]
        scaled = halfway / self.channel_scale[self.driver_channels - 1]
        if self.distance_gate is None:
            return [scaled]
        opening = self.distance_gate(halfway)
        return [scaled * opening, opening]

    @staticmethod
    def _sight(gate: Tensor) -> Tensor:
        """What multiplies MS2 where that is the target, (B, T): 1 within the radius, where the gate is more than half
        open, and 0 beyond. A gate that never quite closes is no bar: MS2 times it, divided by the contact beside it, is
        MS2. And no gradient of it reaches the radius, so that opening the gate to copy MS2 does not pay.
        """
        return (gate > 0.5).to(gate.dtype)

    def _inputs(self, x: Tensor, observed: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the backbone takes, and the gate (B, T)."""
        gate = self.gate(x)
        if self.context is None:
            return [self.gated_input(x, gate, observed), observed], gate
        context = self.context((x[:, -1] - self.signal_mean) / self.signal_sd, observed)
        return [self.gated_input(x[:, :-1], gate, observed), observed, context], gate

    def standardised(self, x: Tensor, observed: Tensor) -> Output:
        """What the loss takes; in training the latents are drawn, otherwise they are their means."""
        inputs, gate = self._inputs(x, observed)
        given = self.backbone(*inputs)
        return Output(self.head(given.features), gate, given.logits, given.correction)

    @property
    def has_attention(self) -> bool:
        return self.backbone.has_attention

    def attention(self, x: Tensor, observed: Tensor) -> Tensor:
        """Weights of every layer and head, (B, layers, heads, T, T); ValueError unless the model `has_attention`."""
        (features, *_), _ = self._inputs(x, observed)
        return self.backbone.attention(features, observed)

    @property
    def grid(self) -> LoadingGrid:
        """Where its latents lie; ValueError without latents."""
        if self.backbone.grid is None:
            raise ValueError("this model has no latents")
        return self.backbone.grid

    @property
    def prior(self) -> float:
        """Probability of a one in a bin of its latents before the data; ValueError without latents."""
        if self.backbone.prior is None:
            raise ValueError("this model has no latents")
        return self.backbone.prior

    def latent(self, x: Tensor, observed: Tensor) -> Tensor:
        """Probability of a polymerase in each bin of the grid, (B, T bins_per_frame); ValueError without latents."""
        (features, *_), _ = self._inputs(x, observed)
        return self.backbone.latent(features, observed)

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return self.in_units(self.standardised(x, observed).prediction)

    def in_units(self, prediction: Tensor) -> Tensor:
        """What the model gives, from the prediction (B, K, T) that the loss takes."""
        return self.head.in_units(prediction, self.signal_scale)

    @property
    def signal_scale(self) -> SignalScale:
        return SignalScale(self.signal_mean, self.signal_sd)

    @property
    def signal_head(self) -> Head:
        """The head of a predicted signal; ValueError where a state is predicted."""
        if not isinstance(self.head, Head):
            raise ValueError("this model predicts states, not a signal")
        return self.head

    def distribution(self, channels: Tensor) -> Distribution:
        """Of the signal, in its unit, from what the model gives (B, K, T), or (n, K) for a flat list of frames."""
        return self.signal_head.read(channels)


def _head_name(task: Task, config: ModelConfig) -> str:
    if task.target == "state":
        return "bernoulli"
    return "gaussian" if task.latent else config.head.name


def _head(task: Task, config: ModelConfig, scaling: Scaling) -> Head | BernoulliHead:
    if task.target == "state":
        return BernoulliHead(config.width)
    if task.latent:
        return DecodedGaussianHead()
    return HEADS[config.head.name].build(HeadPlan(config.head, config.width, config.logvar_bounds, scaling))
