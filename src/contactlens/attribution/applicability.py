"""Whether a method can be used on a model: some are wrong without a word where a rule is missing."""

from collections import Counter

import torch
from torch import Tensor, nn

from contactlens.attribution.captum_methods import MethodSettings
from contactlens.attribution.captum_methods.rules import deep_lift
from contactlens.attribution.faithfulness import Targets, predictions
from contactlens.attribution.method_names import RULE_METHODS, simple_method
from contactlens.attribution.reach import Model

LINEAR = (nn.Conv1d, nn.Linear, nn.AvgPool1d, nn.Upsample, nn.Identity, nn.Dropout)
ACTIVATIONS: dict[str, tuple[type[nn.Module], ...]] = {
    "deep_lift": (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus),
    "guided_backprop": (nn.ReLU,),
    "lrp": (nn.ReLU,),
}
"""Activations for which a method has a rule."""
SOFT_CLIPS = (nn.Softplus,)
"""What bounds an output softly: nearly the identity, which the methods pass by its slope."""
COMPLETENESS_TOLERANCE = 0.01
"""Largest share of the output's change that DeepLift may miss: an activation outside a module costs it more, rounding
far less."""


def refusal(
    method: str,
    model: Model,
    x: Tensor,
    baseline: Tensor,
    targets: Targets,
    extra: tuple[Tensor, ...],
    settings: MethodSettings,
) -> str | None:
    """Why `method` (or the one inside its noise tunnel) can't be used on the model at x (E, C, T), or None."""
    name = simple_method(method)
    if name == "attention_rollout":
        return None if getattr(model, "has_attention", False) else "the model has no attention"
    if name not in RULE_METHODS:
        return None
    return missing_rule(name, model, x, extra) or outside_modules(model, x, baseline, targets, extra, settings)


def missing_rule(method: str, model: Model, x: Tensor, extra: tuple[Tensor, ...]) -> str | None:
    """Why the modules that the model uses don't suit a rule method, or None."""
    used = _modules_used(model, x, extra)
    rectifiers = ACTIVATIONS[method]
    known = LINEAR + rectifiers + SOFT_CLIPS
    unknown = sorted({type(module).__name__ for module in used if not isinstance(module, known)})
    if unknown:
        return f"no rule for {', '.join(unknown)}"
    if not any(isinstance(module, rectifiers) for module in used):
        return "no activation is a module"
    times, module = max(((times, module) for module, times in used.items()), key=lambda pair: pair[0])
    return f"one {type(module).__name__} is used {times} times" if times > 1 else None


def outside_modules(
    model: Model, x: Tensor, baseline: Tensor, targets: Targets, extra: tuple[Tensor, ...], settings: MethodSettings
) -> str | None:
    """Why rules for modules don't suffice, or None: DeepLift's shares add up to the output's change only where every
    activation is a module."""
    rows = settings.rows_per_pass
    start = baseline.expand_as(x)
    change = predictions(model, x, targets, extra, rows) - predictions(model, start, targets, extra, rows)
    missed = deep_lift(model, x, start, targets, extra, settings).sum(dim=(1, 2)) - change
    share = float(missed.abs().sum() / change.abs().sum())
    if share <= COMPLETENESS_TOLERANCE:
        return None
    return f"an activation is not a module: DeepLift misses {share:.0%} of the output's change"


@torch.no_grad()
def _modules_used(model: Model, x: Tensor, extra: tuple[Tensor, ...]) -> Counter[nn.Module]:
    """How often one forward pass calls each of the model's modules without children."""
    if not isinstance(model, nn.Module):
        return Counter()
    calls: Counter[nn.Module] = Counter()

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] += 1

    parts = [module for module in model.modules() if module is not model and not list(module.children())]
    handles = [module.register_forward_hook(count) for module in parts]
    try:
        model(x, *extra)
    finally:
        for handle in handles:
            handle.remove()
    return calls
