"""What a user sees whose input is refused: one message, a non-zero status, and every file as it was."""

import contextlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest

from contactlens.cli.main import main

INDEXES = {".fai", ".gzi"}  # of a FASTA, which any reader may leave beside it


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file (its bytes) and folder (None) below `folder`, without the indexes of FASTA files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.suffix not in INDEXES
    }


def fill(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def run(folder: Path, *command: object) -> tuple[int, str, str]:
    """Status, output and messages of a command; an argument that begins with @ is a path below `folder`."""
    arguments = [str(folder / part[1:]) if part.startswith("@") else part for part in map(str, command)]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "argv", ["contactlens", *arguments]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def refused(folder: Path, *command: object) -> str:
    """The message of a command that must be refused, and must leave `folder` as it is."""
    before = tree(folder)
    code, out, message = run(folder, *command)
    assert (code, out) == (1, ""), f"status {code}: {out}{message}"
    assert message.startswith("error: ") and message.count("error: ") == 1, message
    assert tree(folder) == before, "something was written, or lost"
    return message.removeprefix("error: ").removesuffix("\n")


def refused_in_one_line(folder: Path, *command: object) -> str:
    message = refused(folder, *command)
    assert "\n" not in message, message
    return message
