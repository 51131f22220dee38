"""The attribution methods by name; imports neither torch nor captum, so that reading params stays quick."""

from collections.abc import Iterable

MODULES = {
    "integrated_gradients": "gradients",
    "saliency": "gradients",
    "input_x_gradient": "gradients",
    "deep_lift": "rules",
    "gradient_shap": "gradients",
    "guided_backprop": "rules",
    "lrp": "rules",
    "occlusion": "removal",
    "feature_ablation": "removal",
    "attention_rollout": "attention_map",
}
"""Method -> the module of `captum_methods` that has a function of its name."""
SIMPLE_METHODS = tuple(MODULES)
GRADIENT_METHODS = frozenset({"saliency", "guided_backprop"})
RULE_METHODS = frozenset({"deep_lift", "lrp"})
"""Methods that send relevance back through each module by a rule of its kind."""


def noise_tunnel_of(name: str) -> str | None:
    """The method inside `noise_tunnel(method)`; None for any other name."""
    inside = name.removeprefix("noise_tunnel(").removesuffix(")")
    return inside if name == f"noise_tunnel({inside})" else None


def simple_method(name: str) -> str:
    """The method itself, or the one inside a noise tunnel."""
    return noise_tunnel_of(name) or name


def is_gradient(name: str) -> bool:
    """Whether the result is a change per unit of input; the others' is a share of the output's change."""
    return simple_method(name) in GRADIENT_METHODS


def check_methods(names: Iterable[str]) -> None:
    """ValueError for a name that is neither in `SIMPLE_METHODS` nor `noise_tunnel()` of one of them."""
    for name in names:
        if simple_method(name) not in SIMPLE_METHODS:
            known = ", ".join(SIMPLE_METHODS)
            raise ValueError(f"unknown attribution method {name!r}; known: {known}, and noise_tunnel(method) of each")
