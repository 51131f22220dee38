"""Memory that is free but not the system's."""

import ctypes


def give_back() -> None:
    """Hand the pages that are free in this process to the system, where its C library is glibc; elsewhere nothing.

    glibc keeps what lies between blocks in use. Work on large arrays of many lengths then takes more and more, although
    it holds no more of them than at its start.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
