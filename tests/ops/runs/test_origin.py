"""The inputs of an earlier run, from what DVC has kept of them."""

import shutil
import subprocess
import sys
from pathlib import Path

from contactlens.ops.runs.origin import fetch_inputs
from contactlens.ops.runs.provenance import dvc_hash


def test_an_input_comes_from_the_cache_and_takes_the_place_of_another(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "folder"
    (root / "data").mkdir(parents=True)
    (root / "data" / "numbers.txt").write_text("1 2 3")
    for command in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "data"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=root, check=True, capture_output=True)
    content = dvc_hash(root / "data")
    shutil.rmtree(root / "data")
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "other.txt").write_text("4")
    inputs = {"data": content, "lost": "0" * 32}
    assert fetch_inputs(inputs, root, folder) == {"data"}
    assert [path.name for path in (folder / "data").iterdir()] == ["numbers.txt"]
    assert (folder / "data" / "numbers.txt").read_text() == "1 2 3" and not (folder / "lost").exists()
