"""The doctor's rows against real installations, files and parameters, and its passwords out of sight."""

import json
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from packaging.requirements import Requirement
from rich.console import Console
from typer.testing import CliRunner

from contactlens.cli.main import app
from contactlens.ops.doctor import Check, as_json, as_table, data_store, gpu, machine, plan, versions
from contactlens.ops.doctor.run import EXAMINATIONS, Examination, diagnose, examined

ROOT = Path(__file__).parents[2]


def states(rows: list[Check]) -> dict[str, str]:
    return {row.name: row.state for row in rows}


def test_the_pinned_set_agrees_with_itself_and_a_changed_pin_is_named(tmp_path: Path) -> None:
    file = tmp_path / "requirements.lock"
    file.write_text(f"numpy=={version('numpy')}\ntorch==0.0.1\nno-such-package==1.0\n")
    found = versions.lock(file)
    assert found.state == "warning"
    assert f"torch {version('torch')} (==0.0.1 pinned)" in found.found
    assert "no-such-package missing" in found.found
    assert "numpy" not in found.found
    file.write_text(f"numpy=={version('numpy')}  # kept\n")
    assert versions.lock(file) == Check("requirements.lock", "ok", "all 1 packages as pinned")


def test_a_damaged_lock_is_a_problem_and_a_missing_one_a_warning(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("<<<<<<< HEAD\n")
    assert versions.lock(tmp_path / "requirements.lock").state == "problem"
    assert versions.lock(tmp_path / "none").state == "warning"


def test_what_contactlens_asks_for_must_be_there() -> None:
    found = versions.packages([Requirement("numpy>=1"), Requirement("pandas<0.1"), Requirement("no-such-package")])
    assert found.state == "problem"
    assert f"pandas<0.1 asked, {version('pandas')} installed" in found.found
    assert "no-such-package asked, none installed" in found.found
    assert "numpy" not in found.found


def test_versions_are_those_of_this_environment() -> None:
    rows = {row.name: row for row in versions.examine(ROOT)}
    assert f"torch {version('torch')}" in rows["packages"].found
    assert rows["python"].found == ".".join(map(str, sys.version_info[:3]))
    assert versions.python(">=99").state == "problem"


def test_a_container_is_seen_by_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    assert machine.usable_cpus() == 1
    assert machine.memory().state == "warning"
    assert machine.memory().found.startswith("1.0 GiB")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.usable_cpus() == len(psutil.Process().cpu_affinity())
    assert machine.memory().found.startswith(f"{psutil.virtual_memory().total / 2**30:.1f} GiB")


def test_disk_space_is_evaluated_by_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path).free
    for low, none, state in ((0, 0, "ok"), (2 * free, 0, "warning"), (2 * free, 2 * free, "problem")):
        monkeypatch.setattr(machine, "LOW_DISK", low)
        monkeypatch.setattr(machine, "NO_DISK", none)
        (found,) = machine.disks({"project": tmp_path, "temporary files": tmp_path})
        assert found.state == state
        assert "project, temporary files" in found.found


def test_numbas_cache_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert machine.numba_cache(tmp_path / "file" / "cache").state == "problem"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "scan.nbi").write_bytes(b"x" * 2**20)
    assert machine.numba_cache(tmp_path / "cache").found.endswith("1 files, 1 MiB")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["scan.nbi"]


def test_the_gpu_is_what_torch_sees() -> None:
    found, _ = gpu.examine(ROOT)
    assert (torch.cuda.is_available() and torch.cuda.get_device_name(0) in found.found) or "none" in found.found
    assert gpu.kernels(has_gpu=False).state == "ok"


def with_params(tmp_path: Path, *changes: tuple[str, object]) -> Path:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for dotted, value in changes:
        inner = params
        *parents, last = dotted.split(".")
        for key in parents:
            inner = inner[key]
        inner[last] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def test_the_plan_says_what_the_defaults_resolve_to() -> None:
    rows = {row.name: row for row in plan.examine(ROOT)}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert f"tracks.fit: {device}, 1 thread" in rows["will be used: tracks"].found
    assert "scan by" in rows["will be used: dna fine-tuning"].found
    sweeps = [rows[f"will be used: {branch} sweep"].found for branch in ("tracks", "dna", "dna pre-training")]
    assert sweeps[0].startswith("33 trials")  # 15 of the curve, 2 starts, 16 searched
    assert sweeps[1].startswith("3 trials")  # the given values, 2 searched
    assert sweeps[2].startswith("0 trials")


