"""Reading a user's files, and writing outputs so that a failure leaves nothing half-written under a final name."""

import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from contactlens.errors import InputError


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

    Raises InputError where `final` can't be written.
    """
    final = Path(final).absolute()
    final = final.resolve() if final.name == ".." else final
    aside = final.with_name(f".{final.name}.{os.getpid()}.partial")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove(aside)
        yield aside
        if final.is_dir() and not final.is_symlink():
            shutil.rmtree(final)
        aside.replace(final)
    except OSError as error:
        if _is_of(error, final, aside):
            raise InputError(f"{final}: can't be written ({_reason(error)})") from error
        raise
    finally:
        with suppress(OSError):
            _remove(aside)


def _is_of(error: OSError, final: Path, aside: Path) -> bool:
    """Whether it is the writing that failed, and not a read or something else in between."""
    place = Path(str(error.filename))
    return place in (final, aside, *final.parents) or aside in place.parents


def write_json(final: Path | str, content: Any) -> None:
    """Write `content` as JSON whose bytes depend on the content alone (keys sorted, NaN refused)."""
    with write_aside(final) as aside:
        aside.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    return json.loads(Path(path).read_text())
