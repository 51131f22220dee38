"""Another process keeps the SQLite store locked: a stage waits for it, and not for ever."""

import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import toy_stage
from contactlens.ops.runs.store import LOCK_SECONDS
from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client

pytestmark = pytest.mark.slow
HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""
Record = Callable[[str, str, str], None]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    ensure_experiment("toys")
    return file


@contextmanager
def locked(file: Path, seconds: float) -> Iterator[None]:
    """The file under an exclusive lock of another process, which gives it up after so many seconds."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(file), str(seconds)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"locked\n"
        with closing(sqlite3.connect(file, timeout=0)) as probe, pytest.raises(sqlite3.OperationalError):
            probe.execute("BEGIN IMMEDIATE")
        yield
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def stage(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, toy_stage.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_complete(out: str, epochs: int) -> None:
    [run_id] = re.findall(r"^run (\w+)$", out, re.MULTILINE)
    client = mlflow_client()
    assert client.get_run(run_id).info.status == "FINISHED"
    for name in toy_stage.METRICS:
        assert sorted(m.step for m in client.get_metric_history(run_id, name)) == list(range(epochs))


def test_a_lock_of_some_seconds_is_waited_for(store: Path, record_fault: Record) -> None:
    with locked(store, 12.0):
        done = stage(3, 0)
    assert done.returncode == 0, done.stderr
    assert_complete(done.stdout, 3)
    record_fault("mlflow.db locked by another process for 12 s", "the stage waits and completes", "nothing")


def test_a_lock_that_stays_is_one_message_and_a_rerun_completes(store: Path, record_fault: Record) -> None:
    started = time.monotonic()
    with locked(store, 120.0):
        done = stage(3, 0)
    assert done.returncode == 1
    assert LOCK_SECONDS <= time.monotonic() - started < 100
    assert done.stderr.splitlines() == [
        f"error: {store}: another process has kept this database locked for {LOCK_SECONDS} s; end it and run again"
    ]
    again = stage(3, 0)
    assert again.returncode == 0, again.stderr
    assert_complete(again.stdout, 3)
    record_fault(
        f"mlflow.db locked by another process for more than {LOCK_SECONDS} s",
        "one line that names the file, exit status 1; run again it completes",
        "nothing",
    )
