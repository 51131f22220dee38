"""Checks of a window set with Great Expectations: what must hold before anything is learned from it."""

from pathlib import Path

from contactlens.dna.data.check_suites import (
    CheckLimits,
    Splits,
    leakage_batches,
    place_batches,
    schema_batches,
    sequence_batches,
    split_batches,
)
from contactlens.dna.data.window_set import WindowSet
from contactlens.expectations.result import CheckResult
from contactlens.expectations.run import Stage, Subject, check, validate
from contactlens.expectations.suite import Batch

__all__ = ["CheckLimits", "CheckResult", "check_windows", "validate_windows"]


def check_windows(
    window_set: WindowSet,
    limits: CheckLimits,
    file: str,
    splits: Splits | None = None,
    data_docs: Path | str | None = None,
) -> CheckResult:
    """Check columns, then coordinates and labels, then bases, distances and splits, then leakage between splits.

    Where one of these fails, the later ones, which take it for granted, are left out. `splits` gives the window ids of
    each split. With `data_docs`, a folder, Great Expectations' own pages are written there, whatever the outcome.
    """
    return check(_subject(window_set, file), _stages(window_set, limits, splits), data_docs)


def validate_windows(
    window_set: WindowSet,
    limits: CheckLimits,
    file: str,
    splits: Splits | None = None,
    data_docs: Path | str | None = None,
) -> CheckResult:
    """As `check_windows`, but failed expectations raise one InputError, and then no Data Docs are written.

    The message names file, column, expectation, count and the first offending rows of each.
    """
    return validate(_subject(window_set, file), _stages(window_set, limits, splits), data_docs)


def _subject(window_set: WindowSet, file: str) -> Subject:
    return Subject("windows", file, {"windows": len(window_set.windows)}, ("window_id", "split", "label"))


def _stages(window_set: WindowSet, limits: CheckLimits, splits: Splits | None) -> list[Stage]:
    def contents() -> list[Batch]:
        batches = sequence_batches(window_set, limits)
        return batches if splits is None else batches + split_batches(window_set, splits, limits)

    stages: list[Stage] = [lambda: schema_batches(window_set), lambda: place_batches(window_set), contents]
    if splits is not None:
        stages.append(lambda: leakage_batches(window_set, splits, limits))
    return stages
