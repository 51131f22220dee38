"""A model on the tracks that it is explained on, the outputs of its head, and the reference input.

A predicted state is explained by two outputs: its log odds, and its variance p (1 - p), which says how unsure it is.
The variance rises with the log odds below p = 0.5 and falls above: what speaks for "on" speaks for or against certainty
depending on where the prediction stands. Explanations of the log odds are thus none of the variance, not even up to a
factor for those along a path.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contactlens.attribution.all_frames import integrated_gradients_matrix
from contactlens.attribution.captum_methods import MethodSettings
from contactlens.attribution.frame_by_frame import integrated_gradients_frames
from contactlens.attribution.method_names import is_gradient
from contactlens.attribution.reach import FrameReach, temporal_reach
from contactlens.tracks.explanation.config import ExplainConfig
from contactlens.tracks.models.heads import HEADS
from contactlens.tracks.models.track_model import TrackModel

UNCERTAINTY = "uncertainty"
OUTPUTS: dict[str, dict[str, int]] = {
    **{name: {output: channel for channel, output in enumerate(kind.outputs)} for name, kind in HEADS.items()},
    "bernoulli": {"logit": 0, UNCERTAINTY: 1},
}
"""Outputs explained of each head and their channels, the one that predicts the target first, then how unsure it is."""
RANDOM = "random"
SILENT_QUANTILE = 0.25


class StateVariance(nn.Module):
    """p (1 - p) of log odds. A module, so that methods with a rule for each kind of module see that they have none."""

    def forward(self, logit: Tensor) -> Tensor:
        return torch.sigmoid(logit) * torch.sigmoid(-logit)  # 1 - p would round to 0 or 1 where p is near 1


class FirstChannels(nn.Module):
    """A model's first `count` channels: (B, K, T) -> (B, count, T), without the further parameters of its head."""

    def __init__(self, model: nn.Module, count: int) -> None:
        super().__init__()
        self.model, self.count = model, count

    def forward(self, x: Tensor, *extra: Tensor) -> Tensor:
        return self.model(x, *extra)[:, : self.count]


