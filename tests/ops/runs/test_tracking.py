"""MLflow with a real SQLite store: stages, parents, failures, params and epochs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.runs.tracking import (
    artifact_location,
    ensure_experiment,
    flat_params,
    mlflow_client,
    project_root,
    stage_run,
    tracking_uri,
)
from contactlens.tracks.data.dataset import SplitConfig


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One store for the module: making a database takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        yield folder


def test_default_store_is_one_absolute_file_at_the_project_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "dvc.yaml").write_text("")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert project_root() == tmp_path.resolve()
    assert tracking_uri() == f"sqlite:///{tmp_path.resolve()}/mlflow.db"
    assert artifact_location(tracking_uri()) == (tmp_path.resolve() / "mlartifacts").as_uri()
    assert artifact_location("http://127.0.0.1:5000") is None


def test_outside_a_project_the_error_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dvc.yaml"):
        project_root(tmp_path)


def test_params_are_flattened_to_dotted_keys() -> None:
    split = SplitConfig(train=0.5, validation=0.2, calibration=0.1, test=0.2)
    flat = flat_params({"seed": 1, "split": split, "space": {"width": [8, 16]}})
    assert flat["seed"] == "1"
    assert flat["split.train"] == "0.5"
    assert flat["space.width"] == "[8, 16]"


def test_a_stage_is_a_finished_run_with_its_params_tags_epochs_and_artifacts(store: Path) -> None:
    params = {f"p{i}": i for i in range(250)} | {"long": "x" * 10_000}
    with stage_run("train", params, {"seed": "7"}) as run, run.epoch_logger("seed_1/") as log:
        for epoch in range(600):
            log({"epoch": epoch, "validation_nll": 1 / (epoch + 1), "gate_midpoint": 100.0})
        run.client.log_text(run.run_id, "hello", "note.txt")
    client = mlflow_client()
    done = client.get_run(run.run_id)
    assert done.info.status == "FINISHED"
    assert done.info.run_name == "train"
    assert done.data.tags["seed"] == "7"
    assert len(done.data.params) == 251
    assert len(done.data.params["long"]) == 6000
    history = client.get_metric_history(run.run_id, "seed_1/validation_nll")
    assert {m.step: m.value for m in history} == {epoch: 1 / (epoch + 1) for epoch in range(600)}
    assert list((store / "mlartifacts").rglob("note.txt"))


def test_a_stage_that_raises_is_a_failed_run(store: Path) -> None:
    with pytest.raises(ZeroDivisionError), stage_run("train", {}, {}) as run:
        _ = 1 / 0
    assert mlflow_client().get_run(run.run_id).info.status == "FAILED"


def test_each_stage_under_mlflow_run_is_a_child_of_its_run(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = mlflow_client()
    parent = client.create_run(ensure_experiment()).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    runs = []
    for lr in (1, 2):  # the same param twice with other values would clash in one run
        with stage_run("train", {"learning_rate": lr}, {}) as run:
            runs.append(client.get_run(run.run_id))
    assert len({run.info.run_id for run in runs} | {parent}) == 3
    assert [run.data.tags["mlflow.parentRunId"] for run in runs] == [parent, parent]


def test_a_deleted_experiment_comes_back(store: Path) -> None:
    client: Any = mlflow_client()
    number = ensure_experiment("again")
    client.delete_experiment(number)
    assert ensure_experiment("again") == number
