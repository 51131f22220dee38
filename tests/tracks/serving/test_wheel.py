"""The wheel works without the repository: an installed copy has the commands and predicts from a model's folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import contactlens

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel alone was installed into; it was built from a copy."""
    folder = tmp_path_factory.mktemp("release")
    source = folder / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, cwd=folder)
    shutil.rmtree(source)
    [wheel] = folder.glob("*.whl")
    assert wheel.name == f"contactlens-{contactlens.__version__}-py3-none-any.whl"
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel)], check=True
    )
    return folder / "site"


def run_installed(installed: Path, *words: str, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, *words], env=environment, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_alone_has_the_commands(installed: Path, tmp_path: Path) -> None:
    printed = run_installed(installed, str(installed / "bin" / "contactlens"), "--help", cwd=tmp_path)
    assert {"tracks", "dna", "run", "doctor"} <= set(re.findall(r"\w+", printed))
    assert (installed / "contactlens" / "py.typed").is_file()


@pytest.mark.slow
def test_the_wheel_alone_predicts_from_a_models_folder(installed: Path, served, tmp_path: Path) -> None:
    served.new.frames.to_csv(tmp_path / "tracks.csv", index=False)
    found = tmp_path / "found.csv"
    command = "from contactlens.cli.main import main; main()"
    flags = ["--track", "track_id", "--time", "time_s", "--vector", "ep_x_nm,ep_y_nm,ep_z_nm", "--length-unit", "nm"]
    words = ["tracks", "predict", str(served.folder), str(tmp_path / "tracks.csv"), *flags, "--out", str(found)]
    run_installed(installed, "-c", command, *words, cwd=tmp_path)
    assert len(found.read_text().splitlines()) == 1 + len(served.new.frames)
    place = run_installed(installed, "-c", "import contactlens; print(contactlens.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(installed)
