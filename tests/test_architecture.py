"""The arrows between rooms, and which modules a bare machine can import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "contactlens"
ROOMS = {"tracks", "dna", "ops", "attribution", "calibration", "expectations"}
ALLOWED = {
    "attribution": {"attribution"},
    "calibration": {"calibration"},
    "expectations": {"expectations"},
    "tracks": {"tracks", "attribution", "calibration", "expectations"},
    "dna": {"dna", "attribution", "calibration", "expectations"},
    "ops": {"ops", "tracks", "dna", "calibration"},
}
HEAVY = {"mlflow", "ray", "dvc", "great_expectations"}


def imports(path: Path, module_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if module_level_only else list(ast.walk(tree))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "contactlens" and len(parts) > 1 and parts[1] in ROOMS else None


def sources(room: str) -> list[Path]:
    folder = PACKAGE / room
    return (
        sorted(folder.rglob("*.py"))
        if folder.is_dir()
        else [PACKAGE / f"{room}.py"] * (PACKAGE / f"{room}.py").exists()
    )


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_arrows_between_rooms_point_one_way(room: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imports(path)
        if room_of(module) and room_of(module) not in ALLOWED[room]
    }
    assert wrong == set()


def test_ops_knows_the_branches_only_where_configuration_is_typed() -> None:
    users = {path.name for path in sources("ops") for m in imports(path) if room_of(m) in {"tracks", "dna"}}
    assert users <= {"params.py", "plan.py"}  # plan.py: what the doctor says the configuration resolves to


@pytest.mark.parametrize("room", ["tracks", "dna", "attribution", "calibration"])
def test_science_imports_no_operations_library_at_module_level(room: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(room)
        for module in imports(path, module_level_only=True)
        if module.split(".")[0] in HEAVY
    }
    assert wrong == set()


def test_nothing_in_the_library_imports_a_pipeline_or_the_command_line() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not {m for m in imports(path) if m.startswith(("pipelines", "contactlens.cli"))}, path


BARE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "pandas scipy sklearn pyarrow captum mlflow pydantic safetensors".split():
            raise ImportError(f"{name} is not on a bare machine")
sys.meta_path.insert(0, Refuse())
import contactlens.tracks.fit, contactlens.tracks.models, contactlens.tracks.tasks
import contactlens.dna.fit, contactlens.dna.caduceus, contactlens.dna.pretrain, contactlens.dna.lrp
"""


def test_models_and_training_need_torch_and_numpy_alone() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
