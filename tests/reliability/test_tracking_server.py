"""MLFLOW_TRACKING_URI alone moves runs, artifacts and registry to a server, which may refuse, vanish and come back."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_dna_registry as dna
import toy_sweep
from test_sweep import children, parents

import toy_stage
from contactlens.base.errors import InputError
from contactlens.ops.environment import DEFAULTS
from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client
from stage_script import load_script
from tracking_server import PASSWORD, USER, MlflowServer, free_port, postgres, why_not

pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]
PROCESSES = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("server")
    with postgres(["runs", "accounts"]) as database, pytest.MonkeyPatch.context() as patch:
        one = MlflowServer(folder, database)
        for name in ("MLFLOW_RUN_ID", "RAY_ADDRESS"):
            patch.delenv(name, raising=False)
        for name, text in one.log_in.items():
            patch.setenv(name, text)
        try:
            one.start()
            yield one
        finally:
            one.kill()


def toy(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """The toy stage as a process; what it says is read from its pipes."""
    command = [sys.executable, toy_stage.__file__, *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, **environment}, **pipes)


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    while (said := process.stdout.readline()) != f"{line}\n":
        assert said, process.communicate()


def assert_complete(run_id: str, epochs: int) -> None:
    """Finished, every epoch of every metric there once, with its artifact on the server."""
    client = mlflow_client()
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    for name in toy_stage.METRICS:
        history = client.get_metric_history(run_id, name)
        assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == [
            (epoch, toy_stage.value(epoch, name)) for epoch in range(epochs)
        ]
    assert [file.path for file in client.list_artifacts(run_id)] == ["note.txt", "params.yaml"]


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong-password"), ("", "")])
def test_a_refused_log_in_is_one_message_that_says_what_to_set(
    server: MlflowServer, record_fault: Callable[[str, str, str], None], user: str, password: str
) -> None:
    process = toy(1, 0, MLFLOW_TRACKING_USERNAME=user, MLFLOW_TRACKING_PASSWORD=password)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "done in" not in out
    assert len(error.splitlines()) == 1
    assert server.uri in error and "refuses this log-in" in error
    assert "MLFLOW_TRACKING_USERNAME" in error and "MLFLOW_TRACKING_PASSWORD" in error and "wrong" not in error
    record_fault(
        f"{'wrong' if password else 'no'} password for the tracking server",
        "one line that names the server and the two variables to set, exit status 1, before anything is trained",
        "nothing",
    )


def test_a_server_that_is_not_there_is_one_message_within_seconds(
    record_fault: Callable[[str, str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://someone:{PASSWORD}@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    import mlflow  # noqa: F401  # which takes its time

    started = time.monotonic()
    with pytest.raises(
        InputError, match=r"http://someone:\*\*\*@127.*does not answer \(Connection refused\)"
    ) as caught:
        mlflow_client()
    waited = time.monotonic() - started
    assert waited < 15
    assert PASSWORD not in str(caught.value) and "\n" not in str(caught.value)
    record_fault(
        "tracking server not there at the start", "one line that names it, within 15 s, the password hidden", "nothing"
    )


def test_eight_processes_at_once_lose_nothing_and_leave_nothing_in_default(
    server: MlflowServer, record_fault: Callable[[str, str, str], None]
) -> None:
    process = toy(50, 0, PROCESSES)  # the experiment is not there yet: all eight want to make it
    out, error = process.communicate(timeout=180)
    assert process.returncode == 0, error
    runs = re.findall(r"run ([0-9a-f]{32})", out)  # eight write at once: a line may hold two
    assert len(runs) == PROCESSES
    for run_id in runs:
        assert_complete(run_id, 50)
    client = mlflow_client()
    stored = client.search_runs([ensure_experiment("toys")])
    assert {run.data.params["number"] for run in stored} == {str(number) for number in range(PROCESSES)}
    assert len(stored) == PROCESSES
    assert client.search_runs(["0"]) == []
    record_fault("8 processes log to one server at once", "8 finished runs, none of them in Default", "no metric")


def test_a_sweep_on_the_server_has_all_its_trials(server: MlflowServer, tmp_path: Path) -> None:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(toy_sweep)
    try:
        result = toy_sweep.sweep(tmp_path)
    finally:
        cloudpickle.unregister_pickle_by_value(toy_sweep)
    [parent] = parents()
    runs = children(parent.info.run_id)
    assert parent.info.status == "FINISHED" and len(runs) == len(result.trials) == 8
    for row in result.trials.to_dict("records"):
        run = runs[str(row["trial"])]
        assert run.info.status == "FINISHED" and run.data.tags["seed"] == parent.data.tags["seed"] == "7"
        history = mlflow_client().get_metric_history(run.info.run_id, toy_sweep.METRIC)
        assert {m.step: m.value for m in history} == pytest.approx(
            {epoch: toy_sweep.loss(row, epoch + 1) for epoch in range(row["epochs"])}
        )
        assert len(history) == row["epochs"]
    assert mlflow_client().search_runs(["0"]) == []


def test_registry_and_champion_live_on_the_server(server: MlflowServer, tmp_path: Path) -> None:
    script = load_script("dna_register")
    good, poor = tmp_path / "good", tmp_path / "poor"
    for folder, seed in ((good, dna.GOOD), (poor, dna.POOR)):
        folder.mkdir()
        dna.write_outputs(folder, seed)
    first = dna.run(script, good, dna.params("served"))
    assert first.aliases == {"candidate": 1, "champion": 1}
    artifacts = server.folder / "artifacts"
    assert [path for path in artifacts.rglob("model.safetensors") if "weights" in path.parts]
    worse = dna.run(script, poor, dna.params("served"))
    assert worse.aliases == {"candidate": 2, "champion": 1}
    assert worse.files == first.files  # the champion's own, fetched back through the server


def test_a_server_killed_and_started_again_in_mid_run_loses_no_epoch(
    server: MlflowServer, record_fault: Callable[[str, str, str], None]
) -> None:
    patient, impatient = toy(80, 0.3), toy(200, 0.3, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    for process in (patient, impatient):
        wait_for_line(process, "epoch 8")
    assert patient.poll() is None
    server.kill()
    _, error = impatient.communicate(timeout=60)
    assert impatient.returncode == 1
    assert error.splitlines()[-1].startswith(f"error: {server.uri}: the MLflow server does not answer")
    assert "Traceback" not in error
    server.start()
    out, error = patient.communicate(timeout=180)
    assert patient.returncode == 0, error
    assert_complete(re.findall(r"^run (\w+)$", out, re.MULTILINE)[0], 80)
    record_fault(
        "tracking server killed (SIGKILL) in mid-run and started again",
        "the stage waits and ends complete, every epoch in the store once",
        "nothing but the time",
    )
    record_fault(
        "tracking server killed (SIGKILL) and away for longer than the retries",
        "one line that names the server, exit status 1",
        "the run's last seconds of metrics; a rerun trains on from its checkpoint",
    )


def test_the_retries_outlast_an_outage_of_four_minutes() -> None:
    from urllib3.util import Retry

    retry = Retry(total=int(DEFAULTS["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]), backoff_factor=0)
    retry.backoff_factor = float(DEFAULTS["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"])
    waits = []
    while retry.total:
        retry = retry.increment("POST", "/", error=ConnectionError())
        waits.append(retry.get_backoff_time())
    assert 240 <= sum(waits) < 300
