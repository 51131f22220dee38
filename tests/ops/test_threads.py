"""Threads of the numerical libraries, in processes of their own: they are read when a library is loaded."""

import os
import subprocess
import sys

import pytest

THREADS = """
import os
import numpy
from threadpoolctl import threadpool_info
from contactlens.ops.threads import one_thread

threads = lambda: {pool["num_threads"] for pool in threadpool_info()}
before = threads()
with one_thread():
    inside = threads()
    import sklearn.ensemble  # loads an OpenMP and a BLAS of its own
    later = threads()
print(inside, later, os.environ.get("OMP_NUM_THREADS"), before <= threads())
"""


@pytest.mark.parametrize(("given", "printed"), [(None, "{1} {1} None True"), ("2", "{2} {2} 2 True")])
def test_a_stage_computes_on_one_thread_unless_it_is_told_another_number(given: str | None, printed: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {} if given is None else {"OMP_NUM_THREADS": given}
    run = subprocess.run([sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == printed
