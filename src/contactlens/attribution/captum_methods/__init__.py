"""Captum's methods for one output frame at a time, behind one signature and with signed results.

A further method is a function of its name in a module of this folder, and its line in `method_names.REGISTERED`. Captum
takes seconds to import, so it is imported where it is used.
"""

from importlib import import_module

from contactlens.attribution.captum_methods.gradients import noise_tunnel
from contactlens.attribution.captum_methods.settings import AttributionFunction, MethodSettings, Target, seeded
from contactlens.attribution.method_names import REGISTERED, noise_tunnel_of

__all__ = ["METHODS", "AttributionFunction", "MethodSettings", "Target", "method_named", "noise_tunnel", "seeded"]

METHODS: dict[str, AttributionFunction] = {
    name: getattr(import_module(f"{__name__}.{method.module}"), name) for name, method in REGISTERED.items()
}


def method_named(name: str) -> AttributionFunction:
    """The method of that name; `noise_tunnel(method)` puts Captum's noise tunnel on top of any of them."""
    inside = noise_tunnel_of(name)
    return METHODS[name] if inside is None else noise_tunnel(METHODS[inside])
