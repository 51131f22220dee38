"""What stages wrote, held against the hashes in dvc.lock, since DVC checks out of its cache without looking."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contactlens.base.errors import InputError
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.runs.provenance import dvc_hash

if TYPE_CHECKING:
    from dvc.cachemgr import HashFileDB

LOCK_FILE = "dvc.lock"
FOLDER_SUFFIX = ".dir"


@dataclass(frozen=True)
class Output:
    """What `stage` wrote to `path`, by the hash in dvc.lock."""

    stage: str
    path: str
    md5: str


def outputs_of(folder: Path | str = ".") -> list[Output]:
    """The outputs of all stages that have been run in `folder`."""
    lock = Path(folder) / LOCK_FILE
    stages = read_yaml(lock).get("stages", {}) if lock.is_file() else {}
    return [Output(name, out["path"], out["md5"]) for name, one in stages.items() for out in one.get("outs", [])]


def changed_inputs(stage: str, folder: Path | str = ".") -> list[Output]:
    """Inputs of `stage` that another stage wrote and that are something else now."""
    folder = Path(folder)
    deps = [Path(dep) for dep in read_yaml(folder / "dvc.yaml")["stages"].get(stage, {}).get("deps", [])]
    used = [out for out in outputs_of(folder) if any(Path(out.path).is_relative_to(dep) for dep in deps)]
    return [out for out in used if not (folder / out.path).exists() or dvc_hash(folder / out.path) != out.md5]


def require_unchanged_inputs(stage: str, folder: Path | str = ".") -> None:
    """Raises InputError where an input of `stage` is not what dvc.lock says; DVC then sees that too."""
    changed = changed_inputs(stage, folder)
    damaged = remove_damaged(changed, folder)
    for out in changed:
        _show_dvc(Path(folder) / out.path)
    if damaged:
        again = "the damaged copy in DVC's cache was removed; the same command again makes it anew"
        raise InputError(f"{damaged[0].path}: is not what the stage {damaged[0].stage} wrote; {again}")
    if changed:
        raise InputError(how_to_restore(changed[0]))


def how_to_restore(out: Output) -> str:
    ways = f"`dvc checkout --force {out.path}` or `dvc repro {out.stage}` brings that back"
    return f"{out.path}: is not what the stage {out.stage} wrote; {ways}"


def remove_damaged(outputs: Iterable[Output], folder: Path | str = ".") -> list[Output]:
    """Remove what is damaged in DVC's cache and give the outputs it belongs to; DVC looks at those again."""
    outputs = list(outputs)
    if not outputs:
        return []
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        entries = {out: list(_damaged_entries(repo.cache.local, out.md5)) for out in outputs}
    for path in {path for paths in entries.values() for path in paths}:
        path.unlink()
    damaged = [out for out, paths in entries.items() if paths]
    for out in damaged:
        _show_dvc(Path(folder) / out.path)
    return damaged


def _damaged_entries(cache: "HashFileDB", md5: str) -> Iterator[Path]:
    """Files of the cache, of an output with this hash, whose content is not what they are named after."""
    path = Path(cache.oid_to_path(md5))
    if not path.is_file():
        return
    if dvc_hash(path) != md5.removesuffix(FOLDER_SUFFIX):
        yield path
    elif md5.endswith(FOLDER_SUFFIX):
        for one in json.loads(path.read_text()):
            yield from _damaged_entries(cache, one["md5"])


def _show_dvc(path: Path) -> None:
    """DVC hashes a file again only where its time has changed."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if file.is_file():
            os.utime(file)
