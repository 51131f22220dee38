"""Which cluster a sweep refuses, before Ray is asked; and where a Ray on this machine keeps its sockets."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_sweep

from contactlens.base.errors import InputError
from contactlens.ops import ray_session as session
from contactlens.ops.ray_session import LONGEST_TEMP_DIR, ray_session, require_room, short_temp_dir

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
    assert f"the sweep's cpus_per_trial: {cpus + 1} and" in str(refused.value)


@pytest.mark.parametrize(
    ("cpus", "gpus", "nodes"),
    [
        (5, 0.0, [CPU_NODE, GPU_NODE]),  # six in all, but on two nodes
        (4, 0.5, [CPU_NODE, GPU_NODE]),
        (1, 2.0, [GPU_NODE, GPU_NODE]),
    ],
)
def test_a_trial_that_fits_on_no_node_is_refused(cpus: int, gpus: float, nodes: list[dict[str, float]]) -> None:
    with pytest.raises(InputError, match=f"the sweep's cpus_per_trial: {cpus} and gpus_per_trial: {gpus:g} asked"):
        require_room(toy_sweep.config(cpus_per_trial=cpus, gpus_per_trial=gpus), nodes)


def long_folder(tmp_path: Path) -> Path:
    folder = tmp_path / ("job_" + "x" * 90)
    folder.mkdir()
    return folder


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_temporary_folder_gets_a_short_one_in_its_place(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, str(long_folder(tmp_path)))
    with short_temp_dir() as arguments:
        folder = Path(arguments["_temp_dir"])
        assert folder.is_dir() and len(str(folder)) <= LONGEST_TEMP_DIR
        (folder / "session").mkdir()
    assert not folder.exists()
    monkeypatch.setattr(session, "SHORT_PLACES", (str(tmp_path / "none"),))
    with pytest.raises(InputError, match="too long for Ray's sockets"), short_temp_dir():
        pass
    monkeypatch.setenv(variable, "/tmp")
    with short_temp_dir() as arguments:
        assert arguments == {}


LOCAL_SESSION = """
import os
from pathlib import Path
import ray, toy_sweep
from contactlens.ops.ray_session import ray_session
with ray_session(toy_sweep.config(), Path(".")):
    print("worker steps back by", ray.get(ray.remote(lambda: os.nice(0)).remote()) - os.nice(0))
"""


@pytest.mark.slow
def test_a_local_ray_runs_under_a_tmpdir_of_any_length(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("TMPDIR", str(long_folder(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    before = {path.name for path in Path("/tmp").glob("ray-*")}
    done = subprocess.run(
        [sys.executable, "-c", LOCAL_SESSION], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "worker steps back by 0\n" in done.stdout, done.stderr
    assert {path.name for path in Path("/tmp").glob("ray-*")} <= before


@pytest.fixture(params=[signal.SIG_IGN, signal.default_int_handler], ids=["ignores SIGINT", "heeds SIGINT"])
def before(request: pytest.FixtureRequest) -> Iterator[None]:
    former = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, former)


def test_a_scheduler_s_signal_interrupts_also_what_a_script_runs_in_the_background(before: None) -> None:
    usual = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), session._terminated_as_interrupted():
        signal.raise_signal(signal.SIGTERM)
        time.sleep(5)  # the signal is heeded at once
        pytest.fail("the signal was lost")
    assert signal.getsignal(signal.SIGTERM) is usual
