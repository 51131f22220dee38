"""The list of systems: every row is valid, and its command means the same parameters."""

from pathlib import Path

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.params import Params
from contactlens.ops.params.strict import from_mapping
from contactlens.ops.systems import SystemRow, load_systems, params_of
from contactlens.ops.workspace import overlaid, setting
from contactlens.tracks.models.tasks import TASKS

ROOT = Path(__file__).parents[2]
ROWS = load_systems(ROOT / "systems.yaml")


def test_every_task_is_among_the_systems() -> None:
    assert {row.task for row in ROWS} == set(TASKS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.task}-{row.model}")
def test_settings_of_the_command_give_the_same_parameters(row: SystemRow) -> None:
    base = ROOT / "params.yaml"
    named = {"tracks": {"task": row.task, "model": {"name": row.model}}}
    typed = overlaid(base, [named, *(setting(text) for text in row.settings)])
    assert from_mapping(typed, Params, "", "typed") == params_of(row, base, [])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (SystemRow("ms2_to_ms2_vae", "unet"), "does not fit task"),
        (SystemRow("ep_to_ms2", "unet", {"model": {"wdith": 3}}), "did you mean width"),
    ],
)
def test_a_wrong_row_is_named(row: SystemRow, message: str) -> None:
    with pytest.raises(InputError, match=message):
        params_of(row, ROOT / "params.yaml", [])
