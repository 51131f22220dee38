"""The driver of a sweep on this machine's own Ray is stopped: killed, or by Ctrl-C in its terminal."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from driver import (
    Driver,
    new_parent,
    outliving,
    require_each_epoch_once,
    require_finished,
    require_killed,
    undisturbed_table,
)

from contactlens.ops.runs.tracking import ensure_experiment
from ray_nodes import NOT_NICE

pytestmark = pytest.mark.slow
Record = Callable[[str, str, str], None]
PAUSE = 0.15


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
        for name in ("MLFLOW_RUN_ID", "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
            patch.delenv(name, raising=False)
        ensure_experiment()
        yield {**os.environ, **NOT_NICE}


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "undisturbed").mkdir()
    return undisturbed_table(tmp_path / "undisturbed")


def stopped(folder: Path, environment: dict[str, str], signum: signal.Signals) -> tuple[Driver, int]:
    """A driver that got the signal in mid-sweep, its exit status; nothing that it started goes on training."""
    with Driver.of_toy(folder, PAUSE, environment) as driver:
        driver.wait_in()
        processes = psutil.Process(driver.process.pid).children(recursive=True)
        status = driver.interrupt(signum)
    assert outliving(processes) == []
    return driver, status


def test_a_killed_driver_is_run_again_to_the_same_table_without_training_any_epoch_twice(
    environment: dict[str, str], table: str, tmp_path: Path, record_fault: Record
) -> None:
    driver, _ = stopped(tmp_path / "sweep", environment, signal.SIGKILL)
    with Driver.of_toy(driver.folder, PAUSE, environment) as again:
        assert again.table() == table
    require_each_epoch_once(driver.folder)
    require_finished(new_parent(set()))
    record_fault(
        "SIGKILL of the sweep's driver on one machine",
        "Ray and its workers ended with it; run again, it went on in the same MLflow runs to the same `trials.csv`",
        "nothing: no epoch was trained twice",
    )


def test_ctrl_c_says_how_to_go_on_and_leaves_no_run_open(
    environment: dict[str, str], table: str, tmp_path: Path, record_fault: Record
) -> None:
    driver, status = stopped(tmp_path / "sweep", environment, signal.SIGINT)
    assert status == 1
    message = driver.output.read_text().splitlines()[-1]
    assert message.startswith("error: the sweep was stopped after") and message.endswith("run it again to go on")
    parent = new_parent(set())
    require_killed(parent)
    with Driver.of_toy(driver.folder, PAUSE, environment) as again:
        assert again.table() == table
    require_each_epoch_once(driver.folder)
    require_finished(parent)
    record_fault(
        "Ctrl-C (SIGINT to the terminal's processes) in mid-sweep",
        "one message that says to run it again, exit status 1, MLflow runs KILLED; run again: the same `trials.csv`",
        "nothing: no epoch was trained twice",
    )
