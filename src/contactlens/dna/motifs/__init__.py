"""Motifs that the model relies on: from contributions per base to named patterns, tracks and recovered truth."""
