"""Whether a command line of the documentation is one that its program takes, found out by that program's own parser."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from contactlens.cli.main import app

ROOT = Path(__file__).parents[1]
# Programs that are not installed here, or only change the shell: their lines are not checked.
OUTSIDE = {
    "hf": "the hub's own client",
    "sudo": "of the system",
    **dict.fromkeys(("source", "export", "read", "umask", "cat"), "of the shell"),
}


def check(words: list[str]) -> None:
    """Raise where the program would refuse the words."""
    if words[0] not in OUTSIDE:
        CHECKS[words[0]](words[1:])


def leaf(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words left for it."""
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if getattr(command, "commands", None) and words and not words[0].startswith("-"):
        raise LookupError(f"{words[0]}: no such command; known are {', '.join(command.commands)}")
    return command, words


def contactlens(words: list[str]) -> None:
    command, rest = leaf(typer.main.get_command(app), words)
    if rest not in ([], ["--help"]):  # without any, a command is spoken of by its name
        command.make_context("contactlens", list(rest))  # types, choices, unknown and missing flags


def make(words: list[str]) -> None:
    """A dry run: knows targets, runs nothing."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "-n", "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def mlflow(words: list[str]) -> None:
    from mlflow.cli import cli
    from mlflow.projects._project_spec import load_project

    command, rest = leaf(cli, words)
    if not rest:
        return  # without any words, a command is spoken of by its name
    context = command.make_context("mlflow", list(rest))
    if words[0] == "run":
        assert context.params["entry_point"] in load_project(str(ROOT))._entry_points


def dvc(words: list[str]) -> None:
    from dvc.cli import parse_args

    parse_args(words)


def python(words: list[str]) -> None:
    if words[0] != "-m":
        compile((ROOT / words[0]).read_text(), words[0], "exec")


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "contactlens": contactlens,
    "make": make,
    "mlflow": mlflow,
    "dvc": dvc,
    "python": python,
}
