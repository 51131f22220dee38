"""The search without Ray: what it asks depends on seed and results, not on the order in which trials end."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from contactlens.base.errors import InputError
from contactlens.ops.sweep.search import BatchSearch
from contactlens.training.search import Dimension, SearchConfig, Sweep, fixed_trials

DEFAULTS = {"penalty": 0.0, "start": 100.0, "learning_rate": 0.01}
FIXED = ({"penalty": 0.0}, {"penalty": 0.5}, {"start": 50.0})


def sweep(**changes: Any) -> Sweep:
    settings: dict[str, Any] = {
        "n_trials": 18,
        "max_concurrent": 3,
        "cpus_per_trial": 1,
        "gpus_per_trial": 0.0,
        "max_epochs": 8,
        "fixed_epochs": 8,
        "min_epochs": 2,
        "reduction_factor": 2,
        "searcher": "optuna",
        "scheduler": "none",
        "space": {
            "penalty": Dimension(uniform=(0.0, 1.0)),
            "learning_rate": Dimension(loguniform=(1e-4, 1.0)),
        },
    }
    config = SearchConfig(**{**settings, **changes})
    return Sweep(config, DEFAULTS, fixed_trials(DEFAULTS, FIXED), "loss", ("loss",))


def objective(values: dict[str, Any], epochs: int = 8) -> float:
    return float((np.log10(values["learning_rate"]) + 2.5) ** 2 + values["penalty"] + 1 / epochs)


def end(search: BatchSearch, name: str, asked: dict[str, Any]) -> None:
    """What Ray tells of a training: its epochs, the last of them twice."""
    for epochs in range(1, asked["epochs"] + 1):
        result = {"loss": objective(asked["values"], epochs), "epochs": epochs}
        search.on_trial_result(name, result)
    search.on_trial_complete(name, result)


def run(search: BatchSearch, order_seed: int, workers: int = 3) -> list[dict[str, Any]]:
    """Run all trials on a few workers; which running trial ends next is random."""
    rng, names = np.random.default_rng(order_seed), (f"id{i}" for i in itertools.count())
    running: dict[str, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    ended = 0
    while ended < search.sweep.trainings:
        while len(running) < workers and (asked := search.suggest(name := next(names))) is not None:
            running[name] = asked
        name = str(rng.choice(sorted(running)))
        trial = running.pop(name)
        done[trial["trial"]] = trial
        ended += 1
        end(search, name, trial)
    assert search.suggest(next(names)) is None
    return [done[number] for number in sorted(done)]


@pytest.mark.parametrize("scheduler", ["none", "halving"])
def test_trials_do_not_depend_on_the_order_of_ending_nor_on_the_number_of_workers(scheduler: str) -> None:
    first = run(BatchSearch(sweep(scheduler=scheduler), 1), order_seed=0)
    assert first == run(BatchSearch(sweep(scheduler=scheduler), 1), order_seed=1)
    assert first == run(BatchSearch(sweep(scheduler=scheduler), 1), order_seed=2, workers=1)
    assert first != run(BatchSearch(sweep(scheduler=scheduler), 2), order_seed=0)


def test_a_rung_holds_the_best_of_all_trials_of_the_one_below() -> None:
    trials = run(BatchSearch(sweep(scheduler="halving", fixed_epochs=5), 1), order_seed=0)
    assert [trial["epochs"] for trial in trials[:3]] == [5, 5, 5]
    best = sorted(trials[3:], key=lambda trial: objective(trial["values"]))
    assert [trial["epochs"] for trial in best] == [8] * 4 + [4] * 5 + [2] * 9


def test_a_search_of_fewer_trials_than_the_reduction_ends_with_one_of_them() -> None:
    trials = run(BatchSearch(sweep(scheduler="halving", n_trials=2, reduction_factor=4), 1), order_seed=0)
    assert sorted(trial["epochs"] for trial in trials[3:]) == [2, 8]
    assert len(run(BatchSearch(sweep(scheduler="halving", n_trials=0), 1), order_seed=0)) == 3


def test_no_trial_trains_longer_than_the_longest() -> None:
    with pytest.raises(InputError, match="fixed_epochs must be at most max_epochs, 8, got 9"):
        sweep(fixed_epochs=9)
    with pytest.raises(InputError, match="min_epochs must be at most max_epochs, 8, got 9"):
        sweep(min_epochs=9)


def told(described: Sweep) -> list[tuple[dict[str, Any], float]]:
    """What Optuna knows before its first own trial."""
    search = BatchSearch(described, 1)
    for name in map(str, range(len(described.fixed))):
        asked = search.suggest(name)
        assert asked is not None
        end(search, name, asked)
    search.suggest("first")
    study = search._optuna
    return [(one.params, one.value) for one in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))]


def test_the_search_knows_the_fixed_trials_of_its_own_space_after_as_many_epochs() -> None:
    described = sweep(scheduler="halving")
    inside = [{"penalty": 0.0, "learning_rate": 0.01}, {"penalty": 0.5, "learning_rate": 0.01}]
    assert told(described) == [(values, objective(values, epochs=2)) for values in inside]  # start 50 is not searched
    assert told(sweep(scheduler="none")) == [(values, objective(values)) for values in inside]
    assert told(sweep(scheduler="halving", fixed_epochs=1)) == []


def test_repeats_of_a_configuration_are_told_as_their_mean() -> None:
    repeats = [{**DEFAULTS, "penalty": 0.5, "start": start} for start in (1.0, 2.0, 3.0)]
    described = replace(sweep(), fixed=repeats, repeat="start")
    [(params, loss)] = told(described)
    assert params["penalty"] == 0.5 and loss == pytest.approx(objective(repeats[0]))


@pytest.mark.parametrize(("fixed_epochs", "tried"), [(8, 0), (4, 1)])
def test_the_search_starts_from_the_defaults_unless_a_fixed_trial_trained_them_to_the_end(
    fixed_epochs: int, tried: int
) -> None:
    trials = run(BatchSearch(sweep(scheduler="halving", fixed_epochs=fixed_epochs), 1), order_seed=0)
    assert [trial["values"] for trial in trials[3:]].count(DEFAULTS) == tried
    assert (trials[3]["values"] == DEFAULTS) == bool(tried)


def test_fixed_trials_come_first_and_search_trials_lie_in_the_space() -> None:
    trials = [trial["values"] for trial in run(BatchSearch(sweep(searcher="random"), 1), order_seed=0)]
    assert [t["start"] for t in trials] == [100.0, 100.0, 50.0] + [100.0] * 18
    assert all(1e-4 <= t["learning_rate"] <= 1 and 0 <= t["penalty"] <= 1 for t in trials[3:])
    assert len({t["learning_rate"] for t in trials[3:]}) == 18


def late_objective(searcher: str, seed: int) -> float:
    trials = run(BatchSearch(sweep(searcher=searcher, n_trials=30), seed), order_seed=0)
    return float(np.mean([objective(trial["values"]) for trial in trials[-10:]]))


def test_the_sampler_learns() -> None:
    """Over 20 seeds its last ten trials are clearly better than random ones."""
    learned = np.mean([late_objective("optuna", seed) for seed in range(20)])
    assert learned < 0.75 * np.mean([late_objective("random", seed) for seed in range(20)])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_diverged_trial_teaches_nothing_and_stops_nothing(bad: float | None) -> None:
    search = BatchSearch(sweep(n_trials=6, scheduler="halving"), 1)
    asked: list[dict[str, Any]] = []
    for i in range(search.sweep.trainings):
        trial = search.suggest(f"id{i}")
        assert trial is not None
        asked.append(trial["values"])
        result = None if bad is None else {"loss": bad, "epochs": trial["epochs"]}
        search.on_trial_complete(f"id{i}", result, error=bad is None)
    assert len(asked) == 3 + 6 + 3 + 1
    assert search.suggest("more") is None


def test_a_diverged_trial_is_the_last_to_go_on() -> None:
    search, epochs = BatchSearch(sweep(n_trials=4, scheduler="halving", max_concurrent=1), 1), {}
    for i in range(search.sweep.trainings):
        trial = search.suggest(f"id{i}")
        assert trial is not None
        epochs[trial["trial"]] = trial["epochs"]
        loss = float("nan") if trial["trial"] == 4 else objective(trial["values"])
        search.on_trial_complete(f"id{i}", {"loss": loss, "epochs": trial["epochs"]})
    assert epochs[4] == 2 and sorted(epochs[number] for number in range(3, 7)) == [2, 2, 4, 8]
