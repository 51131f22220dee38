"""Captum's methods for one output frame at a time, behind one signature and with signed results.

A further method is one function, its entry in `METHODS` and its name in `method_names`. Captum takes seconds to
import, so it is imported where it is used.
"""

from contactlens.attribution.captum_methods.attention_map import attention_rollout
from contactlens.attribution.captum_methods.gradients import (
    gradient_shap,
    input_x_gradient,
    integrated_gradients,
    noise_tunnel,
    saliency,
)
from contactlens.attribution.captum_methods.removal import feature_ablation, occlusion
from contactlens.attribution.captum_methods.rules import deep_lift, guided_backprop, lrp
from contactlens.attribution.captum_methods.settings import AttributionFunction, MethodSettings, Target, seeded
from contactlens.attribution.method_names import noise_tunnel_of

__all__ = ["METHODS", "AttributionFunction", "MethodSettings", "Target", "method_named", "noise_tunnel", "seeded"]

METHODS: dict[str, AttributionFunction] = {
    "integrated_gradients": integrated_gradients,
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "deep_lift": deep_lift,
    "gradient_shap": gradient_shap,
    "guided_backprop": guided_backprop,
    "lrp": lrp,
    "occlusion": occlusion,
    "feature_ablation": feature_ablation,
    "attention_rollout": attention_rollout,
}


def method_named(name: str) -> AttributionFunction:
    """The method of that name; `noise_tunnel(method)` puts Captum's noise tunnel on top of any of them."""
    inside = noise_tunnel_of(name)
    return METHODS[name] if inside is None else noise_tunnel(METHODS[inside])
