"""Explainable, uncertainty-aware deep learning for gene regulation."""

__version__ = "0.1.0"
