"""The figure of a sweep's trials: every trial is on its axes, a failed one at their edge, and the best is marked."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from contactlens.reporting.trials import Trials, ceiling, scale_x, trials_figure

COLUMNS = Trials("loss", "loss (nats)", frozenset({"loss", "seconds"}), {"rate": "1/step"})
TRIALS = pd.DataFrame(
    {
        "trial": range(6),
        "kind": ["fixed", *["search"] * 5],
        "budget": [8, 8, 8, 2, 2, 8],
        "epochs": [8, 8, 8, 2, 2, 8],
        "rate": [0.01, 0.02, 0.3, 0.001, 0.05, 0.004],
        "width": [8, 8, 8, 8, 8, 8],
        "seconds": [5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
        "loss": [1.0, 0.9, 40.0, 0.8, 1.1, 0.95],
    }
)


def test_trials_are_drawn_over_the_keys_that_were_searched() -> None:
    figure = trials_figure(TRIALS, COLUMNS)
    (axis,) = [one for one in figure.axes if one.axison]
    assert axis.get_xlabel() == "rate (1/step)" and axis.get_ylabel() == "loss (nats)" and axis.get_xscale() == "log"
    drawn = {one.get_label(): np.asarray(one.get_offsets()) for one in axis.collections}
    top = ceiling(TRIALS["loss"])
    assert drawn["best trial"].tolist() == [[0.02, 0.9]]  # of those with the most epochs
    assert drawn["worse, off the axis"].tolist() == [[0.3, top]]
    assert drawn["search trial, 2 epochs"].tolist() == [[0.001, 0.8], [0.05, 1.1]]
    assert drawn["fixed trial, 8 epochs"].tolist() == [[0.01, 1.0]]
    low, high = axis.get_ylim()
    assert (low, high) == pytest.approx((0.8 - 0.07 * (top - 0.8), top + 0.07 * (top - 0.8)))


def test_the_ceiling_is_three_quartile_distances_above_the_upper_quartile() -> None:
    assert ceiling(pd.Series([0.0, 1.0, 2.0, 3.0, 100.0])) == 3.0 + 3 * 2.0
    assert ceiling(pd.Series([1.0, 2.0, 3.0])) == 3.0


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 29.0], "linear"), ([1.0, 31.0], "log"), ([0.0, 0.02, 3.0], "symlog"), ([-1.0, 100.0], "linear")],
)
def test_an_axis_is_logarithmic_over_a_factor_of_thirty(values: list[float], scale: str) -> None:
    axis = Figure().subplots()
    axis.plot(values, values)
    scale_x(axis, pd.Series(values))
    assert axis.get_xscale() == scale
    low, high = axis.get_xlim()
    assert low <= min(values) and high >= max(values)
