"""Settings refuse wrong values however they are made, and need no pydantic to be made."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace
from typing import Annotated

import pytest
from pydantic import Field

from contactlens.base.errors import InputError
from contactlens.base.settings import NonNegativeFloat, OpenUnit, PositiveInt, rule, settings


@settings
class Inner:
    folds: PositiveInt
    levels: tuple[OpenUnit, ...] = (0.5,)

    @rule
    def _luck(self) -> None:
        if self.folds == 13:
            raise ValueError("folds must not be 13")


@settings
class Outer:
    inner: Inner
    weight: NonNegativeFloat
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


@pytest.mark.parametrize(
    ("folds", "levels", "message"),
    [
        (0, (0.5,), "Inner.folds must be at least 1, got 0"),
        (True, (0.5,), "Inner.folds must be a valid integer, got True"),
        ("3", (0.5,), "Inner.folds must be a valid integer, got '3'"),
        (1.0, (0.5,), "Inner.folds must be a valid integer, got 1.0"),
        (1, (0.5, 1.0), "Inner.levels.1 must lie between 0 and 1, got 1.0"),
        (13, (0.5,), "Inner.folds must not be 13"),
    ],
)
def test_a_wrong_value_is_refused_in_python(folds: int, levels: tuple[float, ...], message: str) -> None:
    for make in (lambda: Inner(folds, levels), lambda: replace(Inner(1), folds=folds, levels=levels)):
        with pytest.raises(InputError) as raised:
            make()
        assert str(raised.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": -1.0}, "Outer.weight must be at least 0, got -1.0"),
        ({"share": 2.0}, "Outer.share must lie in (0, 1], got 2.0"),
        ({"share": float("nan")}, "Outer.share must be a finite number, got nan"),
    ],
)
def test_limits_are_told_in_words(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError) as raised:
        replace(Outer(Inner(2), 0.0), **changes)
    assert str(raised.value) == message


def test_settings_are_frozen_dataclasses() -> None:
    made = Outer(Inner(2, (0.1, 0.9)), 3)
    assert asdict(made) == {"inner": {"folds": 2, "levels": (0.1, 0.9)}, "weight": 3.0, "share": 1.0}
    assert isinstance(made.weight, float) and made == Outer(Inner(2, (0.1, 0.9)), 3.0)
    with pytest.raises(FrozenInstanceError):
        made.weight = 1.0  # type: ignore[misc]


def test_without_pydantic_they_are_made_unchecked() -> None:
    code = "import sys; sys.modules['pydantic'] = None\nfrom contactlens.training.search import SearchConfig\n"
    code += "made = SearchConfig(-1, 1, 1, 0.0, 1, 1, 1, 2, 'optuna', 'none', {}); print(made.n_trials)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("-1\n", "")
