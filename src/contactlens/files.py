"""Writing outputs so that a failure leaves nothing half-written under a final name."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def write_aside(final: Path | str) -> Iterator[Path]:
    """Give a path beside `final` to write a file or folder to; rename it into place if the body succeeds."""
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{final.name}.{os.getpid()}.partial")
    _remove(aside)
    try:
        yield aside
        if final.is_dir() and not final.is_symlink():
            shutil.rmtree(final)
        aside.replace(final)
    finally:
        _remove(aside)


def write_json(final: Path | str, content: Any) -> None:
    """Write `content` as JSON whose bytes depend on the content alone (keys sorted, NaN refused)."""
    with write_aside(final) as aside:
        aside.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    return json.loads(Path(path).read_text())
