"""Settings: frozen dataclasses whose fields carry their limits, checked by pydantic where it is installed.

Types are strict: a string never passes for a number, nor a bool for an int; numbers are finite. A machine with torch
and numpy alone can import and make settings; nothing is checked there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import wraps
from itertools import pairwise
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from contactlens.base.errors import InputError

if TYPE_CHECKING:
    import pydantic
    from pydantic import Field
else:
    try:
        import pydantic
        from pydantic import Field
    except ImportError:
        pydantic = None

        def Field(**limits: Any) -> Any:  # noqa: N802 (as pydantic's)
            return tuple(limits.items())


T = TypeVar("T")
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
OpenUnit = Annotated[float, Field(gt=0, lt=1)]
ClosedUnit = Annotated[float, Field(ge=0.0, le=1.0)]

LIMITS = ("gt", "ge", "lt", "le", "min_length", "multiple_of", "pattern")
LIMIT_FAULTS = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "too_short",
    "multiple_of",
    "string_pattern_mismatch",
}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that refuses a wrong value, by InputError, however it is made."""
    if pydantic is None:
        return dataclass(frozen=True)(cls)
    strict = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    checked: Any = pydantic.dataclasses.dataclass(frozen=True, config=strict)(cls)
    construct = checked.__init__

    def make(self: Any, *args: Any, **values: Any) -> None:
        try:
            construct(self, *args, **values)
        except pydantic.ValidationError as error:
            raise InputError(_first_fault(checked, error)) from None

    checked.__init__ = make
    return checked


def rule(check: Callable[[Any], None]) -> Any:
    """A rule across the fields of a settings class: a method that raises ValueError where they don't fit each other.

    It runs once each field is right by itself; rules of a base class come first.
    """
    if pydantic is None:
        return check

    @wraps(check)
    def after(self: Any) -> Any:
        check(self)
        return self

    return pydantic.model_validator(mode="after")(after)


def rises(values: Sequence[float]) -> bool:
    """Whether there are two values or more, from 0 to at most 1, each above the one before."""
    return len(values) > 1 and values[0] == 0 and values[-1] <= 1 and all(a < b for a, b in pairwise(values))


def _first_fault(cls: type, error: "pydantic.ValidationError") -> str:
    """What is wrong with values given in Python; those given by position are named as the rest."""
    fault = error.errors(include_url=False)[0]
    if fault["type"] == "value_error":
        return of_field(str(fault["ctx"]["error"]), cls.__name__, [one.name for one in fields(cls)])
    first, *rest = fault["loc"]
    keys = [fields(cls)[first].name if isinstance(first, int) else first, *rest]
    words = broken_limit(fault["type"], cls, keys) or f"must be {fault['msg'].removeprefix('Input should be ')}"
    return f"{cls.__name__}.{'.'.join(map(str, keys))} {words}, got {fault['input']!r}"


def of_field(message: str, where: str, names: Sequence[str]) -> str:
    """A rule's message after the place it is about: one that starts with a field's name becomes `where.name ...`."""
    start = re.split(r"\W", message, maxsplit=1)[0]
    return f"{where}.{message}" if start in names else f"{where}: {message}"


def broken_limit(fault: str, as_type: Any, keys: Sequence[Any]) -> str | None:
    """In words, the limits of the field found inside `as_type` along `keys`; None for a fault of another kind."""
    if fault not in LIMIT_FAULTS:
        return None
    for key in keys:
        as_type = _inside(as_type, key)
    return limits_in_words(as_type)


def limits_in_words(as_type: Any) -> str:
    """What a field's type asks of a value beside its kind, as `must be positive`; empty where it asks nothing."""
    limits = _limits_of(as_type)
    return _in_words(limits) if limits else ""


def _inside(as_type: Any, key: Any) -> Any:
    """The type of field or item `key` of `as_type`."""
    if get_origin(as_type) is Annotated:
        as_type = get_args(as_type)[0]
    if is_dataclass(as_type):
        return get_type_hints(as_type, include_extras=True).get(str(key))
    items = [one for one in get_args(as_type) if one is not ...]
    return items[key] if isinstance(key, int) and key < len(items) else next(reversed(items), None)


def _limits_of(as_type: Any) -> dict[str, Any]:
    if get_origin(as_type) in (Union, UnionType):
        return {name: value for one in get_args(as_type) for name, value in _limits_of(one).items()}
    stated = [limit for one in getattr(as_type, "__metadata__", ()) for limit in getattr(one, "metadata", ())]
    return {name: getattr(limit, name) for limit in stated for name in LIMITS if hasattr(limit, name)}


def _in_words(limits: Mapping[str, Any]) -> str:
    """`must lie between 0 and 1`, `must be at least 1`, ... of `{"gt": 0, "lt": 1}`, `{"ge": 1}`, ..."""
    low, high = limits.get("gt", limits.get("ge")), limits.get("lt", limits.get("le"))
    if low is not None and high is not None:
        whole = isinstance(low, int) and isinstance(high, int)
        if limits.keys() == {"gt", "lt"} or (whole and limits.keys() == {"ge", "le"}):
            return f"must lie between {_short(low)} and {_short(high)}"
        left, right = "(" if "gt" in limits else "[", ")" if "lt" in limits else "]"
        return f"must lie in {left}{_short(low)}, {_short(high)}{right}"
    if limits == {"gt": 0}:
        return "must be positive"
    words = {
        "gt": "be more than",
        "ge": "be at least",
        "lt": "be below",
        "le": "be at most",
        "min_length": "hold at least",
        "multiple_of": "be a multiple of",
        "pattern": "match",
    }
    return " and ".join(f"must {words[name]} {_short(value)}" for name, value in limits.items())


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
