"""The tracks sweep: its configuration, the trials that are always among it, and the trial that it chooses."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_fit import FIT, GATE, LOSS, MODEL

from contactlens.base.errors import InputError
from contactlens.ops.params.strict import load_section
from contactlens.ops.sweep.run import choose
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import Driver, TrackSet
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.training.config import TrainingConfig
from contactlens.tracks.training.sweep import SweepConfig, contact_sweep, with_values
from contactlens.tracks.training.trial import TrialData, train_trial
from contactlens.training.search import Dimension

SWEEP: dict[str, Any] = {
    "n_trials": 6,
    "max_concurrent": 2,
    "cpus_per_trial": 1,
    "gpus_per_trial": 0.5,
    "max_epochs": 20,
    "fixed_epochs": 10,
    "min_epochs": 5,
    "reduction_factor": 3,
    "searcher": "optuna",
    "scheduler": "halving",
    "lambda_contact_grid": [0, 0.1, 1],
    "lambda_contact_seeds": 2,
    "radius_starts": [50, 100, 200],
    "space": {"learning_rate": {"loguniform": [1e-4, 1e-2]}, "width": {"choice": [8, 16]}},
}


def sweep(**changes: Any) -> SweepConfig:
    return load_section({"sweep": {**SWEEP, **changes}}, SweepConfig, "sweep")


TRAINING = TrainingConfig(
    "ep_to_ms2",
    replace(MODEL, width=8),
    replace(GATE, radius_init=100.0, radius_bounds=(20.0, 800.0)),
    LOSS,
    FIT,
    Reporter(60.0, 60.0, 1.0),
)


def test_fixed_trials_hold_every_weight_from_every_seed_and_every_start_at_no_weight() -> None:
    trials = contact_sweep(sweep(), TRAINING).fixed
    tried = [(trial["lambda_contact"], trial["radius_init"], trial["seed_offset"]) for trial in trials]
    curve = [(weight, 100.0, offset) for weight in (0.0, 0.1, 1.0) for offset in (0, 1)]
    assert tried == [*curve, (0.0, 50.0, 0), (0.0, 200.0, 0)]
    assert all(trial["learning_rate"] == FIT.learning_rate and trial["width"] == 8 for trial in trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambda_contact_grid": [0.1]}, "sweep.lambda_contact_grid must hold 0"),
        ({"lambda_contact_grid": [0, -1]}, "sweep.lambda_contact_grid"),
        ({"radius_starts": [50]}, "sweep.radius_starts must hold at least 2"),
        ({"lambda_contact_seeds": 0}, "sweep.lambda_contact_seeds must be at least 1"),
        ({"nll_tolerance": 0.0}, "sweep.nll_tolerance: unknown key"),
        ({"fixed_epochs": 21}, "sweep.fixed_epochs must be at most max_epochs, 20, got 21"),
        ({"reduction_factor": 1}, "sweep.reduction_factor must be at least 2"),
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


def row(trial: int, weight: float, nll: float, **values: float) -> dict[str, Any]:
    same = {**contact_sweep(sweep(), TRAINING).defaults, "trial": trial, "budget": 20}
    return {**same, "lambda_contact": weight, "validation_nll": nll, **values}


def chosen(*rows: dict[str, Any]) -> list[int]:
    return [one["trial"] for one in choose(list(rows), contact_sweep(sweep(), TRAINING))]


def test_the_lowest_mean_nll_over_seeds_is_chosen_whatever_the_regularisation() -> None:
    weak = [row(0, 0.0, 2.970), row(1, 0.0, 2.974, seed_offset=1)]
    strong = [row(2, 0.3, 2.969), row(3, 0.3, 2.976, seed_offset=1)]
    assert chosen(*weak, *strong, row(4, 3.0, math.nan)) == [0, 1]
    assert chosen(*weak, *strong, row(4, 1.0, 2.971)) == [4]


def test_no_finite_trial_is_an_error() -> None:
    with pytest.raises(InputError, match="no trial reached a finite validation_nll"):
        chosen(row(0, 0.0, math.inf))


def test_a_trial_trains_from_the_seed_at_its_offset_until_the_epoch_asked_for(
    contact_batch: TrackBatch, tmp_path: Path
) -> None:
    train, validation = contact_batch.select(list(range(32))), contact_batch.select(list(range(32, 48)))
    tracks = TrackSet(pd.DataFrame(), 30.0, Driver("vector", "E-P", "nm"), "a.u.", "made here")
    data = TrialData(TRAINING.with_fit(max_epochs=5), tracks, train, validation, 7)
    seeds = []
    for offset in (0, 0, 1):
        told: list[dict[str, float]] = []
        values = {"lambda_contact": 0.1, "seed_offset": offset}
        final = train_trial(values, data, told.append, tmp_path / str(len(seeds)), 2)
        assert [log["epoch"] for log in told] == [0, 1] and final["epochs"] == 2
        seeds.append(final)
    assert seeds[0] == seeds[1] != seeds[2]
    assert with_values(TRAINING, values) == with_values(TRAINING, {"lambda_contact": 0.1})
