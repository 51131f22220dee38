"""The arrows between rooms, and which modules a bare machine can import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "contactlens"
# Rooms of both branches, from the lowest up; a room may use those below it. `serving` stands beside `report`.
BRANCHES = {
    "tracks": ("data", "simulation", "models", "training", "radius", "explanation", "evaluation", "report"),
    "dna": ("data", "simulation", "models", "training", "explanation", "motifs", "evaluation", "report"),
}
SHARED = {"training", "attribution", "reporting", "expectations", "calibration", "base"}  # used by both branches
ALLOWED = {
    "base": {"base"},
    "calibration": {"calibration", "base"},
    **{room: {room, "calibration", "base"} for room in ("training", "attribution", "reporting", "expectations")},
    **{branch: {branch, *SHARED} for branch in BRANCHES},
    "ops": {"ops", *BRANCHES, *SHARED},
    "api": {"api", "ops", *BRANCHES, *SHARED},
    "cli": {"cli", "api", "ops", *BRANCHES, *SHARED},
}
HEAVY = {"mlflow", "ray", "dvc", "great_expectations"}


def imports(path: Path, module_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if module_level_only else list(ast.walk(tree))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "contactlens" and len(parts) > 1 and parts[1] in ALLOWED else None


def sources(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def test_every_folder_of_the_package_is_a_room() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))} <= set(ALLOWED)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    for branch, rooms in BRANCHES.items():
        found = {path.name for path in (PACKAGE / branch).iterdir() if path.is_dir() and any(path.glob("*.py"))}
        assert found <= {*rooms, "serving"}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_arrows_between_rooms_point_one_way(room: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imports(path)
        if room_of(module) and room_of(module) not in ALLOWED[room]
    }
    assert wrong == set()


@pytest.mark.parametrize("branch", sorted(BRANCHES))
def test_arrows_inside_a_branch_point_downwards(branch: str) -> None:
    rooms = BRANCHES[branch]
    below = {room: set(rooms[: i + 1]) for i, room in enumerate(rooms)}
    below["serving"] = {*rooms, "serving"} - {"report"}
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for room, allowed in below.items()
        for path in sources(f"{branch}/{room}")
        for module in imports(path)
        if module.startswith(f"contactlens.{branch}.") and module.split(".")[2] not in allowed
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_folder_can_be_taken_in_at_a_glance(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= 17  # sixteen and __init__.py


def test_ops_knows_the_branches_only_where_configuration_is_typed() -> None:
    users = {path.name for path in sources("ops") for m in imports(path) if room_of(m) in {"tracks", "dna"}}
    assert users <= {"sections.py", "plan.py"}  # plan.py: what the doctor says the configuration resolves to


@pytest.mark.parametrize("room", ["tracks", "dna", "training", "attribution", "calibration"])
def test_science_imports_no_operations_library_at_module_level(room: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imports(path, module_level_only=True)
        if module.split(".")[0] in HEAVY
    }
    assert wrong == set()


def test_nothing_in_the_library_imports_a_pipeline_or_the_command_line() -> None:
    for path in set(PACKAGE.rglob("*.py")) - set(sources("cli")):
        assert not {m for m in imports(path) if m.startswith(("pipelines", "contactlens.cli"))}, path


BARE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "pandas scipy sklearn pyarrow captum mlflow pydantic safetensors".split():
            raise ImportError(f"{name} is not on a bare machine")
sys.meta_path.insert(0, Refuse())
import contactlens.training.loop
import contactlens.tracks.training.fit, contactlens.tracks.models, contactlens.tracks.models.tasks
import contactlens.dna.training.fit, contactlens.dna.models.caduceus, contactlens.dna.training.pretrain
import contactlens.dna.explanation.methods.lrp
"""


def test_models_and_training_need_torch_and_numpy_alone() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_folder_holds_more_than_sixteen_files() -> None:
    counts = {folder: len(list(folder.glob("*.py"))) for folder in PACKAGE.rglob("*") if folder.is_dir()}
    assert {str(folder.relative_to(PACKAGE)): n for folder, n in counts.items() if n > 16} == {}
