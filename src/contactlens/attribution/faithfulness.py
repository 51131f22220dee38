"""Does an attribution say what the model does? Infidelity, sensitivity, deletion, overlap, and random controls.

Every function takes E examples (an input and one output frame of it each) and gives one number per example,
so that the caller can average by track and bootstrap over tracks.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from contactlens.attribution.captum_methods import AttributionFunction, MethodSettings, Target, seeded
from contactlens.attribution.reach import FrameReach, Model

Targets = list[tuple[int, int]]


def predictions(model: Model, x: Tensor, targets: Targets, extra: tuple[Tensor, ...], rows_per_pass: int) -> Tensor:
    """Output (channel, t) of each example, (E,)."""
    channel, frame = torch.tensor(targets, device=x.device).T
    values = []
    with torch.no_grad():
        for rows in torch.arange(len(x), device=x.device).split(rows_per_pass):
            output = model(x[rows], *[value[rows] for value in extra])  # (n, n_outputs, T)
            values.append(output[torch.arange(len(rows)), channel[rows], frame[rows]])
    return torch.cat(values)


def block_removal(window: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A perturbation for infidelity: each block of `window` frames becomes the baseline with probability 1/2.

    Blocks start at a random phase; all channels of a frame go together, as they are one measurement. Removing
    whole stretches at once asks the attribution to add up over frames, which single-frame noise would not.
    """

    def remove(x: Tensor, baseline: Tensor) -> Tensor:
        n, _, T = x.shape
        phase = torch.randint(window, (n, 1), device=x.device)
        removed = torch.rand(n, T // window + 2, device=x.device) < 0.5
        block = (torch.arange(T, device=x.device) + phase) // window  # (n, T)
        return torch.where(removed.gather(1, block)[:, None], baseline, x)

    return remove


def block_infidelity(
    model: Model,
    x: Tensor,
    attributions: Tensor,
    baseline: Tensor,
    targets: Targets,
    extra: tuple[Tensor, ...],
    *,
    per_unit: bool,
    window: int,
    n_samples: int,
    seed: int,
    rows_per_pass: int,
) -> Tensor:
    """Captum's infidelity under `block_removal` at the attribution's best scale, (E,), output unit squared.

    x, attributions: (E, C, T); baseline: (1, C, T)
    per_unit: whether the attribution is a gradient (multiplied with the change of the input) or a share of
        the output's change (multiplied with the part of the input that was removed)
    All-zero attributions give the mean square change of the output: divide by it for the share, in 0 to 1,
    that is not explained. Source: Yeh et al., NeurIPS 2019.
    """
    from captum.metrics import infidelity, infidelity_perturb_func_decorator

    perturbation = infidelity_perturb_func_decorator(multiply_by_inputs=not per_unit)(block_removal(window))
    with seeded(seed, x.device):
        return infidelity(
            model,
            perturbation,
            x,
            attributions,
            baselines=baseline.expand_as(x).contiguous(),
            additional_forward_args=extra,
            target=targets,
            n_perturb_samples=n_samples,
            max_examples_per_batch=min(max(rows_per_pass, len(x)), len(x) * n_samples),
            normalize=True,
        )


def max_sensitivity(
    method: AttributionFunction,
    model: Model,
    x: Tensor,
    baseline: Tensor,
    targets: Targets,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
    *,
    n_samples: int,
) -> Tensor:
    """Captum's sensitivity: the largest relative change of an explanation under measurement noise, (E,).

    Noise is uniform within one `settings.noise_sd` per channel. Source: Yeh et al., NeurIPS 2019.
    """
    from captum.metrics import sensitivity_max

    sd = settings.noise_sd[:, None]

    def within_noise(inputs: Tensor) -> Tensor:
        return inputs + (2 * torch.rand_like(inputs) - 1) * sd

    def explain(
        inputs: Tensor | tuple[Tensor, ...],
        target: Targets,
        additional_forward_args: tuple[Tensor, ...],
    ) -> tuple[Tensor]:
        (inputs,) = inputs if isinstance(inputs, tuple) else (inputs,)
        return (method(model, inputs, baseline, target, additional_forward_args, settings).detach().contiguous(),)

    with seeded(settings.seed, x.device):
        return sensitivity_max(
            explain,
            x,
            within_noise,
            n_perturb_samples=n_samples,
            target=targets,
            additional_forward_args=extra,
        )


def random_attribution(
    model: Model,
    x: Tensor,
    baseline: Tensor,
    target: Target,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> Tensor:
    """Control for `max_sensitivity`: an explanation that knows nothing, drawn anew at every call."""
    return torch.randn_like(x)


def shuffled_within_reach(attributions: Tensor, frames: Tensor, reach: FrameReach, seed: int) -> Tensor:
    """Random control: attributions (P, F, C, T) with input frames permuted within each output frame's reach.

    It keeps the sizes of the attributions and knows which frames the output can depend on, but not which
    matter: a stricter control than any order of all the frames of a track.
    """
    rng = np.random.default_rng(seed)
    shuffled = attributions.clone()
    for track in shuffled:  # (F, C, T)
        for row, frame in enumerate(frames.tolist()):
            inside = torch.arange(int(reach.first[frame]), int(reach.last[frame]) + 1)
            track[row, :, inside] = track[row, :, torch.as_tensor(rng.permutation(inside.numpy()))]
    return shuffled


def deletion_changes(
    model: Model,
    x: Tensor,
    importance: Tensor,
    baseline: Tensor,
    targets: Targets,
    extra: tuple[Tensor, ...],
    *,
    observed: Tensor,
    fractions: tuple[float, ...],
    rows_per_pass: int,
) -> Tensor:
    """Absolute change of each example's output after replacing its most important frames by the baseline.

    x: (E, C, T); importance: (E, T), highest replaced first; baseline: (1 or E, C, T)
    observed: (E, T) frames that can be replaced
    fractions: of the observed frames
    Gives (E, len(fractions)), in the output's unit. Source: Samek et al., IEEE TNNLS 28 (2017) 2660.
    """
    order = importance.masked_fill(~observed, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)  # (E, T)
    before = predictions(model, x, targets, extra, rows_per_pass)
    changes = []
    for fraction in fractions:
        replaced = (rank < (fraction * observed.sum(dim=1, keepdim=True)).round()) & observed
        deleted = torch.where(replaced[:, None], baseline, x)
        changes.append((predictions(model, deleted, targets, extra, rows_per_pass) - before).abs())
    return torch.stack(changes, dim=1)


def area_under(curve: np.ndarray, fractions: tuple[float, ...]) -> np.ndarray:
    """Area under deletion curves (..., len(fractions)) over the fraction deleted, divided by its range."""
    return np.trapezoid(curve, fractions, axis=-1) / (fractions[-1] - fractions[0])
