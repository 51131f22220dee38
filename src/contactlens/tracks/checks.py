"""Checks of a track set with Great Expectations: what must hold before anything is learned from it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from contactlens.errors import InputError
from contactlens.files import write_json
from contactlens.tracks.check_suites import Batch, CheckLimits, data_batches, schema_batches
from contactlens.tracks.data_docs import write_data_docs
from contactlens.tracks.track_set import TrackSet

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext

__all__ = ["CheckLimits", "CheckResult", "ExpectationResult", "check_tracks", "validate_tracks"]

SHOWN = 3


@dataclass(frozen=True)
class ExpectationResult:
    """One expectation, checked.

    table: settings, schema, frames (a row per frame) or tracks (a row per track)
    expectation: Great Expectations' name; what: the same in words; column: the column or columns it is about
    count, fraction: offending rows, and their share of the rows with a value; examples: the first of them
    """

    table: str
    expectation: str
    what: str
    column: str
    success: bool
    count: int
    fraction: float
    examples: list[dict[str, Any]]

    def __str__(self) -> str:
        where = f"{self.table}, column {self.column!r}" if self.column else self.table
        rows = [", ".join(f"{key} {value}" for key, value in row.items()) for row in self.examples[:SHOWN]]
        share = f"{self.count:,} offending ({100 * self.fraction:.3g} %), first: {'; '.join(rows)}"
        return f"{where}: expected that {self.what} ({self.expectation}); {share}"


@dataclass(frozen=True)
class CheckResult:
    """All expectations on one track set; `file` is the name it goes by in messages."""

    file: str
    tracks: int
    frames: int
    results: list[ExpectationResult]

    @property
    def success(self) -> bool:
        return all(result.success for result in self.results)

    def write(self, path: Path | str) -> None:
        """Write a small JSON that depends on the data and the limits alone."""
        content = {"file": self.file, "tracks": self.tracks, "frames": self.frames, "success": self.success}
        write_json(path, content | {"results": [asdict(result) for result in self.results]})

    def require_success(self) -> None:
        """Raise InputError with one line for each failed expectation."""
        failed = [str(result) for result in self.results if not result.success]
        if failed:
            count = f"{len(failed)} of {len(self.results)} expectations failed"
            raise InputError("\n  ".join([f"{self.file}: {count}", *failed]))


def check_tracks(
    track_set: TrackSet, limits: CheckLimits, file: str, data_docs: Path | str | None = None
) -> CheckResult:
    """Check every expectation and report on all; where units or columns are wrong, on those alone.

    With `data_docs`, a folder, Great Expectations' own pages are written there, whatever the outcome.
    """
    result, validations = _check(track_set, limits, file)
    if data_docs is not None:
        write_data_docs(validations, data_docs)
    return result


def validate_tracks(
    track_set: TrackSet, limits: CheckLimits, file: str, data_docs: Path | str | None = None
) -> CheckResult:
    """As `check_tracks`, but failed expectations raise one InputError, and then no Data Docs are written.

    The message names file, column, expectation, count and the first offending rows of each.
    """
    result, validations = _check(track_set, limits, file)
    result.require_success()
    if data_docs is not None:
        write_data_docs(validations, data_docs)
    return result


def _check(
    track_set: TrackSet, limits: CheckLimits, file: str
) -> "tuple[CheckResult, list[ExpectationSuiteValidationResult]]":
    context = _context()
    batches = schema_batches(track_set)
    validations = _validate(context, batches)
    if all(validation.success for validation in validations):
        later = data_batches(track_set, limits)
        validations += _validate(context, later)
        batches += later
    results = [
        _result(batch, one)
        for batch, validation in zip(batches, validations, strict=True)
        for one in validation.results
    ]
    frames = track_set.frames
    tracks = frames["track_id"].nunique() if "track_id" in frames else 0
    return CheckResult(file, tracks, len(frames), results), validations


def _context() -> "EphemeralDataContext":
    """A context that keeps everything in memory: no analytics, no progress bars, no temporary folders."""
    import great_expectations as gx
    from great_expectations.data_context.types import base

    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=base.ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _validate(context: "EphemeralDataContext", batches: list[Batch]) -> "list[ExpectationSuiteValidationResult]":
    """Validate each table against its suite, results in the suite's own order."""
    import great_expectations as gx

    source = context.data_sources.add_or_update_pandas("tracks")
    # Asked for columns that identify a row, Great Expectations walks through every offending row in Python:
    # half a minute for 600,000. Row numbers cost nothing.
    result_format = {"result_format": "SUMMARY", "partial_unexpected_count": SHOWN}
    validations = []
    for name, table, expectations in batches:
        definition = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        suite = gx.ExpectationSuite(name=name, expectations=expectations)
        validation = definition.get_batch({"dataframe": table}).validate(suite, result_format=result_format)
        validation.results.sort(key=_order)
        validations.append(validation)
    return validations


def _order(one: "ExpectationValidationResult") -> int:
    config: Any = one.expectation_config
    return config.meta["order"]


def _result(batch: Batch, one: "ExpectationValidationResult") -> ExpectationResult:
    config: Any = one.expectation_config
    column = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", []))
    count = one.result.get("unexpected_count", int(not one.success))
    rows = one.result.get("partial_unexpected_index_list", [])
    examples = [_example(batch.table.iloc[row], column) for row in rows[:SHOWN]]
    if not one.success and not examples:
        examples = [{"observed": str(one.result.get("observed_value", one.exception_info))}]
    return ExpectationResult(
        table=batch.name,
        expectation=config.type,
        what=config.meta["what"],
        column=column,
        success=bool(one.success),
        count=int(count),
        fraction=float(one.result.get("unexpected_percent") or 100.0 * (not one.success)) / 100,
        examples=examples,
    )


def _example(row: pd.Series, column: str) -> dict[str, Any]:
    """Which row, and its value there; as text where JSON has no number for it."""
    named = {key: row[key] for key in ("track_id", "frame") if key in row}
    if column in row and column not in named:
        named["value"] = row[column]
    return {key: _as_json(value) for key, value in named.items()}


def _as_json(value: Any) -> str | int | float:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and plain - plain == 0:
        return float(f"{plain:.10g}")
    return plain if isinstance(plain, int) else str(plain)
