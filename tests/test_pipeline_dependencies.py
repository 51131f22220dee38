"""Every stage declares the code that it runs: what it imports, and what that imports, is among its dependencies."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "contactlens"
# Of these rooms a change can change an output. Of `ops`, only what types the parameters and what chooses by the sweep
# does: the rest runs the stages. The registrations run every time anyway.
SCIENCE = {"tracks", "dna", "training", "attribution", "calibration", "expectations", "reporting", "base"}
DECIDING_OPERATIONS = ("contactlens.ops.params", "contactlens.ops.sweep")
EVERY_STAGE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = {name: stage for name, stage in EVERY_STAGE.items() if not stage.get("always_changed")}


def source_of(module: str) -> Path | None:
    path = ROOT / "src" / Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def imported(path: Path) -> frozenset[Path]:
    """Sources that can change an output and that a file imports, inside its functions too."""
    return frozenset(found for module in modules(path) if decides(module) and (found := source_of(module)))


def decides(module: str) -> bool:
    return module.split(".")[1] in SCIENCE or module.startswith(DECIDING_OPERATIONS)


def modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name for name in names if name.startswith("contactlens."))


def reached(path: Path) -> set[Path]:
    """What a file imports, directly or not. What the typed parameters import is theirs: each stage reads its own."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        one = waiting.pop()
        new = imported(one) - seen if PACKAGE / "ops" / "params" not in one.parents else frozenset()
        seen |= new
        waiting += new
    return seen


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_all_code_that_can_change_its_outputs(name: str) -> None:
    declared = [ROOT / path for path in STAGES[name]["deps"] if path.startswith("src/")]
    sources = reached(ROOT / "pipelines" / f"{name}.py")
    assert sources
    missing = {
        str(path.relative_to(PACKAGE))
        for path in sources
        if not any(path == one or one in path.parents for one in declared)
    }
    assert missing == set()


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_depends_on_exists(name: str) -> None:
    assert [
        path for path in STAGES[name]["deps"] if path.startswith(("src/", "pipelines/")) and not (ROOT / path).exists()
    ] == []


@pytest.mark.parametrize("name", EVERY_STAGE)
def test_no_shell_stays_between_dvc_and_a_stage(name: str) -> None:
    """A stage ends with its parent, which must be DVC and not the shell that DVC starts it through."""
    assert EVERY_STAGE[name]["cmd"] == f"exec python pipelines/{name}.py"


def test_only_the_report_runs_again_when_its_wording_changes() -> None:
    rooms = [PACKAGE / "reporting", PACKAGE / "tracks" / "report", PACKAGE / "dna" / "report"]
    declared = {name: [ROOT / path for path in stage["deps"]] for name, stage in STAGES.items()}
    for room in rooms:
        assert {name for name, paths in declared.items() if room in paths or PACKAGE in paths} == {"report"}, room


def test_the_lock_is_of_this_pipeline() -> None:
    """A whole dvc.lock: every stage, with the command and the outputs that dvc.yaml has."""
    locked = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    assert set(locked) == set(EVERY_STAGE)
    for name, stage in EVERY_STAGE.items():
        declared = {path_of(out) for kind in ("outs", "metrics") for out in stage.get(kind, [])}
        assert locked[name]["cmd"] == stage["cmd"] and {out["path"] for out in locked[name]["outs"]} == declared, name


def path_of(out: str | dict[str, object]) -> str:
    """An output of dvc.yaml: a path, or a path with its settings."""
    return out if isinstance(out, str) else next(iter(out))
