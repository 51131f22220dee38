"""Real sweeps by Ray Tune with a real MLflow store: reproducible, resumable, loud on errors."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_sweep
from sweep_runs import children, parents

from contactlens.base.errors import InputError
from contactlens.ops.runs.tracking import mlflow_client
from contactlens.ops.sweep.run import SweepResult, choose, run_sweep, sweep_key
from contactlens.ops.sweep.trial import SweepError, TrialFolder

N_FIXED, N_TRIALS = 4, 8
RUNGS = ((3, 4), (6, 2), (toy_sweep.EPOCHS, 1))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from ray import cloudpickle  # after contactlens.ops, which sets Ray's environment

    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.delenv("RAY_ADDRESS", raising=False)
        cloudpickle.register_pickle_by_value(toy_sweep)  # Ray's workers can't import a test's module
        yield folder
        cloudpickle.unregister_pickle_by_value(toy_sweep)


@pytest.fixture(scope="module")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SweepResult, Path]:
    folder = tmp_path_factory.mktemp("finished")
    return toy_sweep.sweep(folder), folder


@pytest.mark.slow
def test_every_trial_is_a_row_with_the_known_result(finished: tuple[SweepResult, Path]) -> None:
    trials = finished[0].trials
    assert trials["trial"].to_list() == list(range(N_TRIALS))
    assert trials["kind"].to_list() == ["fixed"] * N_FIXED + ["search"] * (N_TRIALS - N_FIXED)
    pairs = zip(trials["penalty"], trials["start"], strict=True)
    assert list(pairs)[:N_FIXED] == [(0.0, 100.0), (0.5, 100.0), (0.0, 50.0), (0.0, 200.0)]
    expected = [toy_sweep.loss(row, row["epochs"]) for row in trials.to_dict("records")]
    assert trials["loss"].to_list() == pytest.approx(expected)
    longest = trials[trials["epochs"] == toy_sweep.EPOCHS]
    best = longest.loc[longest["loss"].idxmin()]
    assert finished[0].best == {key: best[key] for key in ("learning_rate", "width")}
    assert finished[0].best_metrics["loss"] == best["loss"]


@pytest.mark.slow
def test_the_best_of_each_rung_go_on_from_their_checkpoints_and_no_epoch_is_trained_twice(
    finished: tuple[SweepResult, Path],
) -> None:
    rows = finished[0].trials.to_dict("records")
    assert [row["epochs"] for row in rows[:N_FIXED]] == [toy_sweep.EPOCHS] * N_FIXED
    going_on, given = rows[N_FIXED:], {}
    for epochs, n in RUNGS:
        going_on = sorted(going_on, key=lambda row: toy_sweep.loss(row, given.get(row["trial"], 0)))[:n]
        given |= {row["trial"]: epochs for row in going_on}
    assert {row["trial"]: row["budget"] for row in rows[N_FIXED:]} == given
    assert [row["epochs"] for row in rows] == [row["budget"] for row in rows]
    trained = Counter((epoch.values, epoch.number) for epoch in toy_sweep.epochs(finished[1]))
    assert set(trained.values()) == {1}
    assert len(trained) == sum(row["epochs"] for row in rows)


@pytest.mark.slow
def test_a_finished_sweep_leaves_no_state_so_that_running_again_trains_again(
    finished: tuple[SweepResult, Path],
) -> None:
    assert list((finished[1] / "states").iterdir()) == []


@pytest.mark.slow
def test_mlflow_has_a_parent_and_a_finished_child_per_trial_with_its_epochs(
    finished: tuple[SweepResult, Path],
) -> None:
    [parent] = parents()
    assert parent.info.status == "FINISHED"
    runs = children(parent.info.run_id)
    assert sorted(runs, key=int) == [str(number) for number in range(N_TRIALS)]
    for number, row in enumerate(finished[0].trials.to_dict("records")):
        run = runs[str(number)]
        assert run.info.status == "FINISHED"
        assert run.data.params == {key: str(row[key]) for key in toy_sweep.DEFAULTS}
        assert run.data.metrics["final_loss"] == pytest.approx(row["loss"])
        history = mlflow_client().get_metric_history(run.info.run_id, "loss")
        assert {m.step: m.value for m in history} == pytest.approx(
            {epoch: toy_sweep.loss(row, epoch + 1) for epoch in range(row["epochs"])}
        )


@pytest.mark.slow
def test_a_trial_that_keeps_failing_ends_the_sweep_with_its_number_and_reason(
    finished: tuple[SweepResult, Path], store: Path, tmp_path: Path
) -> None:
    before = {run.info.run_id for run in parents()}
    with pytest.raises(SweepError, match=r"trial 3 failed 3 times .*no gradient at start 200"):
        toy_sweep.sweep(tmp_path, broken_start=200.0)
    [parent] = [run for run in parents() if run.info.run_id not in before]
    assert parent.info.status == "FAILED"
    assert children(parent.info.run_id)["3"].info.status == "FAILED"
    repaired = toy_sweep.sweep(tmp_path)
    assert repaired.trials.to_csv(index=False) == finished[0].trials.to_csv(index=False)


@pytest.mark.slow
def test_asha_stops_poor_search_trials_and_never_a_fixed_one(store: Path, tmp_path: Path) -> None:
    data = {"target": 3.0, "pause": 0.0, "log": str(tmp_path / "log")}
    described = toy_sweep.description(scheduler="asha", n_trials=12)
    trials = run_sweep(toy_sweep.train, data, described, 7, tmp_path, ["data"]).trials
    epochs = trials.groupby("kind")["epochs"].agg(["min", "max"])
    assert epochs.loc["fixed"].to_list() == [toy_sweep.EPOCHS, toy_sweep.EPOCHS]
    assert epochs.loc["search"].to_list() == [toy_sweep.EPOCHS // 4, toy_sweep.EPOCHS]
    expected = [toy_sweep.loss(row, row["epochs"]) for row in trials.to_dict("records")]
    assert trials["loss"].to_list() == pytest.approx(expected)


def test_state_is_named_by_all_that_decides_the_result() -> None:
    def key(seed: int = 1, data: str = "a", **changes: Any) -> str:
        return sweep_key(toy_sweep.description(**changes), seed, [data])

    assert key() == key()
    assert len({key(), key(seed=2), key(data="b"), key(n_trials=5), key(searcher="random"), key(min_epochs=2)}) == 6


def test_a_line_cut_short_by_a_kill_is_dropped_for_good(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, 3)
    for epoch in range(3):
        folder.append({"epoch": epoch, "validation_nll": float("nan") if epoch == 1 else 0.5})
    log = folder.path / "epochs.jsonl"
    log.write_text(log.read_text()[:-4])
    assert [line["epoch"] for line in TrialFolder(tmp_path, 3).epochs()] == [0, 1]
    folder.append({"epoch": 2, "validation_nll": 0.25})
    assert folder.epochs()[-1] == {"epoch": 2, "validation_nll": 0.25}


def row(trial: int, budget: int, loss: float, **values: Any) -> dict[str, Any]:
    return {"trial": trial, **toy_sweep.DEFAULTS, "budget": budget, "loss": loss, **values}


def chosen(*rows: dict[str, Any]) -> list[int]:
    return [one["trial"] for one in choose(list(rows), replace(toy_sweep.description(), repeat="start"))]


def test_the_lowest_mean_over_repeats_is_chosen_of_what_was_given_the_most_epochs() -> None:
    pair = [row(0, 12, 1.0, start=1.0), row(1, 12, 3.0, start=2.0)]
    assert chosen(*pair, row(2, 12, 2.1, width=4)) == [0, 1]
    assert chosen(*pair, row(2, 12, 1.9, width=4)) == [2]
    assert chosen(*pair, row(2, 6, 0.5, width=4)) == [0, 1]


def test_values_other_than_the_defaults_must_gain_more_than_the_margin() -> None:
    def kept(*rows: dict[str, Any]) -> int:
        return choose(list(rows), replace(toy_sweep.description(), margin=0.5))[0]["trial"]

    defaults, better = row(0, 12, 2.0), row(1, 12, 1.6, width=4)
    assert kept(defaults, better) == 0
    assert kept(defaults, row(1, 12, 1.4, width=4)) == kept(better, defaults | {"budget": 6}) == 1
    assert kept(row(0, 12, math.nan), better) == 1
    assert choose([row(0, 12, 2.0, width=4), row(1, 12, 2.0)], toy_sweep.description())[0]["trial"] == 1  # a tie


def test_a_configuration_that_diverged_once_is_not_chosen() -> None:
    pair = [row(0, 12, 1.0, start=1.0), row(1, 12, math.nan, start=2.0)]
    assert chosen(*pair, row(2, 12, 2.0, width=4), row(3, 12, -math.inf, width=16)) == [2]
    assert chosen(*pair, row(2, 6, 2.0, width=4)) == [2]
    with pytest.raises(InputError, match="no trial reached a finite loss"):
        chosen(*pair)
