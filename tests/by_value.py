"""A test's functions, sent to processes that can't import its module."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def sent_by_value(pickle: ModuleType, *modules: ModuleType) -> Iterator[None]:
    """pickle: the package `cloudpickle`, or Ray's own copy of it."""
    for module in modules:
        pickle.register_pickle_by_value(module)
    yield
    for module in modules:
        pickle.unregister_pickle_by_value(module)
