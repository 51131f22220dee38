"""Whether DVC's remote can be used, in a message that names it."""

import uuid
from pathlib import Path

from contactlens.base.errors import InputError


def try_remote(folder: Path | str = ".") -> str:
    """Name and address of the default remote, after a small object was written there, listed and removed.

    Raises InputError, with both and the reason, where one of these fails or there is no remote.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        try:
            remote = repo.cloud.get_remote()
        except DvcException as error:
            raise InputError(f"{folder}: DVC has no default remote ({error})") from error
        named = f"DVC remote {remote.name!r} at {remote.fs.unstrip_protocol(remote.path)}"
        probe = remote.fs.join(remote.path, f"try-{uuid.uuid4().hex}")
        try:
            remote.fs.makedirs(remote.path, exist_ok=True)
            remote.fs.pipe_file(probe, b"contactlens")
            remote.fs.ls(remote.path, detail=False)
            remote.fs.remove(probe)
        except Exception as error:  # each kind of store raises its own
            raise InputError(f"{named}: {_root_cause(error)}") from error
    return named


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
