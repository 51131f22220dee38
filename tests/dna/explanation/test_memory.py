import ctypes
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from contactlens.dna.explanation.memory import give_back

MIB = 2**20


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has malloc_trim")
def test_free_blocks_between_others_go_back_to_the_system() -> None:
    kept, freed = [], []
    for _ in range(2000):
        freed.append(np.ones(100_000, dtype=np.uint8))  # small enough to lie in the heap
        kept.append(np.ones(1000, dtype=np.uint8))
    full = resident()
    freed.clear()
    give_back()
    assert resident() < full - 150 * MIB and all(one[0] == 1 for one in kept)


def test_another_c_library_keeps_its_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: asked.append(name) or SimpleNamespace())
    give_back()
    assert asked == [None]
