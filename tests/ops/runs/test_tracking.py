"""MLflow with a real SQLite store: stages, parents, failures, params and epochs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.runs.provenance import dvc_hash
from contactlens.ops.runs.tracking import (
    artifact_location,
    ensure_experiment,
    flat_params,
    mlflow_client,
    project_root,
    stage_run,
    tracking_uri,
)
from contactlens.tracks.data.config import SplitConfig


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


def test_a_run_holds_the_data_it_read_as_datasets_with_their_dvc_hash(store: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "frames.csv").write_text("x\n1\n")
    digest = dvc_hash(tmp_path / "data")
    tags = {"dvc/data/tracks": digest, "dvc/models/tracks/model.safetensors": "0" * 32}
    for stage, context in (("train", "training"), ("evaluate", "evaluation")):
        with stage_run(stage, {}, tags) as run:
            pass
        (read,) = mlflow_client().get_run(run.run_id).inputs.dataset_inputs
        assert (read.dataset.name, read.dataset.digest) == ("data/tracks", digest)
        assert json.loads(read.dataset.source) == {"path": "data/tracks", "md5": digest}
        assert [(tag.key, tag.value) for tag in read.tags] == [("mlflow.data.context", context)]
    with stage_run("train", {}, {}) as run:
        pass
    assert mlflow_client().get_run(run.run_id).inputs.dataset_inputs == []


def test_stages_of_one_pipeline_share_a_group_and_other_params_have_another(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def group(stage: str, params: str | None, tags: dict[str, str]) -> str | None:
        file = tmp_path / "params.yaml"
        file.unlink(missing_ok=True)
        if params is not None:
            file.write_text(params)
        with stage_run(stage, {}, tags) as run:
            pass
        return mlflow_client().get_run(run.run_id).data.tags.get("pipeline_run")

    same = {"git_commit": "a", "seed": "1"}
    first = group("train", "seed: 1", same)
    assert first is not None and first == group("evaluate", "seed: 1", same)
    others = [group("train", "seed: 2", same), group("train", "seed: 1", {**same, "git_commit": "b"})]
    assert len({first, *others}) == 3
    assert group("train", None, same) is None


def test_an_experiment_says_what_to_look_at_and_keeps_what_someone_wrote(store: Path) -> None:
    client = mlflow_client()
    for name, metric in (("tracks", "final_validation_nll"), ("dna", "network/auroc_minus_")):
        note = client.get_experiment(ensure_experiment(name)).tags["mlflow.note.content"]
        assert "pipeline_run" in note and metric in note
    client.set_experiment_tag(ensure_experiment("dna"), "mlflow.note.content", "ours")
    assert client.get_experiment(ensure_experiment("dna")).tags["mlflow.note.content"] == "ours"
    assert "mlflow.note.content" not in client.get_experiment(ensure_experiment("other")).tags


def test_the_load_of_the_machine_is_logged_on_demand_alone(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def logged() -> list[str]:
        with stage_run("train", {}, {}) as run:
            time.sleep(0.8)
        return [key for key in mlflow_client().get_run(run.run_id).data.metrics if key.startswith("system/")]

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")
    assert logged() == []
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    assert "system/cpu_utilization_percentage" in logged()
