"""What an MLflow run says of where it came from, and the same code, parameters and data in a folder of their own."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.ops.runs.provenance import dvc_hash
from contactlens.ops.runs.tracking import PARAMS_ARTIFACT, PARENT_TAG, mlflow_client, tracking_uri

CHANGES = "+changes"
INPUT_TAG = "dvc/"
SCRATCH_CONFIG = "[core]\n    analytics = false\n    no_scm = true\n"


@dataclass(frozen=True)
class RunOrigin:
    """inputs: path -> DVC hash; params: the text of its params.yaml; name: the stage's within its experiment."""

    run_id: str
    experiment: str
    name: str
    git_commit: str
    lock_sha256: str
    inputs: Mapping[str, str]
    params: str
    metrics: Mapping[str, float]

    @property
    def stage(self) -> str:
        return f"{self.experiment}_{self.name}"


def read_origin(run_id: str) -> RunOrigin:
    """The origin of a stage's run in the present store; InputError where it does not tell."""
    from mlflow.exceptions import MlflowException

    client = mlflow_client()
    try:
        run = client.get_run(run_id)
        experiment = client.get_experiment(run.info.experiment_id).name
    except MlflowException as error:
        raise InputError(f"run {run_id}: not in the store {tracking_uri()} ({str(error).splitlines()[0]})") from None
    tags = run.data.tags
    if "trial" in tags:
        raise InputError(f"run {run_id}: a trial; its sweep can be reproduced as a whole, run {tags[PARENT_TAG]}")
    if missing := [tag for tag in ("pipeline_stage", "git_commit", "lock_sha256") if tag not in tags]:
        raise InputError(f"run {run_id}: carries no tag {', '.join(missing)}; no stage of this pipeline made it")
    with tempfile.TemporaryDirectory() as folder:
        try:
            params = Path(client.download_artifacts(run_id, PARAMS_ARTIFACT, folder)).read_text(encoding="utf-8")
        except (MlflowException, OSError):
            raise InputError(f"run {run_id}: does not hold its {PARAMS_ARTIFACT}") from None
    inputs = {tag.removeprefix(INPUT_TAG): text for tag, text in tags.items() if tag.startswith(INPUT_TAG)}
    commit, lock = tags["git_commit"], tags["lock_sha256"]
    return RunOrigin(run_id, experiment, tags["pipeline_stage"], commit, lock, inputs, params, run.data.metrics)


def clone_at(root: Path, commit: str, folder: Path, allow_changes: bool) -> None:
    """A clone of the checkout `root` at `commit` in `folder`; the checkout is only read."""
    if commit.endswith(CHANGES) and not allow_changes:
        raise InputError(
            f"the run's code was commit {commit.removesuffix(CHANGES)} with changes that were never committed, so it "
            "can't be had again; --allow-changes runs the commit without them"
        )
    wanted = commit.removesuffix(CHANGES)
    clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder)]
    checkout = ["git", "-C", str(folder), "checkout", "--quiet", "--detach", wanted]
    for command in (clone, checkout):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise InputError(f"{root}: git has no commit {wanted} ({done.stderr.strip().splitlines()[-1]})")


def fetch_inputs(inputs: Mapping[str, str], root: Path, folder: Path) -> set[str]:
    """Put each input whose content DVC has, in a cache of `root` or its workspaces or in a remote, into `folder`."""
    fetched = set()
    with tempfile.TemporaryDirectory() as scratch:
        remotes = _scratch_repo(Path(scratch), root)
        for path, content in inputs.items():
            if any(_pull(Path(scratch), path, content, remote) for remote in remotes):
                target = folder / path
                shutil.rmtree(target, ignore_errors=True)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(scratch) / path, target)
                fetched.add(path)
    return fetched


def _scratch_repo(scratch: Path, root: Path) -> list[str]:
    """A DVC repository that reads the caches and the remotes of `root` as its remotes; their names."""
    from dvc.config import Config
    from dvc.repo import Repo

    (scratch / ".dvc").mkdir()
    (scratch / ".dvc" / "config").write_text(SCRATCH_CONFIG)
    with Repo(str(root)) as source:
        own_cache, remotes = Path(source.cache.local.path).parents[1], source.config["remote"]
        known = {name: {**remote, "url": str(remote["url"])} for name, remote in remotes.items()}
    caches = [own_cache, *sorted(root.glob("workspaces/*/.dvc/cache"))]
    found = {f"cache{i}": {"url": str(cache)} for i, cache in enumerate(caches) if cache.is_dir()} | known
    with Config(str(scratch / ".dvc")).edit("repo") as config:
        config["remote"] = found
    return list(found)


def _pull(scratch: Path, path: str, content: str, remote: str) -> bool:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    file = scratch / "input.dvc"
    file.write_text(f"outs:\n- md5: {content}\n  hash: md5\n  path: {path}\n")
    try:
        with Repo(str(scratch)) as repo:
            repo.pull(targets=[str(file)], remote=remote)
    except (DvcException, OSError):
        return False
    return (scratch / path).exists() and dvc_hash(scratch / path) == content
