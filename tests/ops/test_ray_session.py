"""Which cluster a sweep refuses, before Ray is asked."""

from pathlib import Path

import pytest
import toy_sweep

from contactlens.base.errors import InputError
from contactlens.ops.ray_session import ray_session, require_room

CPU_NODE, GPU_NODE = {"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://127.0.0.1:10001", "not through a Ray client"),
        ("127.0.0.1", "expected host:port, such as 10.0.0.1:6379, or auto"),
        ("127.0.0.1:head", "expected host:port"),
        ("127.0.0.1:1", "nothing answers there"),
        ("127.0.0.1:100000", "nothing answers there"),
    ],
)
def test_an_address_that_cannot_work_is_named(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError) as raised, ray_session(toy_sweep.config(), tmp_path):
        pass
    assert str(raised.value).startswith(f"RAY_ADDRESS={address}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("cpus", "gpus", "nodes"),
    [
        (4, 0.0, [CPU_NODE, GPU_NODE]),
        (4, 0.5, [CPU_NODE, CPU_NODE]),  # without any GPU the share counts for nothing
        (2, 0.5, [CPU_NODE, GPU_NODE]),
    ],
)
def test_a_trial_that_fits_on_one_node_is_taken(cpus: int, gpus: float, nodes: list[dict[str, float]]) -> None:
    """To the last CPU: one more is refused."""
    require_room(toy_sweep.config(cpus_per_trial=cpus, gpus_per_trial=gpus), nodes)
    with pytest.raises(InputError) as refused:
        require_room(toy_sweep.config(cpus_per_trial=cpus + 1, gpus_per_trial=gpus), nodes)
    assert f"sweep.cpus_per_trial: {cpus + 1} and" in str(refused.value)


@pytest.mark.parametrize(
    ("cpus", "gpus", "nodes"),
    [
        (5, 0.0, [CPU_NODE, GPU_NODE]),  # six in all, but on two nodes
        (4, 0.5, [CPU_NODE, GPU_NODE]),
        (1, 2.0, [GPU_NODE, GPU_NODE]),
    ],
)
def test_a_trial_that_fits_on_no_node_is_refused(cpus: int, gpus: float, nodes: list[dict[str, float]]) -> None:
    with pytest.raises(InputError, match=f"sweep.cpus_per_trial: {cpus} and sweep.gpus_per_trial: {gpus:g} asked"):
        require_room(toy_sweep.config(cpus_per_trial=cpus, gpus_per_trial=gpus), nodes)
