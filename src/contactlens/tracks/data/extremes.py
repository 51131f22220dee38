"""One exact value that stands far from all others: a program's mark of a missing value, kept as a number."""

import numpy as np

FAR, VERY_FAR = 5.0, 20.0  # in ranges of the rest, for a value that is there several times, or once
CENTRAL = (0.01, 0.99)
MARKS = (-1.0, -9.0, -99.0, -999.0, -9999.0)  # suspect at once where no other value is negative
LEAST_VALUES = 20


def mark_of_missing(values: np.ndarray) -> float | None:
    """The smallest or largest value, where it is exact and far from the rest; None where there is no such value.

    Far is five times the range of the central 98 % of the other values, twenty times for a value that occurs once. A
    usual mark (-1, -99, ...) that occurs several times need not be far, where it alone is negative.

    >>> mark_of_missing(np.r_[np.linspace(0, 100, 50), -9999, -9999])
    -9999.0
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if known.size < LEAST_VALUES:
        return None
    for extreme in (known.min(), known.max()):
        rest = known[known != extreme]
        count = known.size - rest.size
        if extreme in MARKS and count > 1 and rest.size and rest.min() >= 0:
            return float(extreme)
        if rest.size < LEAST_VALUES // 2:
            continue
        low, high = np.quantile(rest, CENTRAL)
        width = (high - low) or (rest.max() - rest.min())
        gap = np.abs(rest - extreme).min()
        if width > 0 and gap > (FAR if count > 1 else VERY_FAR) * width:
            return float(extreme)
    return None
