"""A sweep whose driver reaches a cluster of two Ray nodes by RAY_ADDRESS alone, and what is killed under it."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import toy_sweep
from driver import (
    Driver,
    new_parent,
    require_each_epoch_once,
    require_finished,
    require_killed,
    undisturbed_table,
    wait_for,
)
from sweep_runs import parents

from contactlens.ops.runs.tracking import ensure_experiment
from ray_nodes import SECOND, Node, RayNodes

pytestmark = pytest.mark.slow
Record = Callable[[str, str, str], None]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        ensure_experiment()
        nodes = RayNodes()
        try:
            wait_for(nodes.head().started, 180)
            yield nodes
        finally:
            nodes.close()


@pytest.fixture(scope="module")
def second(cluster: RayNodes) -> Node:
    node = cluster.second()
    wait_for(node.started, 180)
    return node


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return undisturbed_table(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def before(cluster: RayNodes, second: Node) -> set[str]:
    return {run.info.run_id for run in parents()}


def test_trials_of_one_sweep_land_on_both_nodes(
    cluster: RayNodes, second: Node, table: str, before: set[str], tmp_path: Path
) -> None:
    with Driver.of_toy(tmp_path / "sweep", 0.3, cluster.environment) as driver:
        assert driver.table() == table
    nodes = {epoch.node for epoch in toy_sweep.epochs(driver.folder)}
    assert len(nodes) == 2 and second.node_id() in nodes
    require_each_epoch_once(driver.folder)
    require_finished(new_parent(before))
    assert "trainings 11 of 11" in driver.output.read_text()


def test_a_killed_worker_process_is_replaced_and_goes_on_from_its_checkpoint(
    cluster: RayNodes, table: str, before: set[str], tmp_path: Path, record_fault: Record
) -> None:
    with Driver.of_toy(tmp_path / "sweep", 0.15, cluster.environment) as driver:
        last = driver.wait_in()
        os.kill(last.pid, signal.SIGKILL)
        assert driver.table() == table
    require_each_epoch_once(driver.folder)
    require_finished(new_parent(before))
    pids = {epoch.pid for epoch in toy_sweep.epochs(driver.folder) if epoch.values == last.values}
    assert len(pids) == 2
    record_fault(
        "SIGKILL of a trial's worker process on a two-node Ray cluster",
        "the trial went on from its checkpoint in another process; same `trials.csv` as an undisturbed sweep",
        "nothing: no epoch was trained twice",
    )


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_ends_leaves_the_cluster_free_and_its_sweep_resumable(
    signum: signal.Signals, cluster: RayNodes, table: str, before: set[str], tmp_path: Path, record_fault: Record
) -> None:
    with Driver.of_toy(tmp_path / "sweep", 0.15, cluster.environment) as driver:
        driver.wait_in()
        status = driver.interrupt(signum)
    parent = new_parent(before)
    if signum == signal.SIGTERM:
        assert status == 1
        assert "run it again to go on" in driver.output.read_text().splitlines()[-1]
        require_killed(parent)
    with Driver.of_toy(driver.folder, 0.15, cluster.environment) as again:
        assert again.table() == table
    require_each_epoch_once(driver.folder)
    require_finished(parent)
    record_fault(
        f"{signum.name} of the sweep's driver, its trials on a Ray cluster",
        "run again at once, it went on in the same MLflow runs to the same `trials.csv`",
        "nothing: no epoch was trained twice",
    )


def test_a_folder_that_nodes_do_not_share_is_one_error_before_any_trial(
    cluster: RayNodes, before: set[str], tmp_path: Path, record_fault: Record
) -> None:
    """/proc/self/cwd is another folder in every process, as an unshared disk is on every node."""
    unshared = f"/proc/self/cwd/{tmp_path.name}-states"
    with Driver.of_toy(tmp_path / "sweep", 0.0, cluster.environment, unshared) as driver:
        assert driver.process.wait(180) == 1
    [message] = [line for line in driver.output.read_text().splitlines() if line.startswith("error:")]
    assert message.startswith("error: every node must share the folder /proc/self/cwd/")
    assert f"{SECOND} (" in message and "doesn't see what this process wrote there" in message
    assert toy_sweep.epochs(driver.folder) == []
    assert {run.info.run_id for run in parents()} == before
    record_fault(
        "the sweep's folder is not shared by the nodes of the cluster",
        "one message that names each node which doesn't see it, exit status 1, before any trial and any MLflow run",
        "nothing was trained",
    )


def test_a_wrong_token_and_a_dead_address_are_one_error_each(
    cluster: RayNodes, tmp_path: Path, record_fault: Record
) -> None:
    wrong = {**cluster.environment, "RAY_AUTH_TOKEN": "0" * 64}
    with Driver.of_toy(tmp_path / "token", 0.0, wrong) as driver:
        assert driver.process.wait(180) == 1
    [message] = [line for line in driver.output.read_text().splitlines() if line.startswith("error:")]
    assert "Its token must be the cluster's" in message
    nobody = {**cluster.environment, "RAY_ADDRESS": "127.0.0.2:1"}
    with Driver.of_toy(tmp_path / "address", 0.0, nobody) as driver:
        assert driver.process.wait(120) == 1
    assert "\nerror: RAY_ADDRESS=127.0.0.2:1: nothing answers there" in driver.output.read_text()
    record_fault(
        "a driver with another token than the cluster's, or with an address where nothing listens",
        "one error that names the token, or the address; exit status 1",
        "nothing was trained",
    )


def test_a_killed_node_loses_no_trial(
    cluster: RayNodes, second: Node, table: str, before: set[str], tmp_path: Path, record_fault: Record
) -> None:
    """Last in this file: the cluster has one node from here on."""
    node_id = second.node_id()
    with Driver.of_toy(tmp_path / "sweep", 0.3, cluster.environment) as driver:
        last = driver.wait_in(node_id)
        second.raylet().send_signal(signal.SIGKILL)
        assert driver.table() == table
    require_each_epoch_once(driver.folder)
    require_finished(new_parent(before))
    of_trial = [epoch.node == node_id for epoch in toy_sweep.epochs(driver.folder) if epoch.values == last.values]
    assert of_trial == sorted(of_trial, reverse=True) and set(of_trial) == {True, False}
    record_fault(
        "SIGKILL of one of two Ray nodes in mid-sweep",
        "the trial it was running went on from its checkpoint on the other node; all trials ended, same `trials.csv` "
        "as an undisturbed sweep",
        "nothing: no finished trial and no epoch was trained twice",
    )
