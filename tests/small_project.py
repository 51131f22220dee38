"""The tracks pipeline from its data to its evaluation, small and without a sweep, to break things in."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from contactlens.ops.workspace import create_workspace

ROOT = Path(__file__).parents[1]
KEPT = ("tracks_data", "tracks_validate", "tracks_split", "tracks_train", "tracks_evaluate")
SMALL = {
    "tracks": {
        "simulate": {"n_tracks": 60, "n_frames": 101},
        "fit": {"max_epochs": 3, "threads": 1, "device": "cpu"},
        "train": {"n_seeds": 1},
        "evaluate": {
            "recalibration": {"sd_bins": 5, "residual_bins": 2, "residual_groups": 10},
            "ceiling": {"samples": 50},
        },
        "baselines": {"boosted_trees": {"max_trees": 10, "max_leaves": [15], "min_leaf_frames": [100]}},
        "promotion": {"registered_model": "small"},
    }
}


def make_project(folder: Path) -> Path:
    """A DVC workspace of this checkout's code; `best_params.yaml`, which the sweep would write, is given."""
    create_workspace(folder, [SMALL], ROOT, "tracks")
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    pipeline["stages"] = {name: pipeline["stages"][name] for name in KEPT}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    best = folder / "models/tracks/best_params.yaml"
    best.parent.mkdir(parents=True)
    best.write_text("width: 4\n")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit what the project's own .gitignore leaves, and what DVC wrote."""
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run([*git, "add", "--all"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", message], cwd=folder, check=True)


def make_repository(folder: Path) -> Path:
    """The small project under git, with this checkout's own DVC settings and ignored files."""
    make_project(folder)
    for name in (".dvc/config", ".gitignore", ".dvcignore"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    for name in ("data/import", "data/import_dna"):
        (folder / name / "README.md").write_bytes((ROOT / name / "README.md").read_bytes())
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--force", "models/tracks/best_params.yaml"], cwd=folder, check=True)
    commit(folder, "Small project")
    return folder


def environment(**more: str) -> dict[str, str]:
    """This process's own Python and this checkout's code, for a pipeline's stages."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "DVC_NO_ANALYTICS": "1", **more}


def contactlens(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "contactlens.cli.main", *arguments]


def dvc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def call(command: list[str], folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True)


def hashes(folder: Path) -> dict[str, str]:
    """Path -> hash of everything that a stage wrote, as dvc.lock has it."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
