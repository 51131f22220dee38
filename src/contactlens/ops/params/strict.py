"""YAML into frozen dataclasses, strictly: what is not understood is an error naming file, line and key."""

import copy
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from contactlens.base.errors import InputError
from contactlens.base.settings import broken_limit, of_field

T = TypeVar("T")
Keys = tuple[str | int, ...]
UNKNOWN_KEY = "unexpected_keyword_argument"


def read_yaml(path: Path | str) -> Any:
    """A YAML 1.2 file with its comments and line numbers.

    Raises InputError where the file is missing, is not YAML, is not a mapping or gives a key twice.
    """
    path = Path(path)
    try:
        content = YAML().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except DuplicateKeyError as error:
        raise InputError(f"{path}:{_line_of(error)} {str(error.problem).split(' with value')[0]}") from error
    except MarkedYAMLError as error:
        raise InputError(f"{path}:{_line_of(error)} not YAML: {error.problem}") from error
    except RecursionError:
        raise InputError(f"{path}: not readable as YAML (nested too deeply)") from None
    except (YAMLError, ValueError, OSError) as error:
        raise InputError(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: must be a mapping of keys to values")
    return content


def _line_of(error: MarkedYAMLError) -> str:
    return "" if error.problem_mark is None else f" line {error.problem_mark.line + 1}:"


def load_section(source: Path | str | Mapping[str, Any], as_type: type[T], section: str = "") -> T:
    """A dotted `section` (the whole where empty) of a params file, or of a mapping, as the dataclass
    `as_type`.

    An int passes for a float; a string never passes for a number, nor a float for an int.

    Raises InputError that names the full dotted key and, where the source is a file, the line.
    """
    if isinstance(source, Mapping):
        return from_mapping(source, as_type, section, "params")
    return from_mapping(read_yaml(source), as_type, section, str(source))


def from_mapping(content: Mapping[str, Any], as_type: type[T], section: str, name: str) -> T:
    """As `load_section`, on a mapping that messages call `name`."""
    at: Keys = tuple(section.split(".")) if section else ()
    inner: Any = content
    for depth, key in enumerate(at):
        if not isinstance(inner, Mapping) or key not in inner:
            raise InputError(f"{name}:{_line(content, at[:depth])} {dotted(at[: depth + 1])}: missing")
        inner = inner[key]
    try:
        text = json.dumps(_plain(inner, at, content, name))
        return _adapter(cast(Any, as_type)).validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        raise InputError(_explain(error, content, as_type, at, name)) from None
    except RecursionError:
        raise InputError(f"{name}: {section or 'the file'} is nested too deeply, or holds itself") from None


@cache
def _adapter(as_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(as_type)


def _plain(value: Any, at: Keys, content: Any, name: str) -> Any:
    """The value as JSON can hold it; numbers that are not finite are refused."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, (*at, str(key)), content, name) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner, (*at, i), content, name) for i, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name}:{_line(content, at)} {dotted(at)}: must be finite, got {value}")
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def dotted(keys: Keys) -> str:
    """`("tracks", "sweep", 0)` as `tracks.sweep[0]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def _line(content: Any, keys: Keys) -> str:
    """` line 12:` of the deepest of `keys` whose place in the file is known, else nothing."""
    found = None
    for key in keys:
        places = getattr(getattr(content, "lc", None), "data", None) or {}
        if key not in places:
            break
        found, content = places[key][0], content[key]
    return "" if found is None else f" line {found + 1}:"


def _explain(error: ValidationError, content: Any, as_type: type, at: Keys, name: str) -> str:
    """One message for the first fault; an unknown key comes first, since it explains a missing one."""
    faults = error.errors(include_url=False)
    fault = next((f for f in faults if f["type"] == UNKNOWN_KEY), faults[0])
    keys: Keys = (*at, *fault["loc"])
    return f"{name}:{_line(content, keys)} {_reason(fault, keys, as_type)}"


def _reason(fault: Any, keys: Keys, as_type: type) -> str:
    where = dotted(keys) or "the file"
    if fault["type"] == UNKNOWN_KEY:
        return f"{where}: unknown key{suggestion(fault['loc'][-1], keys_of(as_type, fault['loc'][:-1]))}"
    if fault["type"] == "missing":
        return f"{where}: missing"
    if fault["type"] == "value_error":
        message = str(fault["ctx"]["error"])
        if not keys or message.startswith(f"{where}."):
            return message
        return of_field(message, where, keys_of(as_type, fault["loc"]))
    if limit := broken_limit(fault["type"], as_type, fault["loc"]):
        return f"{where} {limit}, got {_shown(fault['input'])}"
    expected = fault["msg"].removeprefix("Input should be ")
    return f"{where}: should be {expected}, got {_shown(fault['input'])}"


def _shown(value: Any) -> str:
    return "a mapping" if isinstance(value, Mapping) else repr(value)


def suggestion(word: Any, known: Sequence[str]) -> str:
    """`; did you mean x?` where one of the known words is near."""
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}" if known else ""


def keys_of(as_type: Any, keys: Sequence[Any]) -> list[str]:
    """Field names of the dataclass found inside `as_type` along `keys`; none where there is no dataclass."""
    for key in keys:
        hints = get_type_hints(as_type) if is_dataclass(as_type) else {}
        inner = hints.get(str(key)) or next(reversed(getattr(as_type, "__args__", ())), None)
        as_type = inner
    return [field.name for field in fields(as_type)] if is_dataclass(as_type) else []


def overlay(base: Mapping[str, Any], overrides: Mapping[str, Any], as_type: type, name: str = "overlay") -> Any:
    """A copy of `base` with `overrides` laid over it; comments of a file read by `read_yaml` stay.

    Sections (dataclasses inside `as_type`) merge key by key; everything else, lists and free mappings such as
    a search space included, is replaced whole. Raises InputError for a key that `as_type` does not have.
    """
    merged = copy.deepcopy(base)
    _merge(merged, overrides, as_type, (), name)
    return merged


def _merge(target: Any, overrides: Mapping[str, Any], as_type: Any, at: Keys, name: str) -> None:
    hints = get_type_hints(as_type)
    for key, value in overrides.items():
        where = dotted((*at, key))
        if key not in hints:
            raise InputError(f"{name}: {where}: unknown key{suggestion(key, list(hints))}")
        if is_dataclass(hints[key]) and not isinstance(value, Mapping):
            raise InputError(f"{name}: {where}: should be a mapping, got {value!r}")
        if is_dataclass(hints[key]) and isinstance(target.get(key), Mapping):
            _merge(target[key], value, hints[key], (*at, key), name)
        else:
            target[key] = copy.deepcopy(value)
