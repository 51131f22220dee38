"""Workspaces: the same dvc.yaml run elsewhere, with other parameters or a user's own data."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.ops.doctor.machine import usable_cpus
from contactlens.ops.params import PARAMS_FILE, Params
from contactlens.ops.params.strict import from_mapping, load_section, overlay, read_yaml, suggestion
from contactlens.ops.processes import run_to_end
from contactlens.ops.runs.stored import outputs_of, remove_damaged
from contactlens.ops.runs.tracking import ensure_experiment, tracking_uri

# The sources are what dvc.yaml depends on, so DVC must find them; what runs is the installed package.
DVC_FILE = "dvc.yaml"
COPIED = (DVC_FILE, "pipelines", "src/contactlens")
IMPORTS = ("data/import", "data/import_dna")
Branch = Literal["tracks", "dna"]
BRANCHES: tuple[Branch, ...] = ("tracks", "dna")
LONGER: Branch = "dna"
NICE = ("nice", "-n", "10")
# Above these sizes glibc gives freed memory back to the system, and each of its pages is a fault when it is used again:
# 8 of 11 s of system time of the tracks' evaluation. The first is the largest that glibc takes.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**29)}
IMPORT = "import"  # the `source` of a branch whose data a command has imported
DVC_CONFIG = "[core]\n    analytics = false\n    no_scm = true\n"
YAML_WIDTH = 110


def create_workspace(
    folder: Path | str,
    overlays: Sequence[Mapping[str, Any] | Path | str],
    source_root: Path,
    branch: Branch | None = None,
) -> Path:
    """Make `folder` a DVC workspace of `source_root`'s pipeline; `overlays` go over params.yaml in turn.

    branch: whose stages, and report, the workspace has; both branches' where it is None
    A folder that is a workspace already keeps its data, outputs and cache; code and params are renewed.

    Raises InputError, and writes nothing, where an overlay is not understood or the folder holds more.
    """
    folder = Path(folder)
    if next(path for path in (folder, *folder.absolute().parents) if path.exists()).is_file():
        raise InputError(f"{folder}: is a file, or lies in one; give a new or empty folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".dvc").is_dir():
        raise InputError(f"{folder}: exists and is not a workspace; give a new or empty folder")
    params = overlaid(source_root / "params.yaml", overlays)
    for name in COPIED:
        _copy(source_root / name, folder / name)
    if branch is not None:
        _keep_branch(folder / DVC_FILE, branch)
    for name in IMPORTS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        _copy(source_root / name / "README.md", folder / name / "README.md")  # of an empty folder DVC warns
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc" / "config").write_text(DVC_CONFIG)
    _write_yaml(params, folder / "params.yaml")
    return folder


def _write_yaml(content: Any, path: Path) -> None:
    with write_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
        yaml = YAML()
        yaml.width = YAML_WIDTH
        yaml.dump(content, file)


def _keep_branch(path: Path, branch: Branch) -> None:
    """Drop the other branches' stages from a dvc.yaml, and their files and parameters from the stages that stay."""
    content = read_yaml(path)
    for other in (name for name in BRANCHES if name != branch):
        for name in [name for name in content["stages"] if name.startswith(f"{other}_")]:
            del content["stages"][name]
        for one in content["stages"].values():
            for kind in ("deps", "outs"):
                one[kind] = [path for path in one.get(kind, []) if other not in Path(path).parts]
            one["params"] = [key for key in one.get("params", []) if key.split(".")[0] != other]
    _write_yaml(content, path)


def imported_before(folder: Path | str) -> list[dict[str, Any]]:
    """What to lay over params.yaml so that a workspace goes on with the data that an earlier command imported into it,
    for each branch that has them; nothing for what is no workspace."""
    path = Path(folder) / "params.yaml"
    if not path.is_file() or not (Path(folder) / ".dvc").is_dir():
        return []
    params = read_yaml(path)
    return [{branch: {"source": IMPORT}} for branch in BRANCHES if params.get(branch, {}).get("source") == IMPORT]


def branches_of(folder: Path | str = ".") -> list[Branch]:
    """The branches whose stages the dvc.yaml in `folder` has."""
    stages = read_yaml(Path(folder) / DVC_FILE)["stages"]
    return [branch for branch in BRANCHES if any(name.startswith(f"{branch}_") for name in stages)]


def overlaid(base: Path, overlays: Sequence[Mapping[str, Any] | Path | str]) -> Any:
    """The params file `base`, comments kept, with all overlays; InputError unless it is valid as a whole.

    Messages name what was laid over the file: a profile by its path, a single value as `--set` takes it.
    """
    params = read_yaml(base)
    names = [_shown(extra) if isinstance(extra, Mapping) else str(extra) for extra in overlays]
    for name, extra in zip(names, overlays, strict=True):
        params = overlay(params, extra if isinstance(extra, Mapping) else read_yaml(extra), Params, name)
    if overlays:
        from_mapping(_unplaced(params), Params, "", f"{base.name} with {', '.join(names)}")
    else:
        from_mapping(params, Params, "", str(base))
    return params


