"""What `contactlens doctor` says of services that are dead, deaf, locked or lack what they should hold."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contactlens.ops.doctor import Check, cluster, data_store, tracking_store
from contactlens.ops.doctor.run import EXAMINATIONS, Examination, examined
from contactlens.ops.runs.tracking import ensure_experiment
from tracking_server import free_port

Record = Callable[[str, str, str], None]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def dead_port() -> int:
    """A port of this machine at which nothing listens."""
    return free_port()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts a connection and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        ensure_experiment("tracks")
    return folder / "mlflow.db"


def timed(name: str, module: str, limit_s: float = 60) -> tuple[Check, float]:
    began = time.monotonic()
    (found,) = examined(name, Examination(module, limit_s), ROOT)
    return found, time.monotonic() - began


def test_a_cluster_that_is_gone(dead_port: int, monkeypatch: pytest.MonkeyPatch, record_fault: Record) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{dead_port}")
    (found,) = cluster.examine(ROOT)
    assert found.state == "problem"
    assert f"127.0.0.1:{dead_port}: Connection refused" in found.found
    assert "unset RAY_ADDRESS" in found.remedy
    record_fault("`RAY_ADDRESS` of a dead cluster", "`contactlens doctor` says so and what to do", "nothing")


def test_something_that_is_no_cluster(deaf_port: int, monkeypatch: pytest.MonkeyPatch, record_fault: Record) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{deaf_port}")
    found, seconds = timed("cluster", "contactlens.ops.doctor.cluster", limit_s=3)
    assert found.state == "problem"
    assert seconds < 15
    record_fault(
        "`RAY_ADDRESS` of a port that accepts and stays silent",
        "`contactlens doctor` gives up at its time limit and calls it a problem",
        "nothing",
    )


def test_without_an_address_there_is_nothing_to_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert [row.state for row in cluster.examine(ROOT)] == ["ok"]


HEAD = """
import os, sys
os.environ["RAY_AUTH_MODE"] = "token"
import ray
context = ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, object_store_memory=2**27, log_to_driver=False)
print("at " + context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_living_cluster_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    head = subprocess.Popen([sys.executable, "-c", HEAD], text=True, **pipes)
    try:
        assert head.stdout is not None
        address = next(line for line in head.stdout if line.startswith("at ")).split()[1]
        monkeypatch.setenv("RAY_ADDRESS", address)
        found, _ = timed("cluster", "contactlens.ops.doctor.cluster")
    finally:
        head.communicate(timeout=60)
    assert found == Check("cluster", "ok", f"RAY_ADDRESS={address}: 1 node, 2 CPUs, 0 GPUs")


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_a_tracking_server_that_is_gone(
    scheme: str, dead_port: int, monkeypatch: pytest.MonkeyPatch, record_fault: Record
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://ada:s3cr3t@127.0.0.1:{dead_port}/mlflow")
    (found,) = tracking_store.examine(ROOT)
    assert found.state == "problem"
    assert "refused" in found.found
    shown = found.without_secrets()
    assert "s3cr3t" not in shown.found
    assert f"{scheme}://ada:***@127.0.0.1:{dead_port}" in shown.found
    record_fault(
        f"`MLFLOW_TRACKING_URI` of a dead {scheme} server",
        "`contactlens doctor` says that it cannot be reached, with the password hidden",
        "nothing",
    )


HASTY = """
from contactlens.ops.doctor.tracking_store import examine
from contactlens.ops.runs import store

store.START_RETRIES, store.START_TIMEOUT_S = 0, 0.2
"""


@pytest.mark.parametrize(
    "module", ["hasty", pytest.param("contactlens.ops.doctor.tracking_store", marks=pytest.mark.slow)]
)
def test_a_tracking_server_that_stays_silent(
    module: str, deaf_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_fault: Record
) -> None:
    (tmp_path / "hasty.py").write_text(HASTY)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT / 'src'}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf_port}")
    found, seconds = timed("tracking store", module)
    assert found.state == "problem"
    assert "timed out" in found.found.lower() or "no answer" in found.found
    assert "its process ended" not in found.found
    assert seconds < EXAMINATIONS["tracking store"].limit_s + 5
    record_fault("tracking server that accepts and stays silent", "`contactlens doctor` calls it a problem", "nothing")


