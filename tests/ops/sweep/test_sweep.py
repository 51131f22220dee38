"""Real sweeps by Ray Tune with a real MLflow store: reproducible, resumable, loud on errors."""

import math
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
    expected = [toy_sweep.loss(row, toy_sweep.EPOCHS) for row in trials.to_dict("records")]
    assert trials["loss"].to_list() == pytest.approx(expected)
    assert (trials["epochs"] == toy_sweep.EPOCHS).all()
    best = trials.loc[trials["loss"].idxmin()]
    assert finished[0].best == {key: best[key] for key in toy_sweep.DEFAULTS}
    assert finished[0].best_metrics["loss"] == best["loss"]


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
            {epoch: toy_sweep.loss(row, epoch + 1) for epoch in range(toy_sweep.EPOCHS)}
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
    assert len({key(), key(seed=2), key(data="b"), key(n_trials=5), key(searcher="random")}) == 5


def test_a_line_cut_short_by_a_kill_is_dropped_for_good(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, 3)
    for epoch in range(3):
        folder.append({"epoch": epoch, "validation_nll": float("nan") if epoch == 1 else 0.5})
    log = folder.path / "epochs.jsonl"
    log.write_text(log.read_text()[:-4])
    assert [line["epoch"] for line in TrialFolder(tmp_path, 3).epochs()] == [0, 1]
    folder.append({"epoch": 2, "validation_nll": 0.25})
    assert folder.epochs()[-1] == {"epoch": 2, "validation_nll": 0.25}


def test_the_rule_of_a_sweep_chooses_among_its_finite_trials_alone() -> None:
    rows = [{"trial": number, "loss": loss} for number, loss in enumerate([math.nan, 2.0, 1.0, -math.inf])]
    assert choose(rows, toy_sweep.description()) == {"trial": 2, "loss": 1.0}
    last = replace(toy_sweep.description(), choose=lambda finite: finite[-1])
    assert choose([*rows, {"trial": 4, "loss": 3.0}], last)["trial"] == 4
    with pytest.raises(InputError, match="no trial reached a finite loss"):
        choose(rows[:1], last)
