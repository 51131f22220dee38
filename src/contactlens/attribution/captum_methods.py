"""Captum's methods for one output frame at a time, behind one signature and with signed results.

A further method is one function and its entry in `METHODS`. Captum takes seconds to import, so it is imported
where it is used.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from contactlens.attribution.all_frames import occlusion_stride
from contactlens.attribution.reach import Model

Target = tuple[int, int] | list[tuple[int, int]]
"""(output channel, frame), one for all inputs or one for each."""


@dataclass(frozen=True)
class MethodSettings:
    """What the methods need beside model and input.

    ig_steps: nodes of the path integral
    noise_samples: noisy copies in the noise tunnel
    noise_sd: standard deviation of the noise per channel, in the channel's unit, (C,); positive
    occlusion_window: frames replaced at once
    seed: of the noise
    rows_per_pass: most inputs in one forward pass
    """

    ig_steps: int
    noise_samples: int
    noise_sd: Tensor
    occlusion_window: int
    seed: int
    rows_per_pass: int


AttributionFunction = Callable[[Model, Tensor, Tensor, Target, tuple[Tensor, ...], MethodSettings], Tensor]
"""(model, x (B, C, T), baseline (1, C, T), target, extra, settings) -> attributions (B, C, T)."""


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators inside the block (Captum draws from them) and restore them after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def integrated_gradients(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Share of every input in model(x) - model(baseline), in the output's unit."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(model).attribute(
        x,
        baselines=baseline,
        target=target,
        additional_forward_args=extra,
        n_steps=settings.ig_steps,
        internal_batch_size=max(settings.rows_per_pass, len(x)),
    )


def saliency(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Signed gradient, in the output's unit per input unit."""
    from captum.attr import Saliency

    return Saliency(model).attribute(x, target=target, additional_forward_args=extra, abs=False)


def input_x_gradient(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Input times gradient, in the output's unit."""
    from captum.attr import InputXGradient

    return InputXGradient(model).attribute(x, target=target, additional_forward_args=extra)


def noise_tunnel(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Signed gradient averaged over noisy inputs (SmoothGrad), in the output's unit per input unit.

    Captum adds noise of one size to all channels, so it is given the input in units of each channel's noise.
    """
    from captum.attr import NoiseTunnel, Saliency

    sd = settings.noise_sd[:, None]

    def in_noise_units(scaled: Tensor, *further: Tensor) -> Tensor:
        return model(scaled * sd, *further)

    with seeded(settings.seed, x.device):
        scaled = NoiseTunnel(Saliency(in_noise_units)).attribute(
            x / sd,
            nt_type="smoothgrad",
            nt_samples=settings.noise_samples,
            nt_samples_batch_size=max(1, settings.rows_per_pass // len(x)),
            stdevs=1.0,
            target=target,
            additional_forward_args=extra,
            abs=False,
        )
    return scaled / sd


def occlusion(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Change of the output when a window of frames (all channels) is replaced by the baseline, in the
    output's unit.

    Windows move by half their length. A window's change is shared equally by its frames and channels, so that
    attributions of a linear model add up to its change; a frame gets the mean over the windows that hold it.
    """
    from captum.attr import Occlusion

    C, window = x.size(1), settings.occlusion_window
    change = Occlusion(model).attribute(
        x,
        sliding_window_shapes=(C, window),
        strides=(C, occlusion_stride(window)),
        baselines=baseline.expand_as(x),
        target=target,
        additional_forward_args=extra,
        perturbations_per_eval=max(1, settings.rows_per_pass // len(x)),
    )
    return change.to(x.dtype) / (C * window)  # Captum counts in float32


METHODS: dict[str, AttributionFunction] = {
    "integrated_gradients": integrated_gradients,
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "noise_tunnel": noise_tunnel,
    "occlusion": occlusion,
}
GRADIENT_METHODS = frozenset({"saliency", "noise_tunnel"})
"""Methods whose result is a change per unit of input; the others' is a share of the output's change."""
