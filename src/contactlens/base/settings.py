"""Settings: frozen dataclasses whose fields carry their limits, checked by pydantic where it is installed.

Types are strict: a string never passes for a number, nor a bool for an int. A machine with torch and numpy alone can
import and make settings; nothing is checked there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, dataclass_transform, get_type_hints

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

        def Field(**limits: float) -> dict[str, float]:  # noqa: N802 (as pydantic's)
            return limits


T = TypeVar("T")
Count = Annotated[int, Field(ge=1)]
WholeNumber = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
InsideUnit = Annotated[float, Field(gt=0, lt=1)]

BOUND_FAULTS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


@dataclass_transform(frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that refuses a wrong value, by InputError, however it is made."""
    if pydantic is None:
        return dataclass(frozen=True)(cls)
    strict = pydantic.ConfigDict(strict=True, extra="forbid")
    checked: Any = pydantic.dataclasses.dataclass(frozen=True, config=strict)(cls)
    construct = checked.__init__

    def make(self: Any, *args: Any, **values: Any) -> None:
        try:
            construct(self, *args, **values)
        except pydantic.ValidationError as error:
            raise InputError(_first_fault(checked, error)) from None

    checked.__init__ = make
    return checked


def _first_fault(cls: type, error: "pydantic.ValidationError") -> str:
    """What is wrong with values given in Python; those given by position are named as the rest."""
    fault = error.errors(include_url=False)[0]
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    first, *rest = fault["loc"]
    keys = [fields(cls)[first].name if isinstance(first, int) else first, *rest]
    rule = broken_limit(fault["type"], cls, keys) or f"must be {fault['msg'].removeprefix('Input should be ')}"
    return f"{cls.__name__}.{'.'.join(map(str, keys))} {rule}, got {fault['input']!r}"


def broken_limit(fault: str, as_type: Any, keys: Sequence[Any]) -> str | None:
    """In words, the limits of the field found inside `as_type` along `keys`; None for a fault of another kind."""
    if fault not in BOUND_FAULTS:
        return None
    limits: Sequence[Any] = ()
    for key in keys:
        if is_dataclass(as_type):
            as_type = get_type_hints(as_type, include_extras=True).get(str(key))
        else:
            as_type = next((one for one in reversed(getattr(as_type, "__args__", ())) if one is not ...), None)
        limits = [limit for field in getattr(as_type, "__metadata__", ()) for limit in getattr(field, "metadata", ())]
    names = ("gt", "ge", "lt", "le")
    return _in_words({name: getattr(limit, name) for limit in limits for name in names if hasattr(limit, name)})


def _in_words(limits: dict[str, float]) -> str:
    """`must lie between 0 and 1`, `must be at least 1`, ... of `{"gt": 0, "lt": 1}`, `{"ge": 1}`, ..."""
    low, high = limits.get("gt", limits.get("ge")), limits.get("lt", limits.get("le"))
    if low is not None and high is not None:
        if limits.keys() == {"gt", "lt"}:
            return f"must lie between {low:g} and {high:g}"
        return f"must lie in {'(' if 'gt' in limits else '['}{low:g}, {high:g}{')' if 'lt' in limits else ']'}"
    if limits == {"gt": 0}:
        return "must be positive"
    if limits == {"ge": 0}:
        return "must not be negative"
    words = {"gt": "be more than", "ge": "be at least", "lt": "be below", "le": "be at most"}
    return " and ".join(f"must {words[name]} {value:g}" for name, value in limits.items())
