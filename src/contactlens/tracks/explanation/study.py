"""What is explained: a model on a set of tracks, the outputs of its head, and the reference input."""

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
from contactlens.tracks.explanation.uncertainty import UNCERTAINTY, giving
from contactlens.tracks.models.track_model import TrackModel

OUTPUTS: dict[str, dict[str, int]] = {
    "gaussian": {"mean": 0, "logvar": 1},
    "bernoulli": {"logit": 0, UNCERTAINTY: 1},
}
"""Outputs explained of each head and their channels, the one that predicts the target first, then how unsure it is."""
RANDOM = "random"
SILENT_QUANTILE = 0.25


def reference_input(x: Tensor, observed: Tensor, driver_channels: int, quantile: float) -> Tensor:
    """The reference input of an attribution, (C,): no contact and no transcription.

    From the observed frames of training inputs x (N, C, T): components are 0, the channel that the gate reads is "far",
    its quantile given; MS2 is its lower quartile, that of a gene silent for at least a quarter of the time (behind a
    gate, which is closed when far, it isn't seen).
    """
    seen = x.transpose(1, 2)[observed].double().cpu().numpy()  # (observed frames, C)
    reference = np.quantile(seen, SILENT_QUANTILE, axis=0)
    reference[: max(driver_channels - 1, 0)] = 0.0
    if driver_channels:
        reference[driver_channels - 1] = np.quantile(seen[:, driver_channels - 1], quantile)
    return torch.as_tensor(reference, dtype=x.dtype)


@dataclass(frozen=True)
class Study:
    """A model on P tracks of T frames.

    outputs: channel of each output explained, the one that predicts the target first; in what `giving` it returns
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
    ) -> "Study":
        """reference: (C,), from `reference_input`."""
        seen = x.transpose(1, 2)[observed]  # (observed frames, C)
        reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), config.rows_per_pass)
        settings = MethodSettings(
            ig_steps=config.ig_steps,
            noise_samples=config.noise_samples,
            noise_sd=config.noise_fraction * seen.std(dim=0).clamp_min(1e-6),
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

    def giving(self, output: str) -> nn.Module:
        """The model that gives an output at its channel."""
        return giving(output, self.model)

    @property
    def whole(self) -> nn.Module:
        """The model that gives all outputs."""
        return self.giving(list(self.outputs)[-1])

    @property
    def profile_channels(self) -> int:
        """How many channels, from the first, a lag profile is of: the driver's, or all without a driver."""
        return self.model.driver_channels or self.x.size(1)

    def integrated_gradients(self, output: str, tracks: slice, frames: Tensor) -> Tensor:
        """(P, F, C, T) for a slice of the tracks and some output frames."""
        return integrated_gradients_matrix(
            self.giving(output),
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
            self.whole,
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
    """(P, T); see `Study`."""
    if not model.driver_channels:
        return torch.ones_like(x[:, 0])
    if model.gated:
        return model.gate(x)
    last = model.driver_channels - 1
    return (1 - x[:, last] / reference[:, last]).clamp(0, 1)
