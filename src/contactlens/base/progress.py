"""How far a long computation is: the library counts, and whoever runs it decides whether and how that is shown."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Count(Protocol):
    def to(self, done: float, note: str = "") -> None:
        """`done` of the total is done; a note is shown whatever the time."""


class Display(Protocol):
    def counting(self, what: str, total: float) -> AbstractContextManager[Count]: ...


class _Silent:
    def to(self, done: float, note: str = "") -> None:
        pass


_display: ContextVar[Display | None] = ContextVar("display", default=None)


def is_shown() -> bool:
    return _display.get() is not None


@contextmanager
def shown_by(display: Display) -> Iterator[None]:
    """All counts inside go to `display`; without one they are silent."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)


@contextmanager
def counting(what: str, total: float) -> Iterator[Count]:
    """Count up to `total` of `what`, such as "training epochs"."""
    display = _display.get()
    if display is None:
        yield _Silent()
        return
    with display.counting(what, total) as count:
        yield count


def counted(items: Collection[T], what: str) -> Iterator[T]:
    """The items, each counted once the loop is done with it."""
    with counting(what, len(items)) as count:
        for done, item in enumerate(items, start=1):
            yield item
            count.to(done)
