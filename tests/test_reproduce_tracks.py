"""The real training stage of the tracks branch, tiny, in a repository of its own: reproduced, or caught if tampered."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client
from contactlens.ops.workspace import create_workspace, pipeline_environment

ROOT = Path(__file__).parents[1]
TINY = {
    "tracks": {
        "simulate": {"n_tracks": 60, "n_frames": 101},
        "fit": {"max_epochs": 2, "threads": 1},
        "train": {"n_seeds": 2},
    }
}
BEST = "lambda_contact: 0.1\n"


@pytest.mark.slow
def test_training_is_reproduced_to_the_last_digit_and_a_tampered_metric_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = create_workspace(tmp_path / "checkout", [TINY], ROOT)
    shutil.copy(ROOT / "requirements.lock", checkout)
    (checkout / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (checkout / ".gitignore").write_text(".dvc/tmp\n.dvc/cache\n/data\n/models\n/reports\n.checkpoints\n__pycache__\n")
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    environment = {**pipeline_environment(os.environ["MLFLOW_TRACKING_URI"]), "COLUMNS": "160"}
    environment["PYTHONPATH"] = str(checkout / "src")

    def run(*command: str, status: int = 0) -> str:
        command = (sys.executable, "-m", *command)
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout

    run("dvc", "repro", "--quiet", "tracks_split")
    (checkout / "models/tracks/best_params.yaml").write_text(BEST)  # in place of a sweep
    (checkout / "reports/tracks/trials.csv").write_text("trial\n")
    run("dvc", "commit", "--quiet", "--force", "tracks_sweep")
    run("dvc", "repro", "--quiet", "--single-item", "tracks_train")
    client = mlflow_client()
    [trained] = client.search_runs([ensure_experiment("tracks")], "tags.pipeline_stage = 'train'")
    run_id, metrics = trained.info.run_id, trained.data.metrics
    assert re.fullmatch(r"[0-9a-f]{40}", trained.data.tags["git_commit"]) and len(metrics) > 4

    said = run("contactlens.cli.main", "reproduce", run_id)
    assert f"{len(metrics)} of {len(metrics)} metrics agree" in said and "warning" not in said

    client.log_metric(run_id, "validation_nll", metrics["validation_nll"] * 1.001)
    said = run("contactlens.cli.main", "reproduce", run_id, status=1)
    assert f"{len(metrics) - 1} of {len(metrics)} metrics agree" in said
    [row] = [line for line in said.splitlines() if "disagrees" in line]
    assert "validation_nll" in row and f"{metrics['validation_nll']:.6g}"[:6] in row
