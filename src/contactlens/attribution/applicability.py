"""Whether a method can be used on a model: some are wrong without a word where a rule is missing."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from contactlens.attribution.captum_methods import MethodSettings
from contactlens.attribution.captum_methods.rules import deep_lift
from contactlens.attribution.faithfulness import Targets, predictions
from contactlens.attribution.method_names import REGISTERED, simple_method
from contactlens.attribution.reach import Model

LINEAR = (nn.Conv1d, nn.Linear, nn.AvgPool1d, nn.Upsample, nn.Identity, nn.Dropout)
ACTIVATIONS: dict[str, tuple[type[nn.Module], ...]] = {
    "deep_lift": (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus),
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
    match REGISTERED[name].needs:
        case "attention":
            return None if getattr(model, "has_attention", False) else "the model has no attention"
        case "rectifiers":
            return unguided(model, x, extra)
        case "rules":
            return missing_rule(name, model, x, extra) or outside_modules(model, x, baseline, targets, extra, settings)
    return None


def unguided(model: Model, x: Tensor, extra: tuple[Tensor, ...]) -> str | None:
    """Why a method that changes the gradient of rectifiers can't be used, or None: it changes that of every nn.ReLU and
    of nothing else, so that all rectifiers must be such modules."""
    with _Rectifiers() as rectifiers:
        used = _modules_used(model, x, extra)
    times = [number for module, number in used.items() if isinstance(module, nn.ReLU)]
    if not times:
        return "no rectifier is a module"
    if rectifiers.calls > sum(times):
        return "a rectifier is not a module"
    return f"one ReLU is used {max(times)} times" if max(times) > 1 else None


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


class _Rectifiers(TorchDispatchMode):
    """Counts the rectifiers that run, as a module, a function or a clamp at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__.removesuffix("_")
        self.calls += name == "relu" or (name in ("clamp", "clamp_min") and args[1:] == (0,))
        return func(*args, **(kwargs or {}))


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
