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

Array = np.ndarray
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


def usable_method(wanted: str, checks: pd.DataFrame | None) -> tuple[str, str]:
    """The method to use in place of `wanted`, and why that is refused (empty where it is not).

    checks: `check_methods`, whose next method that is not refused takes its place; None where there are none.
    Raises InputError where every method is refused.
    """
    if checks is None or wanted not in set(checks["method"]):
        return wanted, ""
    reasons = refusal_of(checks)
    if not reasons[wanted]:
        return wanted, ""
    others = [method for method, reason in reasons.items() if not reason]
    if not others:
        raise InputError(f"dna.explain.methods: all are refused for this model; {wanted}: {reasons[wanted]}")
    return others[0], reasons[wanted]


def read_checks(folder: Path) -> pd.DataFrame | None:
    """method_checks.csv of a folder; None where there is none, as of models that were explained without."""
    path = folder / "method_checks.csv"
    return pd.read_csv(path) if path.is_file() else None


def refusals(checks: pd.DataFrame) -> list[str]:
    """One sentence for each method that is refused."""
    return [f"{method} is refused for this model: {why}" for method, why in refusal_of(checks).items() if why]