def test_a_file_that_can_be_written(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = database.read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    (found,) = tracking_store.examine(ROOT)
    assert found.state == "ok"
    assert found.found.endswith("can be read and written; experiments: Default, tracks")
    assert database.read_bytes() == before


def test_a_locked_file(database: Path, monkeypatch: pytest.MonkeyPatch, record_fault: Record) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    monkeypatch.setattr(tracking_store, "PATIENCE_S", 0.1)
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        (found,) = tracking_store.examine(ROOT)
    finally:
        writer.rollback()
        writer.close()
    assert found.state == "problem"
    assert found.found.endswith("database is locked")
    assert "another process" in found.remedy
    assert tracking_store.examine(ROOT)[0].state == "ok"
    record_fault("SQLite tracking file locked by another writer", "`contactlens doctor` names the lock", "nothing")


def test_a_file_that_is_not_there_yet_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert tracking_store.examine(ROOT)[0].state == "ok"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none/mlflow.db")
    assert tracking_store.examine(ROOT)[0].state == "problem"
    assert list(tmp_path.iterdir()) == []


def test_a_database_whose_driver_is_not_installed_is_answered_with_the_one_that_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+pg8000://db/mlflow")
    (found,) = tracking_store.examine(ROOT)
    assert found.state == "problem"
    assert "postgresql+psycopg2://" in found.remedy


def test_a_store_of_an_unknown_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://host/mlruns")
    assert tracking_store.examine(ROOT)[0].state == "problem"


@pytest.mark.slow
def test_a_living_server_can_be_read_and_written(
    database: Path, dead_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://127.0.0.1:{dead_port}"
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(dead_port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(
        [sys.executable, *command, "--backend-store-uri", f"sqlite:///{database}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    try:
        wait_for(dead_port)
        found, _ = timed("tracking store", "contactlens.ops.doctor.tracking_store")
    finally:
        os.killpg(server.pid, 9)
        server.wait()
    assert found == Check("tracking store", "ok", f"{uri}: can be read and written; experiments: Default, tracks")


def wait_for(port: int, patience_s: float = 90) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise TimeoutError(f"nothing listens at {port}")


def dvc_project(folder: Path, url: str, *settings: str) -> Path:
    (folder / ".dvc").mkdir(parents=True)
    lines = ["[core]", "    no_scm = true", "    remote = store", "['remote \"store\"']", f"    url = {url}"]
    (folder / ".dvc" / "config").write_text("\n".join([*lines, *(f"    {line}" for line in settings)]) + "\n")
    return folder


def store_of(folder: Path) -> Check:
    return next(row for row in data_store.examine(folder) if row.name == "data store")


def test_a_remote_folder_that_is_missing(tmp_path: Path, record_fault: Record) -> None:
    project = dvc_project(tmp_path / "project", str(tmp_path / "remote"))
    found = store_of(project)
    assert found.state == "warning"
    assert str(tmp_path / "remote") in found.found
    assert "dvc push" not in found.remedy and "no output here to push yet" in found.remedy
    cached = project / ".dvc" / "cache" / "files" / "md5" / "01" / "23"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert "`dvc push` fills it" in store_of(project).remedy
    assert not (tmp_path / "remote").exists()
    (tmp_path / "remote").mkdir()
    assert store_of(project).state == "ok"
    record_fault("DVC remote folder missing", "`contactlens doctor` warns, and says what fills it", "nothing")


def test_a_project_without_a_remote_and_one_with_a_damaged_configuration(tmp_path: Path) -> None:
    project = dvc_project(tmp_path / "project", "unused")
    (project / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    assert store_of(project).state == "ok"
    (project / ".dvc" / "config").write_text("[core\n")
    assert store_of(project).state == "problem"


@pytest.mark.slow
def test_an_s3_bucket_that_is_there_missing_or_out_of_reach(
    tmp_path: Path, dead_port: int, monkeypatch: pytest.MonkeyPatch, record_fault: Record
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="lab")
        there = store_of(dvc_project(tmp_path / "a", "s3://lab", f"endpointurl = {endpoint}"))
        unfilled = store_of(dvc_project(tmp_path / "b", "s3://lab/contactlens", f"endpointurl = {endpoint}"))
        missing = store_of(dvc_project(tmp_path / "c", "s3://no-such-lab/x", f"endpointurl = {endpoint}"))
    finally:
        server.stop()
    dead = store_of(dvc_project(tmp_path / "d", "s3://lab", f"endpointurl = http://127.0.0.1:{dead_port}"))
    assert [row.state for row in (there, unfilled, missing, dead)] == ["ok", "warning", "problem", "problem"]
    assert "s3://no-such-lab/x: no such bucket" in missing.found
    assert "Connection refused" in dead.found
    record_fault("S3 remote out of reach, or its bucket missing", "`contactlens doctor` names the remote", "nothing")
