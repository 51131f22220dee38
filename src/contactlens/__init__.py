"""Explainable, uncertainty-aware deep learning for gene regulation."""

import os

__version__ = "0.1.0"
STARTED_BY = os.getppid()  # the parent of this process, read before slow imports; see ops.processes
