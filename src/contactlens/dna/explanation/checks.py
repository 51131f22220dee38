"""Whether a method may be believed of a model: every explanation against a reference carries its own check.

Contributions by a path from a reference add up to the change of the score from it, up to the error of the integral, and
mean something only where the reference is like what the model knows. Other methods have no reference to check. No torch
is imported here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.dna.explanation.methods import BEST, BEST_FIRST, YARDSTICK

Array = np.ndarray
CRITERIA = (("planted_auroc",), ("deletion_gain", "insertion_gain"))
CHECKS = ["method", "completeness_error", "reference_logit", "lowest_logit", "highest_logit", "refused"]


def check_methods(
    methods: Sequence[str], references: pd.DataFrame, logits: Array, max_completeness_error: float
) -> pd.DataFrame:
    """A row a method, in the order given: whether it is refused for this model, and why (`refused`, empty if not).

    references: `reference_table`; logits: of real windows, positive or not, which the median reference must lie among
    """
    low, high = float(logits.min()), float(logits.max())
    rows = []
    for method in methods:
        mine = references[references["method"] == method]
        if mine.empty:
            rows.append((method, np.nan, np.nan, low, high, ""))
            continue
        error = float(mine["missed"].sum() / max(mine["change"].sum(), 1e-9))
        reference = float(mine["reference_logit"].median())
        why = []
        if error > max_completeness_error:
            why.append(f"contributions miss {error:.0%} of the logit's change (limit {max_completeness_error:.0%})")
        if not low <= reference <= high:
            why.append(
                f"the reference's logit, {reference:.4g}, is outside of those of windows, {low:.4g} to {high:.4g}"
            )
        rows.append((method, error, reference, low, high, "; ".join(why)))
    return pd.DataFrame(rows, columns=CHECKS)


def refusal_of(checks: pd.DataFrame) -> dict[str, str]:
    """Why each method is refused, empty where it is not; a file leaves empty cells as missing."""
    pairs = zip(checks["method"], checks["refused"], strict=True)
    return {str(method): "" if pd.isna(why) else str(why) for method, why in pairs}


def methods_to_try(wanted: str, checks: pd.DataFrame | None) -> tuple[list[str], list[str]]:
    """Methods that may be used for `wanted` (`best`: the first of the table), in turn, and a sentence for each that is
    refused before the first of them.

    checks: `check_methods`, the best first, whose next method takes the place of one that is refused; where there are
        none, the order is `BEST_FIRST`
    """
    order = list(BEST_FIRST) if checks is None else list(map(str, checks["method"]))
    if wanted != BEST:
        order = [wanted, *(method for method in order if method != wanted)]
    why = {} if checks is None else refusal_of(checks)
    usable = [method for method in order if not why.get(method)]
    before = order[: order.index(usable[0])] if usable else order
    return usable, [f"{method} is refused for this model: {why[method]}" for method in before]


def usable_method(wanted: str, checks: pd.DataFrame | None) -> tuple[str, list[str]]:
    """The first of `methods_to_try`; InputError where every method is refused."""
    usable, refused = methods_to_try(wanted, checks)
    if not usable:
        raise InputError(f"dna.explain.methods: all are refused for this model; {'; '.join(refused)}")
    return usable[0], refused


def logit_range(checks: pd.DataFrame) -> Array:
    """(2,): lowest and highest logit of the real windows that methods were checked by."""
    return np.array([checks["lowest_logit"].min(), checks["highest_logit"].max()])


def best_first(methods: Sequence[str], faithfulness: pd.DataFrame) -> list[str]:
    """The methods by what the table of faithfulness says: the mean of their ranks by how well they find planted bases
    inside the elements, where the truth is known, and by the gains of deletion and insertion over the permuted control,
    added up. Neither alone will do: bases may be found that the model does not use. Methods of equal mean keep their
    order. Mutagenesis, whose cost forbids it for all windows, comes last whatever it reaches.
    """
    own = faithfulness[~faithfulness["control"].astype(bool)]
    table = own.pivot_table(index="method", columns="metric", values="estimate", sort=False)
    rank = pd.Series(0.0, index=pd.Index(methods))
    for metrics in CRITERIA:
        if set(metrics) <= set(table.columns):
            value = table[list(metrics)].sum(axis=1, skipna=False).reindex(rank.index).fillna(-np.inf)
            rank += value.drop(YARDSTICK, errors="ignore").rank(ascending=False).reindex(rank.index).fillna(0.0)
    order = map(str, rank.sort_values(kind="stable").index)
    return sorted(order, key=lambda method: method == YARDSTICK)


def merged(checks: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """The checks, with the rows of `later` in place of those of the same methods, in the order of the first."""
    found = later.set_index("method").combine_first(checks.set_index("method")).loc[checks["method"]]
    return found.reset_index()[CHECKS]


def read_checks(folder: Path) -> pd.DataFrame | None:
    """method_checks.csv of a folder; None where there is none, as of models that were explained without."""
    path = folder / "method_checks.csv"
    return pd.read_csv(path) if path.is_file() else None


def refusals(checks: pd.DataFrame) -> list[str]:
    """One sentence for each method that is refused."""
    return [f"{method} is refused for this model: {why}" for method, why in refusal_of(checks).items() if why]
