"""Keys of a sweep and the places in a tree of settings where their values stand. Needs Python alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from contactlens.training.search import Values

Settings = TypeVar("Settings")
Places = Mapping[str, Sequence[str]]
"""Swept key -> the names on the way from the settings to its value."""


def values_at(settings: Any, places: Places) -> Values:
    """The settings' own value of each swept key."""
    return {key: _value(settings, path) for key, path in places.items()}


def with_values_at(settings: Settings, places: Places, values: Mapping[str, Any]) -> Settings:
    """The settings with other values of swept keys; a value that a section refuses is its error."""
    for key, value in values.items():
        settings = _replaced(settings, places[key], value)
    return settings


def changes_at(places: Places, values: Mapping[str, Any]) -> dict[str, Any]:
    """What `values` of swept keys change, nested as in the file of the settings."""
    changes: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = places[key]
        inner = changes
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    return changes


def _value(section: Any, path: Sequence[str]) -> Any:
    for name in path:
        section = getattr(section, name)
    return section


def _replaced(section: Any, path: Sequence[str], value: Any) -> Any:
    """A copy of a section, and of those inside it on the way, with another value at `path`."""
    name, *rest = path
    return replace(section, **{name: _replaced(getattr(section, name), rest, value) if rest else value})
