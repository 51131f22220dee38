"""How many threads the numerical libraries under a stage compute with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

VARIABLE = "OMP_NUM_THREADS"


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and OpenMP compute on one thread, unless OMP_NUM_THREADS says how many.

    By more threads a sum is formed in another order, so that the last digits of a result depended on the machine's
    cores; and beside the other branch they wait for each other, for a quarter of the tracks' evaluation. Torch and
    numba have threads of their own, which params.yaml gives.
    """
    if VARIABLE in os.environ:
        yield
        return
    os.environ[VARIABLE] = "1"  # for libraries that are loaded later, and for child processes
    try:
        with threadpool_limits(1):
            yield
    finally:
        del os.environ[VARIABLE]
