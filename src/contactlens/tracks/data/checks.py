"""Checks of a track set with Great Expectations: what must hold before anything is learned from it."""

from pathlib import Path

from contactlens.expectations.result import CheckResult
from contactlens.expectations.run import Stage, Subject, check, validate
from contactlens.tracks.data.check_suites import CheckLimits, data_batches, schema_batches
from contactlens.tracks.data.track_set import TrackSet

__all__ = ["CheckLimits", "CheckResult", "check_tracks", "validate_tracks"]


def check_tracks(
    track_set: TrackSet, limits: CheckLimits, file: str, data_docs: Path | str | None = None
) -> CheckResult:
    """Check every expectation and report on all; where units or columns are wrong, on those alone.

    With `data_docs`, a folder, Great Expectations' own pages are written there, whatever the outcome.
    """
    return check(_subject(track_set, file), _stages(track_set, limits), data_docs)


def validate_tracks(
    track_set: TrackSet, limits: CheckLimits, file: str, data_docs: Path | str | None = None
) -> CheckResult:
    """As `check_tracks`, but failed expectations raise one InputError, and then no Data Docs are written.

    The message names file, column, expectation, count and the first offending rows of each.
    """
    return validate(_subject(track_set, file), _stages(track_set, limits), data_docs)


def _subject(track_set: TrackSet, file: str) -> Subject:
    frames = track_set.frames
    tracks = frames["track_id"].nunique() if "track_id" in frames else 0
    return Subject("tracks", file, {"tracks": tracks, "frames": len(frames)}, ("track_id", "frame"))


def _stages(track_set: TrackSet, limits: CheckLimits) -> list[Stage]:
    return [lambda: schema_batches(track_set), lambda: data_batches(track_set, limits)]
