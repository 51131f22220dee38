"""Parameters written as YAML and laid over each other come back as they were."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from contactlens.base.errors import InputError
from contactlens.ops.params import Params
from contactlens.ops.params.strict import from_mapping, load_section, overlay
from contactlens.ops.workspace import setting

PARAMS = Path(__file__).parents[3] / "params.yaml"


@dataclass(frozen=True)
class Inner:
    rate: float
    steps: int
    name: str
    on: bool
    bounds: tuple[float, ...]
    kind: Literal["first", "second"]
    limit: float | None


@dataclass(frozen=True)
class Outer:
    seed: int
    inner: Inner
    space: dict[str, Inner]


REAL = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
INNER = st.builds(
    Inner,
    rate=REAL,
    steps=st.integers(),
    name=TEXT,
    on=st.booleans(),
    bounds=st.lists(REAL, max_size=3).map(tuple),
    kind=st.sampled_from(["first", "second"]),
    limit=st.one_of(st.none(), REAL),
)
OUTER = st.builds(
    Outer, st.integers(), INNER, st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), INNER, max_size=2)
)
SETTINGS = settings(max_examples=40)


@SETTINGS
@given(values=OUTER)
def test_what_is_dumped_is_read_back(tmp_path_factory: pytest.TempPathFactory, values: Outer) -> None:
    path = tmp_path_factory.mktemp("yaml") / "p.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(listed(asdict(values)), file)
    assert load_section(path, Outer) == values
    assert load_section(path, Inner, "inner") == values.inner


def listed(value: Any) -> Any:
    """Tuples as lists, as YAML has them."""
    if isinstance(value, dict):
        return {key: listed(inner) for key, inner in value.items()}
    return [listed(inner) for inner in value] if isinstance(value, tuple) else value


@SETTINGS
@given(base=OUTER, other=OUTER, field=st.sampled_from(["rate", "steps", "name", "on", "bounds", "kind", "limit"]))
def test_an_overlay_changes_its_own_keys_alone(base: Outer, other: Outer, field: str) -> None:
    plain, value = listed(asdict(base)), listed(getattr(other.inner, field))
    over = overlay(plain, {"inner": {field: value}}, Outer)
    assert from_mapping(over, Outer, "", "p") == replace(
        base, inner=replace(base.inner, **{field: getattr(other.inner, field)})
    )
    assert plain == listed(asdict(base)), "the base itself was changed"
    assert overlay(over, plain, Outer) == plain
    assert (
        from_mapping(overlay(plain, {"space": listed(asdict(other))["space"]}, Outer), Outer, "", "p").space
        == other.space
    )


def leaves(content: Any, at: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if not isinstance(content, dict) or not content:
        return [(at, content)]
    return [leaf for key, value in content.items() for leaf in leaves(value, (*at, key))]


BASE = YAML(typ="safe").load(PARAMS)
LEAVES = [leaf for leaf in leaves(BASE) if "space" not in leaf[0]]


@settings(max_examples=25)
@given(leaf=st.sampled_from(LEAVES), drop=st.integers(0, 30))
def test_each_key_of_the_project_can_be_set_and_a_misspelt_one_is_refused(leaf: tuple[Any, Any], drop: int) -> None:
    keys, value = leaf
    text = (
        f"{'.'.join(keys)}={'null' if value is None else str(value).replace('True', 'true').replace('False', 'false')}"
    )
    assert overlay(BASE, setting(text), Params) == BASE
    word = keys[-1]
    misspelt = word[: drop % len(word)] + "q" + word[drop % len(word) + 1 :]
    with pytest.raises(InputError) as error:
        overlay(BASE, setting(f"{'.'.join([*keys[:-1], misspelt])}=1"), Params)
    assert f"{misspelt}: unknown key" in str(error.value) or "should be a mapping" in str(error.value)
