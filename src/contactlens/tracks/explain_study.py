"""What is explained and how: the reference input and the attributions of a set of tracks by every method."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contactlens.attribution.all_frames import (
    integrated_gradients_matrix,
    occlusion_matrix,
    saliency_matrix,
    smoothgrad_matrix,
)
from contactlens.attribution.captum_methods import GRADIENT_METHODS, MethodSettings
from contactlens.attribution.faithfulness import shuffled_within_reach
from contactlens.attribution.frame_by_frame import integrated_gradients_frames
from contactlens.attribution.reach import FrameReach, temporal_reach
from contactlens.tracks.explain_config import ExplainConfig
from contactlens.tracks.models.track_model import TrackModel

OUTPUTS = {"mean": 0, "logvar": 1}
RANDOM = "random"


def reference_distance(driver: Tensor, observed: Tensor, quantile: float) -> float:
    """What counts as "far": a quantile of the last channel of driver (N, C, T) over the observed frames."""
    return float(np.quantile(driver[:, -1][observed].double().cpu().numpy(), quantile))


def no_contact(x: Tensor, driver_channels: int, far: float) -> Tensor:
    """The reference input of an attribution, (1, C, T): no contact at any frame.

    Components are 0 and the gate's channel is `far`; MS2, where it is an input, is 0 (and unseen, the gate
    being closed).
    """
    reference = torch.zeros_like(x[:1])
    reference[:, driver_channels - 1] = far
    return reference


@dataclass(frozen=True)
class Study:
    """A model on P tracks of T frames.

    x: (P, C, T); observed: (P, T); reference: (1, C, T)
    contact: (P, T) how open the gate is, 0 at frames that were not observed
    reach: of the model at this T; frames: (F,) the output frames explained
    """

    model: TrackModel
    x: Tensor
    observed: Tensor
    reference: Tensor
    contact: Tensor
    reach: FrameReach
    frames: Tensor
    settings: MethodSettings

    @classmethod
    def of(
        cls, model: TrackModel, x: Tensor, observed: Tensor, far: float, config: ExplainConfig, seed: int
    ) -> "Study":
        seen = x.transpose(1, 2)[observed]  # (observed frames, C)
        settings = MethodSettings(
            ig_steps=config.ig_steps,
            noise_samples=config.noise_samples,
            noise_sd=config.noise_fraction * seen.std(dim=0).clamp_min(1e-6),
            occlusion_window=config.occlusion_window_frames,
            seed=seed,
            rows_per_pass=config.rows_per_pass,
        )
        with torch.no_grad():
            contact = model.gate(x) * observed
        reach = temporal_reach(model, x[:1], (torch.ones_like(observed[:1]),), config.rows_per_pass)
        frames = torch.arange(0, x.size(-1), config.profile_step_frames, device=x.device)
        reference = no_contact(x, model.driver_channels, far)
        return cls(model, x, observed, reference, contact, reach, frames, settings)

    def integrated_gradients(self, output: str, tracks: slice, frames: Tensor) -> Tensor:
        """(P, F, C, T) for a slice of the tracks and some output frames."""
        return integrated_gradients_matrix(
            self.model,
            self.x[tracks],
            self.reference,
            OUTPUTS[output],
            self.settings.ig_steps,
            extra=(self.observed[tracks],),
            reach=self.reach,
            frames=frames,
            rows_per_pass=self.settings.rows_per_pass,
        )

    def frame_by_frame(self, tracks: slice) -> Tensor:
        """Integrated gradients summed over the driver's channels, every frame: (P, n_outputs, T_out, T_in)."""
        return integrated_gradients_frames(
            self.model,
            self.x[tracks],
            self.reference,
            self.settings.ig_steps,
            self.model.driver_channels,
            extra=(self.observed[tracks],),
            reach=self.reach,
            rows_per_pass=self.settings.rows_per_pass,
        )

    def attributions(self, output: str) -> dict[str, Tensor]:
        """Attributions (P, F, C, T) of an output by every method, with the random control last."""
        channel, settings = OUTPUTS[output], self.settings
        rows = settings.rows_per_pass
        extra, reach, frames = (self.observed,), self.reach, self.frames
        integrated = self.integrated_gradients(output, slice(None), frames)
        return {
            "integrated_gradients": integrated,
            "saliency": saliency_matrix(
                self.model, self.x, channel, extra=extra, reach=reach, frames=frames, rows_per_pass=rows
            ),
            "noise_tunnel": smoothgrad_matrix(
                self.model,
                self.x,
                channel,
                settings.noise_sd,
                settings.noise_samples,
                settings.seed,
                extra=extra,
                reach=reach,
                frames=frames,
                rows_per_pass=rows,
            ),
            "occlusion": occlusion_matrix(
                self.model,
                self.x,
                self.reference,
                channel,
                settings.occlusion_window,
                extra=extra,
                frames=frames,
                rows_per_pass=rows,
            ),
            RANDOM: shuffled_within_reach(integrated, frames, reach, settings.seed),
        }

    def frame_scores(self, method: str, attributions: Tensor, channels: int) -> Tensor:
        """One number per frame, (P, F, T), from attributions (P, F, C, T).

        A driver's channels are one physical measurement. Shares of the output's change are summed over the
        first `channels`. Gradients, whose components along x, y and z cancel on average, become the change of
        the output per unit that the two loci come closer at that frame.
        """
        if method not in GRADIENT_METHODS:
            return attributions[:, :, :channels].sum(dim=2)
        driver = self.model.driver_channels
        distance = self.x[:, driver - 1 : driver].clamp_min(1e-6)
        closer = -torch.cat([self.x[:, : driver - 1] / distance, torch.ones_like(distance)], dim=1)  # (P, C, T)
        return torch.einsum("pfct,pct->pft", attributions[:, :, :driver], closer)
