"""The list of systems that are run beside each other: rows of systems.yaml, each as a whole set of parameters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contactlens.base.errors import InputError
from contactlens.ops.params import Params
from contactlens.ops.params.strict import from_mapping, load_section
from contactlens.ops.workspace import overlaid

SYSTEMS_FILE = "systems.yaml"
Overlay = Mapping[str, Any] | Path | str


@dataclass(frozen=True)
class SystemRow:
    """changes: what the system changes in the `tracks` section beside its task and model."""

    task: str
    model: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def overlays(self) -> list[dict[str, Any]]:
        return [{"tracks": {"task": self.task, "model": {"name": self.model}}}, {"tracks": self.changes}]

    @property
    def settings(self) -> list[str]:
        """The changes as `--set` takes them: `tracks.model.gated=false`."""
        leaves = _leaves(self.changes, "tracks.")
        return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in leaves]


@dataclass(frozen=True)
class _SystemsFile:
    systems: list[SystemRow]


def load_systems(path: Path | str) -> list[SystemRow]:
    """Rows of a list of systems; InputError names the file, line and key at fault."""
    return load_section(path, _SystemsFile).systems


def params_of(row: SystemRow, base: Path, overlays: Sequence[Overlay]) -> Params:
    """`base` with the overlays and then the row's own; InputError unless the whole is valid."""
    try:
        return from_mapping(overlaid(base, [*overlays, *row.overlays]), Params, "", str(base))
    except InputError as error:
        raise InputError(f"{SYSTEMS_FILE}, task {row.task}, model {row.model}: {error}") from error


def _leaves(changes: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found = []
    for key, value in changes.items():
        found += _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return found
