import math

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.sweep.run import choose


def row(trial: int, weight: float, nll: float) -> dict[str, float]:
    return {"trial": trial, "lambda_contact": weight, "validation_nll": nll}


TRIALS = [
    row(0, 0.0, 2.970),
    row(1, 0.1, 2.974),
    row(2, 0.3, 2.975),
    row(3, 1.0, 2.984),
    row(4, 3.0, math.nan),
]


@pytest.mark.parametrize(("tolerance", "chosen"), [(0.0, 0), (0.004, 1), (0.0051, 2), (0.1, 3)])
def test_the_strongest_regularisation_within_reach_of_the_best_is_chosen(tolerance: float, chosen: int) -> None:
    assert choose(TRIALS, tolerance)["trial"] == chosen


def test_of_equal_regularisation_the_lower_nll_is_chosen() -> None:
    assert choose([*TRIALS, row(5, 0.3, 2.971)], 0.0051)["trial"] == 5


def test_no_finite_trial_is_an_error() -> None:
    with pytest.raises(InputError, match="no trial reached a finite validation_nll"):
        choose([row(0, 0.0, math.inf)], 0.1)
