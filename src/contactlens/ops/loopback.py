"""A Ray on this machine alone listens on the loopback interface alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def ray_on_loopback() -> Iterator[None]:
    """A Ray that is started in the body takes 127.0.0.1 for its node's address, and so listens there alone.

    Ray does so by itself on macOS and Windows, by this constant; on Linux it has no setting for it.
    """
    from ray._private import ray_constants

    with mock.patch.object(ray_constants, "ENABLE_RAY_CLUSTER", False):
        yield
