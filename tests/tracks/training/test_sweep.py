"""The tracks sweep: its configuration, the trials that are always among it, and the trial that it chooses."""

import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from test_fit import FIT, GATE, LOSS, MODEL

from contactlens.base.errors import InputError
from contactlens.ops.params.strict import load_section
from contactlens.ops.sweep.run import choose as finite_choice
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.training.sweep import SweepConfig, contact_sweep
from contactlens.tracks.training.training import TrainingConfig
from contactlens.training.search import Dimension

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


def sweep(**changes: Any) -> SweepConfig:
    return load_section({"sweep": {**SWEEP, **changes}}, SweepConfig, "sweep")


def test_fixed_trials_hold_every_weight_at_the_default_radius_and_every_start_at_no_weight() -> None:
    gate = replace(GATE, radius_init=100.0, radius_bounds=(20.0, 800.0))
    training = TrainingConfig("ep_to_ms2", replace(MODEL, width=8), gate, LOSS, FIT, Reporter(60.0, 60.0, 1.0))
    trials = contact_sweep(sweep(), training).fixed
    pairs = [(trial["lambda_contact"], trial["radius_init"]) for trial in trials]
    assert pairs == [(0.0, 100.0), (0.1, 100.0), (1.0, 100.0), (0.0, 50.0), (0.0, 200.0)]
    assert all(trial["learning_rate"] == FIT.learning_rate and trial["width"] == 8 for trial in trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambda_contact_grid": [0.1]}, "sweep.lambda_contact_grid must hold 0"),
        ({"lambda_contact_grid": [0, -1]}, "sweep.lambda_contact_grid"),
        ({"radius_starts": [50]}, "sweep.radius_starts must hold at least 2"),
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


def row(trial: int, weight: float, nll: float) -> dict[str, float]:
    return {"trial": trial, "lambda_contact": weight, "validation_nll": nll}


TRIALS = [
    row(0, 0.0, 2.970),
    row(1, 0.1, 2.974),
    row(2, 0.3, 2.975),
    row(3, 1.0, 2.984),
    row(4, 3.0, math.nan),
]


def choose(rows: list[dict[str, float]], tolerance: float) -> dict[str, float]:
    training = TrainingConfig("ep_to_ms2", MODEL, GATE, LOSS, FIT, Reporter(60.0, 60.0, 1.0))
    return finite_choice(rows, contact_sweep(sweep(nll_tolerance=tolerance), training))


@pytest.mark.parametrize(("tolerance", "chosen"), [(0.0, 0), (0.004, 1), (0.0051, 2), (0.1, 3)])
def test_the_strongest_regularisation_within_reach_of_the_best_is_chosen(tolerance: float, chosen: int) -> None:
    assert choose(TRIALS, tolerance)["trial"] == chosen


def test_of_equal_regularisation_the_lower_nll_is_chosen() -> None:
    assert choose([*TRIALS, row(5, 0.3, 2.971)], 0.0051)["trial"] == 5


def test_no_finite_trial_is_an_error() -> None:
    with pytest.raises(InputError, match="no trial reached a finite validation_nll"):
        choose([row(0, 0.0, math.inf)], 0.1)
