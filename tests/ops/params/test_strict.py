"""Strict YAML: every way of being wrong gives one message that names file, line and full key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.params.strict import load_section, overlay, read_yaml


@dataclass(frozen=True)
class Fit:
    learning_rate: float
    max_epochs: int
    bounds: tuple[float, float]

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True)
class Branch:
    task: Literal["a", "b"]
    fit: Fit
    gated: bool
    space: dict[str, Fit]


@dataclass(frozen=True)
class File:
    seed: int
    tracks: Branch


GOOD = """\
seed: 7
tracks:
  task: a  # the task
  fit:
    learning_rate: 1e-3
    max_epochs: 20
    bounds: [1, 2.5]
  gated: true
  space:
    x: {learning_rate: 1, max_epochs: 1, bounds: [0, 1]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_a_good_file_becomes_typed_dataclasses(tmp_path: Path) -> None:
    fit = Fit(learning_rate=0.001, max_epochs=20, bounds=(1.0, 2.5))
    space = {"x": Fit(learning_rate=1.0, max_epochs=1, bounds=(0.0, 1.0))}
    path = write(tmp_path, GOOD)
    assert load_section(path, File) == File(7, Branch("a", fit, True, space))
    assert load_section(path, Fit, "tracks.fit") == fit
    assert load_section({"learning_rate": 1, "max_epochs": 2, "bounds": [0, 1]}, Fit) == Fit(1.0, 2, (0.0, 1.0))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate: 1e-3", "rte: 1e-3", "5: tracks.fit.learning_rte: unknown key; did you mean learning_rate?"),
        ("  gated: true\n", "", "2: tracks.gated: missing"),
        ("epochs: 20", "epochs: 20.0", "6: tracks.fit.max_epochs: should be a valid integer, got 20.0"),
        ("epochs: 20", "epochs: true", "6: tracks.fit.max_epochs: should be a valid integer, got True"),
        ("rate: 1e-3", "rate: '0.1'", "5: tracks.fit.learning_rate: should be a valid number, got '0.1'"),
        ("rate: 1e-3", "rate: 0", "4: tracks.fit.learning_rate must be positive, got 0"),
        ("rate: 1e-3", "rate: .nan", "5: tracks.fit.learning_rate: must be finite, got nan"),
        ("task: a", "task: c", "3: tracks.task: should be 'a' or 'b', got 'c'"),
        ("gated: true", "gated: 1", "8: tracks.gated: should be a valid boolean, got 1"),
        ("[1, 2.5]", "[1, x]", "7: tracks.fit.bounds[1]: should be a valid number, got 'x'"),
        ("[1, 2.5]", "[1]", "7: tracks.fit.bounds[1]: missing"),
        ("x: {lear", "x: {ler", "10: tracks.space.x.lerning_rate: unknown key; did you mean learning_rate?"),
        ("seed: 7", "seed: 7\nseed: 8", '2: found duplicate key "seed"'),
        ("seed: 7", "seed: [7", "2: not YAML"),
        ("seed: 7", "- 7", "2: not YAML"),
    ],
)  # fmt: skip
def test_each_fault_has_one_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as raised:
        load_section(path, File)
    assert str(raised.value).startswith(f"{path}:")
    assert f" line {message}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_file_section_and_mapping_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.yaml: no such file"):
        load_section(tmp_path / "nowhere.yaml", File)
    with pytest.raises(InputError, match=r"line 2: tracks.sweep: missing"):
        load_section(write(tmp_path, GOOD), Fit, "tracks.sweep")
    with pytest.raises(InputError, match="must be a mapping"):
        load_section(write(tmp_path, "- 1\n"), File)


def test_overlay_merges_sections_replaces_values_and_keeps_base_and_comments(tmp_path: Path) -> None:
    base = read_yaml(write(tmp_path, GOOD))
    space = {"y": {"learning_rate": 2, "max_epochs": 1, "bounds": [0, 1]}}
    merged = overlay(base, {"tracks": {"fit": {"max_epochs": 2, "bounds": [3, 4]}, "space": space}}, File)
    loaded = load_section(merged, File)
    assert loaded.tracks.fit == Fit(0.001, 2, (3.0, 4.0))
    assert list(loaded.tracks.space) == ["y"]
    assert base["tracks"]["fit"]["max_epochs"] == 20
    assert merged["tracks"].ca.items["task"][2].value == "# the task\n"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"tracks": {"fit": {"max_epoch": 2}}}, "tracks.fit.max_epoch: unknown key; did you mean max_ep"),
        ({"dna": {}}, "dna: unknown key"),
        ({"tracks": {"fit": 3}}, "tracks.fit: should be a mapping, got 3"),
    ],
)  # fmt: skip
def test_overlay_refuses_unknown_keys(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        overlay({"tracks": {"fit": {"max_epochs": 1}}}, overrides, File, "o.yaml")
    assert str(raised.value).startswith(f"o.yaml: {message}")
