"""`contactlens reproduce`: the stage of an MLflow run, run again in a temporary clone, and its metrics compared.

The checkout, its DVC cache and the user's MLflow store are only read.
"""

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from contactlens.base.errors import InputError
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.runs.origin import CHANGES, RunOrigin, clone_at, fetch_inputs, read_origin
from contactlens.ops.runs.provenance import dvc_hash, lock_hash
from contactlens.ops.runs.tracking import PARAMS_ARTIFACT, SQLITE, raw_client
from contactlens.ops.workspace import pipeline_environment

CODE = ("pipelines/", "src/")


class Compared(NamedTuple):
    metric: str
    original: float
    reproduced: float
    agrees: bool


@dataclass(frozen=True)
class Reproduction:
    """metrics: those of the second run; warnings: what was not as it was for the first, a line each."""

    origin: RunOrigin
    metrics: Mapping[str, float]
    warnings: list[str]

    def compared(self, rtol: float) -> list[Compared]:
        """Every metric of either run; one that a run lacks is NaN and does not agree."""
        first, second = self.origin.metrics, self.metrics
        rows = []
        for name in sorted({*first, *second}):
            a, b = first.get(name, math.nan), second.get(name, math.nan)
            same = math.isclose(a, b, rel_tol=rtol) or (math.isnan(a) and math.isnan(b))
            rows.append(Compared(name, a, b, same and name in first and name in second))
        return rows


def reproduce(run_id: str, root: Path, folder: Path, allow_changes: bool = False) -> Reproduction:
    """Run the stage of `run_id` again in `folder`, new or empty, from the commit, parameters and inputs of that run.

    root: the checkout whose git history and DVC cache or remotes hold them; inputs that DVC does not have are made
        again by the stages before

    Raises InputError where the run does not say where it came from, its code can't be had, or a stage fails.
    """
    origin = read_origin(run_id)
    clone_at(root, origin.git_commit, folder, allow_changes)
    (folder / PARAMS_ARTIFACT).write_text(origin.params, encoding="utf-8")
    (folder / "dvc.lock").unlink(missing_ok=True)
    store = f"{SQLITE}{folder}/mlflow.db"
    _run_again(origin, root, folder, store)
    return Reproduction(origin, _metrics_of(origin, store), _warnings(origin, root, folder))


def _run_again(origin: RunOrigin, root: Path, folder: Path, store: str) -> None:
    stages = read_yaml(folder / "dvc.yaml")["stages"]
    needed = {*origin.inputs, *_data_of(stages.get(origin.stage, {}))}
    producers = {path: name for name, one in stages.items() for path in _outputs_of(one) if path in needed}
    fetched = fetch_inputs({path: origin.inputs[path] for path in producers if path in origin.inputs}, root, folder)
    repro = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    commands = []
    if before := sorted({name for path, name in producers.items() if path not in fetched}):
        commands.append([*repro, *before])
    if origin.stage in stages:
        commands.append([*repro, "--force", "--single-item", origin.stage])
    elif (folder / "pipelines" / f"{origin.stage}.py").is_file():
        commands.append([sys.executable, f"pipelines/{origin.stage}.py"])
    else:
        raise InputError(f"run {origin.run_id}: commit {origin.git_commit} has no stage {origin.stage}")
    environment = pipeline_environment(store)
    search = [str(folder / "src"), os.environ.get("PYTHONPATH", "")]  # the clone's code, not the installed one
    environment["PYTHONPATH"] = os.pathsep.join(part for part in search if part)
    for command in commands:
        if subprocess.run(command, cwd=folder, env=environment, check=False).returncode != 0:
            raise InputError(f"run {origin.run_id}: its stage could not be run again; what it said is above")


def _data_of(stage: Mapping[str, Any]) -> list[str]:
    """Dependencies of a stage but for code."""
    return [path for path in stage.get("deps", []) if not path.startswith(CODE)]


def _outputs_of(stage: Mapping[str, Any]) -> list[str]:
    entries = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [path for entry in entries for path in ([entry] if isinstance(entry, str) else entry)]


def _metrics_of(origin: RunOrigin, store: str) -> Mapping[str, float]:
    client = raw_client(store)
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.pipeline_stage = '{origin.name}'")
    metrics: Mapping[str, float] = found[0].data.metrics
    return metrics


def _warnings(origin: RunOrigin, root: Path, folder: Path) -> list[str]:
    found = []
    if origin.git_commit.endswith(CHANGES):
        found.append("the run's code had changes that were never committed; this is the commit without them")
    if (lock := lock_hash(root)) != origin.lock_sha256:
        found.append(f"requirements.lock is not the run's: {lock[:12]} here, {origin.lock_sha256[:12]} there")
    for path, content in origin.inputs.items():
        if dvc_hash(folder / path) != content:
            found.append(f"{path} is not the run's: {dvc_hash(folder / path)} here, {content} there")
    return found
