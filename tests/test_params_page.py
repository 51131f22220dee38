"""The page of params.yaml has every key, with a meaning, what it may be, and its value."""

import sys
from pathlib import Path
from typing import Any

import yaml

from contactlens.ops.params import load_params

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from params_page import in_words, page, parts  # noqa: E402

PARTS = {part.name: part for part in parts(load_params(ROOT / "params.yaml"))}
KEYS = {key.name: key for part in PARTS.values() for key in part.keys}


def leaves(values: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Dotted keys of a mapping, down to those that the page has; a search space is one."""
    found = {}
    for key, value in values.items():
        path = f"{name}.{key}".lstrip(".")
        found |= leaves(value, path) if isinstance(value, dict) and path not in KEYS else {path: value}
    return found


def test_the_page_has_every_key_of_the_file_with_its_value() -> None:
    written = leaves(yaml.safe_load((ROOT / "params.yaml").read_text()))
    assert len(written) > 300 and set(written) <= set(KEYS)
    assert {name: yaml.safe_load(KEYS[name].value) for name in written} == written


def test_every_key_is_explained() -> None:
    assert [name for name, key in KEYS.items() if len(key.meaning) < 4 or not key.kind or not key.value] == []


def test_limits_are_those_of_the_section() -> None:
    assert KEYS["tracks.loss.beta"].kind == "number, lie in [0, 1]"
    assert KEYS["tracks.fit.max_epochs"].kind == "whole number, at least 1"
    assert KEYS["dna.fine_tune.trainer.max_epochs"].meaning == KEYS["tracks.fit.max_epochs"].meaning
    assert in_words(tuple[float, float] | None) == "[2 x number] or null"


def test_the_page_is_a_table_for_each_section() -> None:
    lines = page(load_params(ROOT / "params.yaml")).splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(KEYS) and all(line.replace(r"\|", "").count("|") == 5 for line in rows)
    assert "## tracks.loss" in lines
