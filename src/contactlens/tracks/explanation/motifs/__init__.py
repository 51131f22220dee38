"""Temporal motifs: the contact histories that a tracks model relies on, and how long before the frame they end."""
