"""Cross-validation in the pipeline: its tables, what a rerun and a kill do, and that without it nothing is done."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import yaml

from small_project import call, dvc, environment, make_project

EVALUATE = [sys.executable, "pipelines/tracks_evaluate.py"]
TABLES = "reports/tracks/evaluation"


def with_folds(folder: Path, folds: object) -> None:
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["tracks"]["cross_validation"] = folds
    path.write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.mark.slow
def test_folds_that_ended_before_a_kill_are_not_run_again_and_the_tables_are_the_same(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = call(dvc("repro"), project)
    assert done.returncode == 0, done.stderr
    assert not list((project / TABLES).glob("cross_validation*"))  # none was asked for
    with_folds(project, 3)
    with (tmp_path / "log").open("w") as log:
        killed = subprocess.Popen(EVALUATE, cwd=project, env=environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while not (ended := list(project.glob(".checkpoints/cross_validation/*/*/done"))):
            assert time.monotonic() < deadline and killed.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        killed.send_signal(signal.SIGTERM)
        assert killed.wait(60) != 0
    times = {path: path.stat().st_mtime_ns for path in ended}
    scores = ended[0].with_name("scores.parquet")
    written = scores.stat().st_mtime_ns
    again = subprocess.Popen(EVALUATE, cwd=project, env=environment(), stdout=subprocess.DEVNULL)
    while again.poll() is None:
        with suppress(FileNotFoundError):  # all are removed at the end
            assert {path: path.stat().st_mtime_ns for path in ended} == times
            assert scores.stat().st_mtime_ns == written
        time.sleep(0.05)
    assert again.returncode == 0
    metrics = pd.read_csv(project / TABLES / "cross_validation.csv")
    groups = pd.read_csv(project / TABLES / "cross_validation_groups.csv")
    assert set(metrics["model"]) > {"network", "network_recalibrated", "boosted_trees_recalibrated"}
    assert groups["group"].nunique() == 20 and groups.groupby("model")["tracks"].sum().eq(60).all()
    assert not (project / ".checkpoints" / "cross_validation").exists()
    first = (project / TABLES / "cross_validation.csv").read_bytes()
    assert call(EVALUATE, project).returncode == 0
    assert (project / TABLES / "cross_validation.csv").read_bytes() == first