def test_a_plan_that_does_not_fit_the_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    root = with_params(tmp_path, ("tracks.fit.threads", 10_000), ("tracks.sweep.max_concurrent", 10_000))
    rows = {row.name: row for row in plan.examine(root)}
    assert rows["will be used: tracks"].state == "warning"
    assert rows["will be used: tracks"].remedy == "lower tracks.fit.threads"
    found = rows["will be used: tracks sweep"]
    assert (found.state, found.remedy) == ("warning", "lower tracks.sweep.max_concurrent")
    assert rows["will be used: dna sweep"].state == "ok"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    found = {row.name: row for row in plan.examine(root)}["will be used: tracks sweep"]
    assert "the cluster" in found.found and found.state == "ok"


def test_workers_that_share_a_training_are_told_and_must_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    many = ("dna.fine_tune.trainer.accumulate", 10_000), ("dna.fine_tune.workers", 10_000)
    root = with_params(tmp_path, *many, ("dna.pretrain.workers", 1))
    rows = {row.name: row for row in plan.examine(root)}
    assert "workers" not in rows["will be used: dna pre-training"].found
    found = rows["will be used: dna fine-tuning"]
    assert (found.state, found.remedy) == ("warning", "lower dna.fine_tune.workers")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    found = {row.name: row for row in plan.examine(root)}[found.name]
    assert found.state == "ok" and found.found.endswith("by each of 10000 workers on the cluster")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that is asked for")
@pytest.mark.parametrize("device", ["cuda:99"])
def test_a_device_that_is_not_there_is_a_problem(tmp_path: Path, device: str) -> None:
    rows = plan.examine(with_params(tmp_path, ("dna.fine_tune.trainer.device", device)))
    assert states(rows)["will be used: dna fine-tuning"] == "problem"
    assert states(rows)["will be used: tracks"] == "ok"


def test_a_device_that_no_machine_has_is_named_with_its_key(tmp_path: Path) -> None:
    (found,) = plan.examine(with_params(tmp_path, ("dna.fine_tune.trainer.device", "no-such-device")))
    assert found.state == "problem" and "no-such-device" in found.found


