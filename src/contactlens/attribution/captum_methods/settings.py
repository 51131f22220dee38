"""What every attribution method takes, and how Captum's random numbers are seeded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contactlens.attribution.reach import FrameReach, Model

Target = int | tuple[int, int] | list[tuple[int, int]]
"""(output channel, frame), one for all inputs or one for each; a number for a model with outputs (B, G)."""


@dataclass(frozen=True)
class MethodSettings:
    """What the methods need beside model and input.

    ig_steps: nodes of the path integral
    noise_samples: noisy copies in the noise tunnel and in gradient SHAP
    noise_sd: standard deviation of the noise per channel, in the channel's unit, (C,); positive
    occlusion_window: frames replaced at once
    seed: of the noise
    rows_per_pass: most inputs in one forward pass
    reach: of the model at the inputs' length; occlusion and ablation then leave out frames that an output can't
        depend on
    """

    ig_steps: int
    noise_samples: int
    noise_sd: Tensor
    occlusion_window: int
    seed: int
    rows_per_pass: int
    reach: FrameReach | None = None


AttributionFunction = Callable[[Model, Tensor, Tensor, Target, tuple[Tensor, ...], MethodSettings], Tensor]
"""(model, x (B, C, T), baseline (1 or B, C, T), target, extra, settings) -> attributions (B, C, T)."""


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators inside the block (Captum draws from them) and restore them after it."""
    state = np.random.get_state()  # noqa: NPY002 (Captum's gradient SHAP draws from this one)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
