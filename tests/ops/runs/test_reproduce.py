"""A run's stage from its own commit, parameters and data: the same metrics, or a table that says which are not."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from contactlens.base.errors import InputError
from contactlens.ops.runs.reproduce import reproduce
from contactlens.ops.runs.reproduction_table import show
from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client, stage_run
from contactlens.ops.workspace import pipeline_environment

pytestmark = pytest.mark.slow
DVC = {
    "stages": {
        "toys_make": {"cmd": "python make.py", "deps": ["make.py"], "params": ["count"], "outs": ["data/numbers"]},
        "toys_sum": {
            "cmd": "python sum.py",
            "deps": ["sum.py", "data/numbers"],
            "params": ["scale"],
            "outs": [{"models/sum.txt": {"cache": True}}],
        },
    }
}
READ = "import yaml, pathlib\nparams = yaml.safe_load(pathlib.Path('params.yaml').read_text())\n"
MAKE = (
    READ
    + """
out = pathlib.Path("data/numbers")
out.mkdir(parents=True)
(out / "a.txt").write_text("\\n".join(str(n) for n in range(params["count"])))
"""
)
SUM = (
    READ
    + """
import subprocess
from contactlens.ops.runs.provenance import provenance
from contactlens.ops.runs.tracking import stage_run
total = sum(map(int, pathlib.Path("data/numbers/a.txt").read_text().split())) * params["scale"]
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/sum.txt").write_text(str(total))
commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
tags = {**provenance(1, ["data/numbers"]), "git_commit": commit}
tags["lock_sha256"] = __import__("hashlib").sha256(pathlib.Path("requirements.lock").read_bytes()).hexdigest()
with stage_run("sum", params, tags, "toys") as run:
    run.log_metrics({"total": total, "count": params["count"]})
"""
)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def contents(folder: Path) -> dict[str, str]:
    """Every file but MLflow's store, which reading may touch."""
    files = [path for path in folder.rglob("*") if path.is_file() and "mlflow.db" not in path.name]
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A committed project whose stage ran with 5 numbers in place of the committed 3, then the scale was changed."""
    root = tmp_path_factory.mktemp("project") / "checkout"
    (root / ".dvc").mkdir(parents=True)
    for name, text in {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/cache\n/tmp\n",
        ".gitignore": "/data\n/models\nmlflow.db\nmlartifacts\n",
        "dvc.yaml": yaml.safe_dump(DVC),
        "params.yaml": "count: 3\nscale: 2\n",
        "make.py": MAKE,
        "sum.py": SUM,
        "requirements.lock": "numpy==1\n",
    }.items():
        (root / name).write_text(text)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root.parent}/mlflow.db")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.setenv("PATH", pipeline_environment("")["PATH"])
        (root / "params.yaml").write_text("count: 5\nscale: 2\n")
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=root, check=True)
        (root / "sum.py").write_text(SUM.replace("sum(map", "1 + sum(map"))
        git(root, "commit", "--quiet", "--all", "--message", "b")
        yield root


@pytest.fixture
def run_id(checkout: Path) -> str:
    client = mlflow_client()
    return str(client.search_runs([ensure_experiment("toys")], "tags.pipeline_stage = 'sum'")[0].info.run_id)


def test_the_runs_own_code_params_and_cached_data_give_its_metrics(
    checkout: Path, run_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, runs = contents(checkout), len(mlflow_client().search_runs([ensure_experiment("toys")]))
    done = reproduce(run_id, checkout, tmp_path / "clone")
    assert done.metrics == {"total": 20.0, "count": 5.0}  # (0 + 1 + 2 + 3 + 4) x 2, by the code before the change
    assert done.warnings == []
    assert show(done, 1e-6)
    assert "2 of 2 metrics agree" in capsys.readouterr().out
    assert contents(checkout) == before
    assert len(mlflow_client().search_runs([ensure_experiment("toys")])) == runs
    lock = yaml.safe_load((tmp_path / "clone" / "dvc.lock").read_text())
    assert list(lock["stages"]) == ["toys_sum"]  # the data came out of the cache


def test_from_a_fresh_clone_the_data_is_made_again(checkout: Path, run_id: str, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    subprocess.run(["git", "clone", "--quiet", str(checkout), str(fresh)], check=True)
    done = reproduce(run_id, fresh, tmp_path / "clone")
    assert done.metrics == {"total": 20.0, "count": 5.0} and done.warnings == []
    assert set(yaml.safe_load((tmp_path / "clone" / "dvc.lock").read_text())["stages"]) == {"toys_make", "toys_sum"}


def test_a_tampered_metric_other_packages_and_other_data_are_told(
    checkout: Path, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the command, as a user sees it."""
    store = tmp_path / "mlflow.db"
    shutil.copy(checkout.parent / "mlflow.db", store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    client = mlflow_client()
    client.log_metric(run_id, "total", 20.5)
    client.set_tag(run_id, "lock_sha256", "0" * 64)
    client.set_tag(run_id, "dvc/data/numbers", "1" * 32 + ".dir")
    command = [sys.executable, "-m", "contactlens.cli.main", "reproduce", run_id]
    done = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, env={**os.environ, "COLUMNS": "160"}, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "1 of 2 metrics agree" in done.stdout
    [row] = [line for line in done.stdout.splitlines() if "disagrees" in line]
    assert "total" in row and "20.5" in row and "20 " in row
    assert "warning: requirements.lock is not the run's" in done.stdout
    assert "warning: data/numbers is not the run's" in done.stdout


def test_what_can_not_be_reproduced_says_why(checkout: Path, run_id: str, tmp_path: Path) -> None:
    client, number = mlflow_client(), iter(range(9))

    def refusal(run: str) -> str:
        with pytest.raises(InputError) as caught:
            reproduce(run, checkout, tmp_path / f"clone{next(number)}")
        return str(caught.value)

    def other(**tags: str) -> str:
        original = client.get_run(run_id).data.tags
        with stage_run("sum", {}, {**original, **tags}, "toys") as run:
            run.client.log_text(run.run_id, "count: 5\nscale: 2\n", "params.yaml")
        return run.run_id

    head = client.get_run(run_id).data.tags["git_commit"]
    assert "no run" in refusal("0" * 32).lower() or "not in the store" in refusal("0" * 32)
    assert "--allow-changes" in refusal(other(git_commit=f"{head}+changes"))
    assert "git has no commit" in refusal(other(git_commit="1" * 40))
    trial = client.create_run(ensure_experiment("toys"), tags={"trial": "1", "mlflow.parentRunId": run_id})
    assert run_id in refusal(trial.info.run_id)
    bare = client.create_run(ensure_experiment("toys"))
    assert "no tag pipeline_stage" in refusal(bare.info.run_id)
    allowed = reproduce(other(git_commit=f"{head}+changes"), checkout, tmp_path / "allowed", allow_changes=True)
    assert "never committed" in allowed.warnings[0] and allowed.metrics["total"] == 20.0
