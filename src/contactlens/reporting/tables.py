"""Tables and findings that the reports of both branches share."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from contactlens.reporting.blocks import Finding


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def with_interval(frame: pd.DataFrame) -> pd.Series:
    """Rows of estimate, low, high as text, 0.470 [0.450, 0.490]; no bracket where there is no interval."""
    return pd.Series(
        [
            number(estimate) if np.isnan(low) else f"{number(estimate)} [{number(low)}, {number(high)}]"
            for estimate, low, high in frame[["estimate", "low", "high"]].to_numpy(dtype="float64")
        ],
        index=frame.index,
        dtype="str",
    )


def promotion_table(reasons: Sequence[str]) -> pd.DataFrame:
    """Rules of promotion, `passed: ...` or `failed: ...`, as columns outcome and rule."""
    return pd.DataFrame([reason.split(": ", 1) for reason in reasons], columns=["outcome", "rule"])


def promotion_finding(reasons: Sequence[str]) -> Finding:
    """Whether every rule was passed, and if not, which were not. reasons: one or more."""
    failed = [reason.removeprefix("failed: ") for reason in reasons if reason.startswith("failed")]
    question = "Does the model pass the promotion rules?"
    if failed:
        return Finding(question, f"fails {len(failed)} of {len(reasons)}", f"{'; '.join(failed)}.", "bad")
    return Finding(question, f"passes all {len(reasons)}", "Each is listed under Promotion.", "good")


def promotion_sentence(reasons: Sequence[str]) -> str:
    """Whether the model is promoted and why, in a line; nothing where nothing was decided."""
    if not reasons:
        return ""
    failed = [reason.removeprefix("failed: ") for reason in reasons if reason.startswith("failed")]
    if failed:
        return f"Not promoted: it fails {len(failed)} of {len(reasons)} rules: {'; '.join(failed)}."
    return f"Promoted, unless the champion in use is better: it passes all {len(reasons)} rules (see Promotion)."
