"""Figures of the DNA branch: each function takes tables as the pipeline writes them, returns a Figure."""
