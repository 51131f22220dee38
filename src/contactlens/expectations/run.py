"""Checking a data set's tables with Great Expectations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from contactlens.expectations.data_docs import write_data_docs
from contactlens.expectations.result import SHOWN, CheckResult, ExpectationResult
from contactlens.expectations.suite import Batch

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext

Stage = Callable[[], list[Batch]]


@dataclass(frozen=True)
class DataAsset:
    """What is checked.

    kind: tracks, windows; it heads the Data Docs
    file, counts: as in `CheckResult`
    row_key: columns that tell a reader which row an example is, where its table has them
    """

    kind: str
    file: str
    counts: dict[str, int]
    row_key: tuple[str, ...]


def check(asset: DataAsset, stages: Sequence[Stage], data_docs: Path | str | None = None) -> CheckResult:
    """Check the tables of each stage in turn, all of one even if some fail; the next only if all of it holds.

    With `data_docs`, a folder, Great Expectations' own pages are written there, whatever the outcome.
    """
    result, validations = _run(asset, stages)
    if data_docs is not None:
        write_data_docs(validations, data_docs, asset.kind.capitalize())
    return result


def validate(asset: DataAsset, stages: Sequence[Stage], data_docs: Path | str | None = None) -> CheckResult:
    """As `check`, but failed expectations raise one InputError, and then no Data Docs are written.

    The message names file, column, expectation, count and the first offending rows of each.
    """
    result, validations = _run(asset, stages)
    result.require_success()
    if data_docs is not None:
        write_data_docs(validations, data_docs, asset.kind.capitalize())
    return result


def _run(asset: DataAsset, stages: Sequence[Stage]) -> "tuple[CheckResult, list[ExpectationSuiteValidationResult]]":
    context = _context()
    results: list[ExpectationResult] = []
    validations: list[ExpectationSuiteValidationResult] = []
    for stage in stages:
        for batch in stage():
            validation = _validate(context, asset.kind, batch)
            results += [_result(batch, asset.row_key, one) for one in validation.results]
            validations.append(validation)
        if not all(result.success for result in results):
            break
    return CheckResult(asset.file, asset.counts, results), validations


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


def _validate(context: "EphemeralDataContext", kind: str, batch: Batch) -> "ExpectationSuiteValidationResult":
    """Validate a table against its suite, results in the suite's own order."""
    import great_expectations as gx

    name, table, expectations = batch
    asset = context.data_sources.add_or_update_pandas(kind).add_dataframe_asset(name)
    # Asked for columns that identify a row, Great Expectations walks through every offending row in Python:
    # half a minute for 600,000. Row numbers cost nothing.
    result_format = {"result_format": "SUMMARY", "partial_unexpected_count": SHOWN}
    suite = gx.ExpectationSuite(name=name, expectations=expectations)
    loaded = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": table})
    validation = loaded.validate(suite, result_format=result_format)
    validation.results.sort(key=_order)
    return validation


def _order(one: "ExpectationValidationResult") -> int:
    config: Any = one.expectation_config
    return config.meta["order"]


def _result(batch: Batch, row_key: tuple[str, ...], one: "ExpectationValidationResult") -> ExpectationResult:
    config: Any = one.expectation_config
    column = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", []))
    count = one.result.get("unexpected_count", int(not one.success))
    rows = one.result.get("partial_unexpected_index_list", [])
    examples = [_example(batch.table.iloc[row], row_key, column) for row in rows[:SHOWN]]
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


def _example(row: pd.Series, row_key: tuple[str, ...], column: str) -> dict[str, Any]:
    """Which row, and its value there; as text where JSON has no number for it."""
    named = {key: row[key] for key in row_key if key in row}
    if column in row and column not in named:
        named["value"] = row[column]
    return {key: _as_json(value) for key, value in named.items()}


def _as_json(value: Any) -> str | int | float:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and plain - plain == 0:
        return float(f"{plain:.10g}")
    return plain if isinstance(plain, int) else str(plain)
