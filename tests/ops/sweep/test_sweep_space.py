"""The sweep's configuration and the trials that are always among it."""

from dataclasses import asdict
from typing import Any

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.params.strict import load_section
from contactlens.ops.sweep.space import Dimension, SweepConfig, fixed_trials

SWEEP: dict[str, Any] = {
    "n_trials": 6,
    "max_concurrent": 2,
    "cpus_per_trial": 1,
    "gpus_per_trial": 0.5,
    "max_epochs": 20,
    "nll_tolerance": 0.0,
    "searcher": "optuna",
    "scheduler": "none",
    "lambda_contact_grid": [0, 0.1, 1],
    "radius_starts": [50, 100, 200],
    "space": {"learning_rate": {"loguniform": [1e-4, 1e-2]}, "width": {"choice": [8, 16]}},
}
DEFAULTS = {"lambda_contact": 0.1, "radius_init": 100.0, "learning_rate": 0.001, "width": 8}


def sweep(**changes: Any) -> SweepConfig:
    return load_section({**SWEEP, **changes}, SweepConfig)


def test_fixed_trials_hold_every_weight_at_the_default_radius_and_every_start_at_no_weight() -> None:
    trials = fixed_trials(sweep(), DEFAULTS)
    pairs = [(trial["lambda_contact"], trial["radius_init"]) for trial in trials]
    assert pairs == [(0.0, 100.0), (0.1, 100.0), (1.0, 100.0), (0.0, 50.0), (0.0, 200.0)]
    assert all(trial["learning_rate"] == 0.001 and trial["width"] == 8 for trial in trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambda_contact_grid": [0.1]}, "sweep.lambda_contact_grid must hold 0"),
        ({"lambda_contact_grid": [0, -1]}, "sweep.lambda_contact_grid must hold 0 and nothing negative"),
        ({"radius_starts": [50]}, "sweep.radius_starts must hold at least two"),
        ({"max_concurrent": 0}, "sweep.max_concurrent must be at least 1"),
        ({"searcher": "bayes"}, "searcher: should be 'optuna' or 'random'"),
        ({"space": {}}, "sweep.space is empty"),
        ({"space": {"width": {"choice": [8], "uniform": [0, 1]}}}, "give exactly one of"),
        ({"space": {"width": {"choise": [8]}}}, "space.width.choise: unknown key; did you mean choice?"),
        ({"space": {"width": {"choice": [8, 8]}}}, "choice needs distinct values"),
        ({"space": {"learning_rate": {"loguniform": [0, 1]}}}, "loguniform needs ends above 0"),
        ({"space": {"learning_rate": {"uniform": [2, 1]}}}, "needs a lower end below its upper end"),
        ({"space": {"width": {"randint": [1, 2.5]}}}, "should be a valid integer"),
    ],
)
def test_each_wrong_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        sweep(**changes)
    assert message in str(raised.value)


def test_a_dimension_knows_what_a_search_could_give() -> None:
    assert Dimension(choice=(8, "x")).contains("x")
    assert not Dimension(choice=(8, 16)).contains(12)
    assert Dimension(randint=(1, 3)).contains(3)
    assert not Dimension(loguniform=(1e-3, 1.0)).contains(0.0)


def test_configuration_survives_a_round_trip_through_json_types() -> None:
    config = sweep()
    assert load_section(asdict(config) | {"space": SWEEP["space"]}, SweepConfig) == config
