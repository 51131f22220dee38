"""DVC: the remote, the cache, and whether dvc.lock is of these parameters."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contactlens.base.errors import InputError
from contactlens.ops.doctor.check import Check, first_line
from contactlens.ops.doctor.reach import PORTS, unreachable
from contactlens.ops.params.strict import read_yaml
from contactlens.ops.runs.stored import outputs_of

REMOTE, CACHE, LOCK = "data store", "data cache", "dvc.lock"
SHOWN = 6


def examine(root: Path) -> list[Check]:
    if not (root / ".dvc").is_dir():
        return [Check(REMOTE, "warning", f"{root}: no DVC project", "run it in a checkout or a workspace")]
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo(str(root))
    except DvcException as error:
        return [Check(REMOTE, "problem", f"{root}: {first_line(error)}", "check .dvc/config and .dvc/config.local")]
    return [remote(repo), cache(Path(repo.cache.local.path)), lock(root)]


def remote(repo: Any) -> Check:
    from dvc.config import NoRemoteError

    try:
        store = repo.cloud.get_remote()
    except NoRemoteError:
        return Check(REMOTE, "ok", "no remote: data stay in this folder")
    except Exception as error:  # the plug-in of a scheme raises its own where it, or its package, is missing
        return Check(REMOTE, "problem", first_line(error), "pip install 'contactlens[cluster]', or fix .dvc/config")
    fs, named = store.fs, f"remote {store.name}: {store.fs.unstrip_protocol(store.path)}"
    if why := _dead_host(repo.config["remote"][store.name]):
        return Check(REMOTE, "problem", f"{named} cannot be reached: {why}", "check the address, and that it is up")
    try:
        there = fs.exists(store.path)
        reached = there or fs.protocol == "local" or fs.exists(fs.parts(store.path)[0])
    except Exception as error:  # botocore, aiohttp and paramiko raise their own
        return Check(REMOTE, "problem", f"{named}: {first_line(error)}", "check the address, and the log-in to it")
    if not reached:
        return Check(
            REMOTE,
            "problem",
            f"{named}: no such bucket or host",
            "make it, or fix the address (`dvc remote list`)",
        )
    if there:
        return Check(REMOTE, "ok", f"{named}: can be reached")
    fill = "`dvc push` fills it" if _cached(Path(repo.cache.local.path)) else "no output here to push yet"
    remedy = f"{fill}; or fix the address, which `dvc remote list` shows"
    return Check(REMOTE, "warning", f"{named}: nothing there", remedy)


def _dead_host(settings: Mapping[str, Any]) -> str | None:
    """Asked first: the libraries of the stores try again for a minute, and then call the bucket missing."""
    parts = urlsplit(settings.get("endpointurl") or settings["url"])
    if parts.scheme not in PORTS:
        return None
    return unreachable(parts.hostname or "", parts.port or PORTS[parts.scheme])


def cache(folder: Path) -> Check:
    sizes = [path.stat().st_size for path in _cached(folder)]
    return Check(CACHE, "ok", f"{folder}: {len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB")


def _cached(folder: Path) -> list[Path]:
    """The files of a cache, which may not be there."""
    return [path for path in folder.rglob("*") if path.is_file()]


def lock(root: Path) -> Check:
    """The parameters that dvc.lock notes for each stage beside those of params.yaml, and which outputs are here."""
    if not (root / LOCK).is_file():
        return Check(LOCK, "warning", "no dvc.lock: nothing has been run here", "make run")
    try:
        stages, params = read_yaml(root / LOCK).get("stages", {}), read_yaml(root / "params.yaml")
        declared = read_yaml(root / "dvc.yaml")["stages"]
    except InputError as error:
        return Check(LOCK, "problem", str(error), "restore the file: git checkout params.yaml dvc.yaml dvc.lock")
    never = [name for name in declared if name not in stages]
    changed = [name for name, stage in stages.items() if name in declared and _differs(stage, params)]
    missing = {out.stage for out in outputs_of(root) if not (root / out.path).exists()}
    lost = [name for name in declared if name in missing]
    if not never and not changed and not lost:
        return Check(LOCK, "ok", f"all {len(declared)} stages have been run with the present parameters")
    kinds = {"parameters changed for": changed, "never run:": never, "outputs not in this folder of": lost}
    said = "; ".join(f"{kind} {_listed(names)}" for kind, names in kinds.items() if names)
    return Check(LOCK, "warning", said, "make run brings them up to date")


def _differs(stage: Mapping[str, Any], params: Any) -> bool:
    noted = stage.get("params", {}).get("params.yaml", {})
    return any(_canonical(value) != _value(params, key) for key, value in noted.items())


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _value(params: Any, dotted: str) -> str | None:
    for key in dotted.split("."):
        if not isinstance(params, Mapping) or key not in params:
            return None
        params = params[key]
    return _canonical(params)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