def test_bad_parameters_are_one_row_with_the_key(tmp_path: Path) -> None:
    (found,) = plan.examine(with_params(tmp_path, ("tracks.fit.thraeds", 2)))
    assert found.state == "problem"
    assert "tracks.fit.thraeds: unknown key; did you mean threads?" in found.found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose two stages were run with the parameters that it has."""
    (tmp_path / "params.yaml").write_text("seed: 1\nfit: {rate: 0.1, epochs: [1, 2]}\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  data: {cmd: a}\n  train: {cmd: b}\n")
    noted = {"data": {"seed": 1}, "train": {"seed": 1, "fit": {"rate": 0.1, "epochs": [1, 2]}}}
    stages = {name: {"cmd": "x", "params": {"params.yaml": values}} for name, values in noted.items()}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return tmp_path


def test_a_lock_of_the_present_parameters_is_up_to_date(project: Path) -> None:
    assert data_store.lock(project).state == "ok"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1, "fit": {"rate": 0.2, "epochs": [1, 2]}}, "parameters changed for train"),
        ({"seed": 2, "fit": {"rate": 0.1, "epochs": [1, 2]}}, "parameters changed for data, train"),
        ({"seed": 1}, "parameters changed for train"),
    ],
)
def test_stages_run_with_other_parameters_are_named(project: Path, change: dict[str, object], said: str) -> None:
    (project / "params.yaml").write_text(yaml.safe_dump(change))
    found = data_store.lock(project)
    assert (found.state, found.found) == ("warning", said)


def test_a_lock_whose_outputs_are_not_here_is_not_said_to_be_up_to_date(project: Path) -> None:
    noted = yaml.safe_load((project / "dvc.lock").read_text())
    noted["stages"]["train"]["outs"] = [{"path": "models/best", "md5": "0123"}]
    (project / "dvc.lock").write_text(yaml.safe_dump(noted))
    found = data_store.lock(project)
    assert (found.state, found.found) == ("warning", "outputs not in this folder of train")
    (project / "models").mkdir()
    (project / "models" / "best").touch()
    assert data_store.lock(project).state == "ok"


def test_stages_that_were_never_run_are_named(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages:\n  data: {cmd: a}\n  train: {cmd: b}\n  report: {cmd: c}\n")
    assert data_store.lock(project).found == "never run: report"
    (project / "dvc.lock").unlink()
    assert "nothing has been run" in data_store.lock(project).found


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ada:s3cr3t@db:5432/mlflow",
        "postgresql+psycopg2://ada:s3cr3t@db/mlflow",
        "https://ada:s3cr3t@mlflow.lab",
        "http://:s3cr3t@db",
        "postgresql://db/mlflow?user=ada&password=s3cr3t",
        "postgresql://ada:p@s3cr3t/x:y@db/mlflow",
    ],
)
def test_a_password_in_an_address_is_hidden_wherever_it_stands(address: str) -> None:
    row = Check("store", "problem", f"{address}: refused", f"look at {address}").without_secrets({})
    assert "s3cr3t" not in row.found + row.remedy
    assert "***" in row.found
    assert "db" in row.found or "mlflow.lab" in row.found


def test_a_password_that_a_library_repeats_alone_is_hidden_too() -> None:
    environment = {"MLFLOW_TRACKING_URI": "postgresql://ada:s3%20cr3t@db/mlflow", "RAY_AUTH_TOKEN": "0123abcd"}
    row = Check("store", "problem", 'log-in as ada with "s3 cr3t" failed; token 0123abcd').without_secrets(environment)
    assert row.found == 'log-in as ada with "***" failed; token ***'


def test_an_examination_that_hangs_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    (tmp_path / "hanging.py").write_text(
        "import subprocess, time\n"
        "def examine(root):\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        f"    open({str(note)!r}, 'w').write(str(child.pid))\n"
        "    time.sleep(600)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), str(ROOT / "src")]))
    (found,) = examined("file system", Examination("hanging", 4), tmp_path)
    assert (found.name, found.state, found.found) == ("file system", "problem", "no answer within 4 s")
    assert gone(int(note.read_text()))


def gone(pid: int, patience_s: float = 10) -> bool:
    until = time.monotonic() + patience_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_an_examination_that_dies_is_a_row_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying.py").write_text("def examine(root):\n    raise OSError('http://ada:s3cr3t@host: gone')\n")
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), str(ROOT / "src")]))
    (found,) = examined("cluster", Examination("dying", 30), tmp_path)
    assert found.found == "its process ended with 1: OSError: http://ada:***@host: gone"


def test_outside_a_project_the_rest_is_still_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = diagnose({"data store": EXAMINATIONS["data store"]})
    assert states(rows) == {"project": "warning", "data store": "warning"}


def test_the_table_shows_state_and_remedy_and_json_counts_them() -> None:
    checks = [Check("a", "ok", "[fine]", "unused"), Check("b", "problem", "broken", "mend it")]
    console = Console(width=80)
    with console.capture() as said:
        console.print(as_table(checks))
    text = said.get()
    assert "[fine]" in text
    assert "unused" not in text
    assert "-> mend it" in text
    content = json.loads(as_json(checks))
    assert (content["problems"], content["warnings"]) == (1, 0)
    assert content["checks"][1] == {"name": "b", "state": "problem", "found": "broken", "remedy": "mend it"}


@pytest.mark.parametrize("examined", [{"tracking store"}, pytest.param(set(EXAMINATIONS), marks=pytest.mark.slow)])
def test_the_command_ends_with_1_where_there_is_a_problem(
    examined: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(EXAMINATIONS) - examined:
        monkeypatch.delitem(EXAMINATIONS, name)
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "mlflow.db").write_text("this is no database, but long enough to be read as one" * 20)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    content = json.loads(done.stdout)
    assert done.exit_code == 1
    problems = {row["name"]: row for row in content["checks"] if row["state"] == "problem"}
    assert set(problems) == {"tracking store"}
    assert "not a database" in problems["tracking store"]["found"]
