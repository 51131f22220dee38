"""Runs of a workspace's pipeline by DVC, with a store of their own, and what they left."""

import os
import subprocess
import sys
from pathlib import Path

import yaml


def repro(workspace: Path, store: str) -> str:
    """What `dvc repro` prints."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{workspace.parent}/{store}"
    command = [sys.executable, "-m", "dvc", "repro"]
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=True).stdout


def stages_run(printed: str) -> set[str]:
    return {line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")}


def lock_of(workspace: Path) -> dict[str, str]:
    """Path -> hash of everything that a stage wrote."""
    stages = yaml.safe_load((workspace / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def files_of(workspace: Path) -> dict[str, bytes]:
    """Path -> content of every file that the workspace's lock has as a stage's output, or within one."""
    outputs = [workspace / path for path in lock_of(workspace)]
    files = [path for out in outputs for path in ([out] if out.is_file() else out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(workspace)): path.read_bytes() for path in files}
