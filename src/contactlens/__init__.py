"""Explainable, uncertainty-aware deep learning for gene regulation."""

import os
import sys
from types import TracebackType

__version__ = "0.1.0"
STARTED_BY = os.getppid()  # the parent of this process, read before slow imports; see ops.processes


def _without_interrupts(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a stage imports is no error of the code's."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


if "DVC_STAGE" in os.environ:
    sys.excepthook = _without_interrupts
