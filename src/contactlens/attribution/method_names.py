"""The attribution methods by name; imports neither torch nor captum, so that reading params stays quick."""

from collections.abc import Iterable
from typing import Literal, NamedTuple


class Method(NamedTuple):
    """One row of the table of methods.

    module: of `captum_methods`, which has a function of the method's name
    gradient: whether the result is a change per unit of input; the others' is a share of the output's change
    complete: whether its shares add up to the output's change from the reference
    needs: what `applicability` asks of a model: its attention, rectifiers that are all modules, or, where relevance is
        sent back module by module, a rule for every kind of module
    """

    module: str
    gradient: bool = False
    complete: bool = False
    needs: Literal["attention", "rectifiers", "rules"] | None = None


REGISTERED = {
    "integrated_gradients": Method("gradients", complete=True),
    "saliency": Method("gradients", gradient=True),
    "input_x_gradient": Method("gradients"),
    "deep_lift": Method("rules", complete=True, needs="rules"),
    "gradient_shap": Method("gradients"),
    "guided_backprop": Method("rules", gradient=True, needs="rectifiers"),
    "lrp": Method("rules", needs="rules"),
    "occlusion": Method("removal"),
    "feature_ablation": Method("removal"),
    "attention_rollout": Method("attention_map", needs="attention"),
}
SIMPLE_METHODS = tuple(REGISTERED)
COMPLETE_METHODS = tuple(name for name, method in REGISTERED.items() if method.complete)
RULE_METHODS = frozenset(name for name, method in REGISTERED.items() if method.needs == "rules")


def noise_tunnel_of(name: str) -> str | None:
    """The method inside `noise_tunnel(method)`; None for any other name."""
    inside = name.removeprefix("noise_tunnel(").removesuffix(")")
    return inside if name == f"noise_tunnel({inside})" else None


def simple_method(name: str) -> str:
    """The method itself, or the one inside a noise tunnel."""
    return noise_tunnel_of(name) or name


def is_gradient(name: str) -> bool:
    """Whether the result is a change per unit of input; the others' is a share of the output's change."""
    method = REGISTERED.get(simple_method(name))
    return method is not None and method.gradient


def check_methods(names: Iterable[str]) -> None:
    """ValueError for a name that is neither in `SIMPLE_METHODS` nor `noise_tunnel()` of one of them."""
    for name in names:
        if simple_method(name) not in SIMPLE_METHODS:
            known = ", ".join(SIMPLE_METHODS)
            raise ValueError(f"unknown attribution method {name!r}; known: {known}, and noise_tunnel(method) of each")
