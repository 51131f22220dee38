"""Two tables of predictions that differ by the order of floating point sums alone."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

SIGNAL = {name: name for name in ("mean", "sd", "q05", "q95")}


def assert_same_prediction(found: pd.DataFrame, wanted: pd.DataFrame, columns: Mapping[str, str] = SIGNAL) -> None:
    """`columns`: of `found` -> of `wanted`; both hold sd. At most a thousandth of the frame's sd apart.

    Batches of another shape and other numbers of threads sum in another order, by 1e-7 of the signal. Where two knots
    of the map of a recalibrated sd lie close together, its slope makes up to 1e-4 of an sd of that.
    """
    limit = 1e-3 * wanted[columns["sd"]].to_numpy()
    for name, other in columns.items():
        apart = np.abs(found[name].to_numpy() - wanted[other].to_numpy())
        assert (apart <= limit).all(), f"{name}: up to {(apart / limit).max() / 1e3:.2g} sd apart"
