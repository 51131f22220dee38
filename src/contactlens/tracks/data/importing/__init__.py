"""Tracks from the files that microscopes, trackers and labs write: `read_tracks`."""

from contactlens.tracks.data.importing.read import read_tracks

__all__ = ["read_tracks"]
