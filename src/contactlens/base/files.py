"""Reading a user's files, and writing outputs so that a failure leaves nothing half-written under a final name."""

import errno
import json
import os
import shutil
import socket
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from contactlens.base.errors import InputError, WriteError

NOT_WRITTEN = ": could not be written, "
REFUSALS = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)
FULL_BELOW_BYTES = 2**16  # a writer that does not give its reason stopped for want of room, if less is left


def require_file(path: Path) -> None:
    """Raise InputError where there is no file that can be read."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise InputError(f"{path}: is a folder, where a file is expected")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise InputError(f"{path}: not readable ({_reason(error)})") from error


def require_replaceable(folder: Path | str, own: Collection[str]) -> None:
    """Raise InputError where replacing `folder` would lose other entries than its writer's `own`."""
    folder = Path(folder)
    if folder.is_file() or Path.cwd().is_relative_to(folder.resolve()):
        kind = "a file" if folder.is_file() else "or holds the present folder"
        raise InputError(f"{folder}: is {kind}; name a new folder to write to")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in own) if folder.is_dir() else []
    if foreign:
        raise InputError(
            f"{folder}: would be replaced, but holds {len(foreign)} other files or folders, such as {foreign[0]!r};"
            " name a new folder"
        )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def write_aside(final: Path | str) -> Iterator[Path]:
    """Give a path beside `final` to write a file or folder to; rename it into place if the body succeeds.

    What is written is on the disk before it gets its name, so a power cut leaves the old version or the new one, whole.

    Raises WriteError, which names `final`, where the disk is full or may not be written to.
    """
    shown, final = final, Path(final).absolute()
    final = final.resolve() if final.name == ".." else final
    mark = f".{final.name}.{socket.gethostname()}.{os.getpid()}"
    aside, old = final.with_name(f"{mark}.partial"), final.with_name(f"{mark}.old.partial")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _clear_up_after_the_killed(final)
        yield aside
        _sync(aside)
        if final.is_dir() and not final.is_symlink():
            final.replace(old)
        aside.replace(final)
        _sync_one(final.parent)
    except Exception as error:
        reason = _reason_of(error, aside)
        if reason is None:
            raise
        raise WriteError(f"{shown}{NOT_WRITTEN}{reason}") from error
    finally:
        if old.exists() and not final.exists():
            old.replace(final)
        for left in (aside, old):
            with suppress(OSError):
                _remove(left)


def _clear_up_after_the_killed(final: Path) -> None:
    """Remove what processes of this machine left beside `final` when they were killed.

    One killed between its two renames of a folder left the old version under another name; it gets its own back.
    """
    start = f".{final.name}.{socket.gethostname()}."
    for left in (path for path in final.parent.iterdir() if path.name.startswith(start)):
        pid = left.name.removeprefix(start).split(".")[0]
        if not pid.isdecimal() or (int(pid) != os.getpid() and _is_alive(int(pid))):
            continue
        if left.name.endswith(".old.partial") and not final.exists():
            left.replace(final)
        else:
            _remove(left)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    """Have the disk hold a file; of a folder, its listing and all that is in it."""
    for part in [path, *(path.rglob("*") if path.is_dir() else [])]:
        _sync_one(part)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError) if path.is_dir() else nullcontext():  # not every file system can sync a listing
            os.fsync(handle)
    finally:
        os.close(handle)


def _reason_of(error: Exception, aside: Path) -> str | None:
    """Why `aside` could not be written; None where that is not what went wrong."""
    code = getattr(error, "errno", None)
    if isinstance(error, WriteError):
        return str(error).partition(NOT_WRITTEN)[2]
    if isinstance(error, InputError) or (code and not _is_about(error, aside)):
        return None
    if code in (errno.ENOSPC, errno.EDQUOT) or (code is None and _is_full(aside.parent)):
        return "the disk is full; free some space and run the same command again"
    return os.strerror(code).lower() if code in REFUSALS else None


def _is_about(error: Exception, aside: Path) -> bool:
    """Whether an OS error is about writing `aside`, and not about a file that was read for it."""
    name = getattr(error, "filename", None)
    if name is None:
        return True
    path = Path(os.fsdecode(name))
    return path.is_relative_to(aside) or aside.is_relative_to(path)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL_BELOW_BYTES
    except OSError:
        return False


def write_json(final: Path | str, content: Any) -> None:
    """Write `content` as JSON whose bytes depend on the content alone (keys sorted, NaN refused)."""
    with write_aside(final) as aside:
        aside.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Raises InputError where the file is not JSON, or was cut short."""
    try:
        return json.loads(Path(path).read_text())
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON, or cut short ({error})") from error
