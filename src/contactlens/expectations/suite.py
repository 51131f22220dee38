"""Expectations on one table, each with words for what it expects."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

LARGEST = float(np.finfo("float64").max)


class Batch(NamedTuple):
    name: str
    table: pd.DataFrame
    expectations: "list[Expectation]"


class Suite:
    """Collects expectations; each says in words what it expects, for messages and the index of Data Docs."""

    def __init__(self) -> None:
        self.expectations: list[Expectation] = []

    def expect(self, name: str, what: str, **arguments: Any) -> None:
        from great_expectations import expectations

        kind = getattr(expectations, name)
        # Great Expectations may return results in another order: `meta` keeps ours.
        meta = {"what": what, "order": len(self.expectations)}
        self.expectations.append(kind(**arguments, meta=meta))

    def between(self, column: str, what: str, low: float | None, high: float | None, **arguments: Any) -> None:
        limits = {"min_value": low, "max_value": high}
        self.expect("ExpectColumnValuesToBeBetween", what, column=column, **limits, **arguments)

    def number(self, column: str, what: str, low: float, high: float) -> None:
        """No missing value, and all within finite limits."""
        self.expect("ExpectColumnValuesToNotBeNull", f"{column} is nowhere NaN", column=column)
        self.between(column, what, low, high)

    def named(self, column: str) -> None:
        self.expect("ExpectColumnValuesToNotBeNull", f"every {column} has a name", column=column)
        self.expect("ExpectColumnValuesToMatchRegex", f"no {column} is blank", column=column, regex=r"\S")
