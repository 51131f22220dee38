"""The search without Ray: what it asks depends on seed and results, not on the order in which trials end."""

import itertools
from typing import Any

import numpy as np
import pytest

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
        "max_epochs": 5,
        "searcher": "optuna",
        "scheduler": "none",
        "space": {
            "penalty": Dimension(uniform=(0.0, 1.0)),
            "learning_rate": Dimension(loguniform=(1e-4, 1.0)),
        },
    }
    config = SearchConfig(**{**settings, **changes})
    return Sweep(config, DEFAULTS, fixed_trials(DEFAULTS, FIXED), "loss", ("loss",), lambda rows: rows[0])


def objective(values: dict[str, Any]) -> float:
    return (np.log10(values["learning_rate"]) + 2.5) ** 2 + values["penalty"]


def run(search: BatchSearch, order_seed: int, workers: int = 3) -> list[dict[str, Any]]:
    """Run all trials on a few workers; which running trial ends next is random."""
    rng, names = np.random.default_rng(order_seed), (f"id{i}" for i in itertools.count())
    running: dict[str, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    while len(done) < search.total:
        while len(running) < workers and (asked := search.suggest(name := next(names))) is not None:
            running[name] = asked
        name = str(rng.choice(sorted(running)))
        trial = running.pop(name)
        done[trial["trial"]] = trial["values"]
        search.on_trial_complete(name, {"loss": objective(trial["values"])})
    return [done[number] for number in sorted(done)]


def test_trials_do_not_depend_on_the_order_of_ending_nor_on_the_number_of_workers() -> None:
    first = run(BatchSearch(sweep(), 1), order_seed=0)
    assert first == run(BatchSearch(sweep(), 1), order_seed=1)
    assert first == run(BatchSearch(sweep(), 1), order_seed=2, workers=1)
    assert first != run(BatchSearch(sweep(), 2), order_seed=0)


def test_fixed_trials_come_first_and_search_trials_lie_in_the_space() -> None:
    trials = run(BatchSearch(sweep(searcher="random"), 1), order_seed=0)
    assert [t["start"] for t in trials] == [100.0, 100.0, 50.0] + [100.0] * 18
    assert all(1e-4 <= t["learning_rate"] <= 1 and 0 <= t["penalty"] <= 1 for t in trials[3:])
    assert len({t["learning_rate"] for t in trials[3:]}) == 18


def late_objective(searcher: str, seed: int) -> float:
    trials = run(BatchSearch(sweep(searcher=searcher, n_trials=30), seed), order_seed=0)
    return float(np.mean([objective(values) for values in trials[-10:]]))


def test_the_sampler_learns() -> None:
    """Over 20 seeds its last ten trials are clearly better than random ones."""
    learned = np.mean([late_objective("optuna", seed) for seed in range(20)])
    assert learned < 0.75 * np.mean([late_objective("random", seed) for seed in range(20)])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_diverged_trial_teaches_nothing_and_stops_nothing(bad: float | None) -> None:
    search = BatchSearch(sweep(n_trials=6), 1)
    asked: list[dict[str, Any]] = []
    for i in range(search.total):
        trial = search.suggest(f"id{i}")
        assert trial is not None
        asked.append(trial["values"])
        search.on_trial_complete(f"id{i}", {"loss": bad} if bad is not None else None, error=bad is None)
    assert len(asked) == search.total == 9
    assert search.suggest("more") is None
