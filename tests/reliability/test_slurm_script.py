"""The SLURM script as a batch job: real Ray nodes and a real sweep; of SLURM, what it is told to start and where."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import toy_sweep
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
from ray_nodes import HEAD, NOT_NICE, SECOND
from tracking_server import free_port

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
COMMANDS = {
    "scontrol": 'echo "first"; echo "second"',
    "srun": 'while [[ $1 == --* ]]; do [[ $1 != --nodelist=* ]] || export MACHINE="${1#*=}"; shift; done; exec "$@"',
    "hostname": f'[[ $MACHINE == first ]] && echo "{HEAD} 10.9.9.9" || echo "{SECOND}"',
}
PIPELINE = """
import sys
from pathlib import Path
from contactlens.ops.workspace import run_pipeline
sys.exit(run_pipeline(Path.cwd(), Path.cwd(), branch="dna"))
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A project of one stage, the toy sweep, and a batch job's environment."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in COMMANDS.items():
        (commands / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (commands / name).chmod(0o755)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    stage = f"python {toy_sweep.__file__} {tmp_path} $PAUSE"
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  dna_sweep:\n    cmd: {stage}\n    outs: [trials.csv]\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "publish_report.py").write_text("")  # there is no report to publish
    number = str(free_port(HEAD, range(20000, 30000)))  # the script takes 20000 + number % 10000: the same
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        ensure_experiment()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        path = f"{commands}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        slurm = {"SUBMIT_DIR": str(tmp_path), "JOB_ID": number, "JOB_NODELIST": "two", "CPUS_PER_TASK": "1"}
        yield {**inherited, **NOT_NICE, "PATH": path, **{f"SLURM_{name}": value for name, value in slurm.items()}}
    for process in processes_of(number):
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(f"/tmp/ray-{number}", ignore_errors=True)


def submit(folder: Path, job: dict[str, str], pause: float) -> Driver:
    """pause: seconds that each epoch of a trial takes, at most 12 epochs each of 8 trials, two at a time"""
    command = ["bash", str(ROOT / "cluster" / "slurm.sh"), "python", "-c", PIPELINE]
    return Driver(folder, {**job, "PAUSE": str(pause)}, command)


def processes_of(job: str) -> list[psutil.Process]:
    """What is left of a job, known by its number in its environment."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("SLURM_JOB_ID") == job:
                left.append(process)
    return left


def test_a_job_at_its_time_limit_closes_its_runs_and_a_second_one_goes_on(
    job: dict[str, str], tmp_path: Path, record_fault: Callable[[str, str, str], None]
) -> None:
    with submit(tmp_path, job, pause=1.5) as driver:  # it must not end before the signal on a machine that is busy
        driver.wait_in(seconds=300)
        driver.process.send_signal(signal.SIGTERM)  # to the script alone, as --signal=B:TERM does
        assert driver.process.wait(180) != 0
    assert "run it again to go on" in driver.output.read_text()
    parent = new_parent(set())
    require_killed(parent)
    assert outliving(processes_of(job["SLURM_JOB_ID"])) == []
    assert list((tmp_path / ".sweeps").glob("ray_token*")) == []

    with submit(tmp_path, job, pause=0.1) as again:
        table = again.table(300)
    (tmp_path / "undisturbed").mkdir()
    assert table == undisturbed_table(tmp_path / "undisturbed")
    require_each_epoch_once(tmp_path)
    require_finished(parent)
    assert len({epoch.node for epoch in toy_sweep.epochs(tmp_path)}) > 1
    assert outliving(processes_of(job["SLURM_JOB_ID"])) == []
    record_fault(
        "SIGTERM of a SLURM job's script in mid-sweep, as at its time limit",
        "the sweep closed its MLflow runs as KILLED and Ray ended on both nodes; submitted again, the pipeline went on "
        "to the same `trials.csv`",
        "nothing: no epoch was trained twice",
    )


def test_the_script_without_a_command_says_so(job: dict[str, str]) -> None:
    done = subprocess.run(["bash", str(ROOT / "cluster" / "slurm.sh")], env=job, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: give the command to run, such as: contactlens run\n")