class WithUncertainty(nn.Module):
    """A model of the log odds that a state is on, (B, 1, T), with the state's variance as second channel: (B, 2, T)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.variance = StateVariance()

    @property
    def has_attention(self) -> bool:
        return bool(self.model.has_attention)

    def attention(self, x: Tensor, *extra: Tensor) -> Tensor:
        """The attention of the model itself."""
        return self.model.attention(x, *extra)  # type: ignore[operator]

    def forward(self, x: Tensor, *extra: Tensor) -> Tensor:
        logit = self.model(x, *extra)
        return torch.cat([logit, self.variance(logit)], dim=1)


def model_with_output(output: str, model: nn.Module) -> nn.Module:
    """A model that has that output at its channel: the model itself, unless the output is computed from its logit."""
    return WithUncertainty(model) if output == UNCERTAINTY else model


def reference_input(x: Tensor, observed: Tensor, driver_channels: int, quantile: float) -> Tensor:
    """The reference input of an attribution, (C,): no contact and no transcription.

    From the observed frames of training inputs x (N, C, T): components are 0, the channel that the gate reads is "far",
    its quantile given; MS2 is its lower quartile, that of a gene silent for at least a quarter of the time (behind a
    gate, which is closed when far, it isn't seen).
    """
    values = x.transpose(1, 2)[observed].double().cpu().numpy()  # (observed frames, C)
    reference = np.quantile(values, SILENT_QUANTILE, axis=0)
    reference[: max(driver_channels - 1, 0)] = 0.0
    if driver_channels:
        reference[driver_channels - 1] = np.quantile(values[:, driver_channels - 1], quantile)
    return torch.as_tensor(reference, dtype=x.dtype)


@dataclass(frozen=True)
class Explainer:
    """A model on P tracks of T frames.

    outputs: channel of each output explained, the one that predicts the target first; of what `model_for` returns
    x: (P, C, T); observed: (P, T); reference: (1, C, T)
    contact: (P, T) how open the gate is; without a gate, how near contact the driver is: from 0, as far as the
        reference, to 1 at 0; without a driver 1. 0 at frames that were not observed
    reach: of the model at this T; frames: (F,) the output frames explained
    """

    model: TrackModel
    outputs: dict[str, int]
    x: Tensor
    observed: Tensor
    reference: Tensor
    contact: Tensor
    reach: FrameReach
    frames: Tensor
    settings: MethodSettings

    @classmethod
    def of(
        cls,
        model: TrackModel,
        head: str,
        x: Tensor,
        observed: Tensor,
        reference: Tensor,
        config: ExplainConfig,
        seed: int,
    ) -> "Explainer":
        """reference: (C,), from `reference_input`."""
        values = x.transpose(1, 2)[observed]  # (observed frames, C)
        reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), config.rows_per_pass)
        settings = MethodSettings(
            ig_steps=config.ig_steps,
            noise_samples=config.noise_samples,
            noise_sd=config.noise_fraction * values.std(dim=0).clamp_min(1e-6),
            occlusion_window=config.occlusion_window_frames,
            seed=seed,
            rows_per_pass=config.rows_per_pass,
            reach=reach,
        )
        far = reference.to(x)[None, :, None].repeat(1, 1, x.size(-1))
        contact = _contact(model, x, far) * observed
        frames = torch.arange(0, x.size(-1), config.profile_step_frames, device=x.device)
        return cls(model, OUTPUTS[head], x, observed, far, contact, reach, frames, settings)

    @property
    def has_gate(self) -> bool:
        """Whether the model multiplies its input by a gate that it computes from it."""
        return isinstance(self.model, TrackModel) and self.model.gated

    @property
    def primary(self) -> str:
        """The output that predicts the target."""
        return next(iter(self.outputs))

    def model_for(self, output: str) -> nn.Module:
        """The model with that output at its channel."""
        return model_with_output(output, self.model)

    @property
    def full_model(self) -> nn.Module:
        """The model with all outputs and nothing else."""
        return FirstChannels(self.model_for(list(self.outputs)[-1]), len(self.outputs))

    @property
    def profile_channels(self) -> int:
        """How many channels, from the first, a lag profile is of: the driver's, or all without a driver."""
        return self.model.driver_channels or self.x.size(1)

    def integrated_gradients(self, output: str, tracks: slice, frames: Tensor) -> Tensor:
        """(P, F, C, T) for a slice of the tracks and some output frames."""
        return integrated_gradients_matrix(
            self.model_for(output),
            self.x[tracks],
            self.reference,
            self.outputs[output],
            self.settings.ig_steps,
            extra=(self.observed[tracks],),
            reach=self.reach,
            frames=frames,
            rows_per_pass=self.settings.rows_per_pass,
        )

    def frame_by_frame(self, tracks: slice) -> Tensor:
        """Integrated gradients summed over `profile_channels`, every frame: (P, n_outputs, T_out, T_in)."""
        return integrated_gradients_frames(
            self.full_model,
            self.x[tracks],
            self.reference,
            self.settings.ig_steps,
            self.profile_channels,
            extra=(self.observed[tracks],),
            reach=self.reach,
            rows_per_pass=self.settings.rows_per_pass,
        )

    def frame_scores(self, method: str, attributions: Tensor, channels: int) -> Tensor:
        """One number per frame, (P, F, T), from attributions (P, F, C, T).

        A driver's channels are one physical measurement. Shares of the output's change are summed over the
        first `channels`. Gradients, whose components along x, y and z cancel on average, become the change of
        the output per unit that the two loci come closer at that frame; without a driver, per unit of MS2.
        """
        driver = self.model.driver_channels
        if not is_gradient(method) or not driver:
            return attributions[:, :, :channels].sum(dim=2)
        distance = self.x[:, driver - 1 : driver].clamp_min(1e-6)
        closer = -torch.cat([self.x[:, : driver - 1] / distance, torch.ones_like(distance)], dim=1)  # (P, C, T)
        return torch.einsum("pfct,pct->pft", attributions[:, :, :driver], closer)


@torch.no_grad()
def _contact(model: TrackModel, x: Tensor, reference: Tensor) -> Tensor:
    """(P, T); see `Explainer`."""
    if not model.driver_channels:
        return torch.ones_like(x[:, 0])
    if model.gated:
        return model.gate(x)
    last = model.driver_channels - 1
    return (1 - x[:, last] / reference[:, last]).clamp(0, 1)