def _unplaced(content: Any) -> Any:
    """The same without line numbers, which would be those of either file."""
    if isinstance(content, Mapping):
        return {key: _unplaced(value) for key, value in content.items()}
    return [_unplaced(value) for value in content] if isinstance(content, list) else content


def _shown(extra: Mapping[str, Any]) -> str:
    """`{"tracks": {"fit": {"amp": True}}}` as `tracks.fit.amp=true`."""
    keys, value = [], cast(Any, extra)
    while isinstance(value, Mapping) and len(value) == 1:
        (key,) = value
        keys.append(str(key))
        value = value[key]
    return f"{'.'.join(keys)}={json.dumps(value, default=str)}"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def setting(text: str) -> dict[str, Any]:
    """`tracks.fit.max_epochs=3` as the overlay {"tracks": {"fit": {"max_epochs": 3}}}; the value is YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: expected key=value, such as tracks.task=ep_to_ms2")
    try:
        nested: Any = YAML(typ="safe").load(value)
    except (YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or type(error).__name__
        raise InputError(f"--set {text}: the value is not YAML ({problem.splitlines()[0]})") from error
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    return nested


def run_pipeline(folder: Path, source_root: Path, stage: str | None = None, branch: Branch | None = None) -> int:
    """`dvc repro`, then the report into the registered versions' runs; its exit status.

    stage: only this one and what it needs
    branch: only the stages of this one, in a folder that has both, which leaves the report, about both, as it is
    Where no stage and no branch is named and there are two cores, the branches run side by side, each by a DVC of its
    own: no stage of one needs the other's before the report. The branch that takes longer by default has the cores
    first where both want them.
    What is damaged in DVC's cache is removed first, and said, so that DVC makes it anew.
    Stages find this process's own Python first on PATH, and log to the source checkout's MLflow store unless
    MLFLOW_TRACKING_URI names another.
    Raises InputError, before anything is started, for a params.yaml that is not valid and a stage that is not there.
    Raises KeyboardInterrupt on Ctrl-C, once all that was started has ended.
    """
    _check_before(folder, stage)
    store = tracking_uri(source_root.resolve())
    environment = pipeline_environment(store)
    for out in remove_damaged(outputs_of(folder), folder):
        print(f"{out.path}: was damaged in DVC's cache and removed there; it is made anew", file=sys.stderr)
    present = branches_of(folder)
    targets = [stage] if stage else _stages_of(folder, branch) if branch and len(present) > 1 else []
    steps = [[_repro(targets)]]
    if stage is None and not targets:
        if len(present) > 1 and usable_cpus() > 1:
            ensure_experiment(uri=store)  # two processes that make a store at once fail
            of_branches = {one: _stages_of(folder, one) for one in present}
            stages = read_yaml(folder / DVC_FILE)["stages"]
            rest = [name for name in stages if not any(name in names for names in of_branches.values())]
            side_by_side = [[*(() if one == LONGER else NICE), *_repro(names)] for one, names in of_branches.items()]
            steps = [side_by_side, [_repro(["--single-item", *rest])]]
        steps.append([[sys.executable, "pipelines/publish_report.py"]])
    for commands in steps:
        status = run_to_end(commands, folder, environment)
        if status != 0:
            return status
    return 0


def _check_before(folder: Path, stage: str | None) -> None:
    """DVC passes over stages that are up to date, and each stage that runs would refuse the parameters anew."""
    if (folder / PARAMS_FILE).is_file():
        load_section(folder / PARAMS_FILE, Params)
    stages = list(read_yaml(folder / DVC_FILE)["stages"])
    if stage is not None and stage not in stages:
        raise InputError(f"--stage {stage}: no such stage{suggestion(stage, stages)}")


def _repro(targets: Sequence[str]) -> list[str]:
    """Between stages DVC locks the whole folder; one waits there for the other."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *targets]


def pipeline_environment(store: str) -> dict[str, str]:
    """This process's environment with its own Python first on PATH and the MLflow store at the URI `store`.

    OpenMP's idle threads sleep, unless OMP_WAIT_POLICY is set: where the other branch has the core they spin for, a
    pre-training took four times the processor time. Freed memory is kept, as `KEPT_MEMORY` says.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"OMP_WAIT_POLICY": "passive", **KEPT_MEMORY, **os.environ, "PATH": path, "MLFLOW_TRACKING_URI": store}


def _stages_of(folder: Path, branch: Branch) -> list[str]:
    return [name for name in read_yaml(folder / DVC_FILE)["stages"] if name.startswith(f"{branch}_")]
