"""A workspace runs the source's own dvc.yaml with other parameters, and leaves the source as it is."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from contactlens.base.errors import InputError
from contactlens.ops import workspace
from contactlens.ops.workspace import create_workspace, run_pipeline, setting


@dataclass(frozen=True)
class Numbers:
    count: int
    scale: float


@dataclass(frozen=True)
class ToyParams:
    seed: int
    numbers: Numbers


DVC = """\
stages:
  tracks_make:
    cmd: python pipelines/make.py
    deps: [pipelines/make.py, src/contactlens/code.py, data/import]
    params: [seed, numbers]
    outs: [out.txt]
"""
SCRIPT = """\
import os, sys
from pathlib import Path
from ruamel.yaml import YAML
params = YAML(typ="safe").load(Path("params.yaml"))
store = os.environ["MLFLOW_TRACKING_URI"]
Path("out.txt").write_text(f"{params['numbers']['count']} {sys.executable} {store}")
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workspace, "Params", ToyParams)
    root = tmp_path / "source"
    for name, text in {
        "dvc.yaml": DVC,
        "params.yaml": "seed: 1  # of everything\nnumbers:\n  count: 100  # tracks\n  scale: 1e-3\n",
        "pipelines/make.py": SCRIPT,
        "src/contactlens/code.py": "A = 1\n",
        "src/contactlens/__pycache__/code.pyc": "x",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def content(root: Path) -> dict[str, str]:
    return {str(p): hashlib.md5(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()}


def test_overlays_are_laid_over_in_turn_and_comments_stay(source: Path, tmp_path: Path) -> None:
    before = content(source)
    profile = tmp_path / "reduced.yaml"
    profile.write_text("numbers: {count: 10}\n")
    folder = create_workspace(tmp_path / "w", [profile, {"numbers": {"scale": 0.5}}, {"seed": 3}], source)
    text = (folder / "params.yaml").read_text()
    assert text == "seed: 3  # of everything\nnumbers:\n  count: 10   # tracks\n  scale: 0.5\n"
    assert (folder / "dvc.yaml").read_text() == DVC
    assert (folder / "data" / "import").is_dir()
    assert not list(folder.rglob("__pycache__"))
    assert content(source) == before


def test_a_workspace_is_brought_up_to_date_and_keeps_its_data(source: Path, tmp_path: Path) -> None:
    folder = create_workspace(tmp_path / "w", [{"seed": 2}], source)
    (folder / "data" / "import" / "mine.csv").write_text("data")
    (folder / "pipelines" / "gone.py").write_text("")
    (source / "src" / "contactlens" / "code.py").write_text("A = 2\n")
    create_workspace(folder, [], source)
    assert (folder / "data" / "import" / "mine.csv").read_text() == "data"
    assert (folder / "src" / "contactlens" / "code.py").read_text() == "A = 2\n"
    assert not (folder / "pipelines" / "gone.py").exists()
    assert "seed: 1 " in (folder / "params.yaml").read_text()


def test_a_wrong_overlay_writes_nothing(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^numbers.coun=1: numbers.coun: unknown key; did you mean count\?"):
        create_workspace(tmp_path / "w", [{"numbers": {"coun": 1}}], source)
    with pytest.raises(InputError, match=r"numbers.count: should be a valid integer, got 'many'"):
        create_workspace(tmp_path / "w", [{"numbers": {"count": "many"}}], source)
    assert not (tmp_path / "w").exists()


def test_a_folder_with_other_things_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("words")
    with pytest.raises(InputError, match="exists and is not a workspace"):
        create_workspace(tmp_path / "home", [], source)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.tex"]


def test_a_setting_is_an_overlay() -> None:
    assert setting("tracks.fit.max_epochs=3") == {"tracks": {"fit": {"max_epochs": 3}}}
    assert setting("a.b=[1e-3, x]") == {"a": {"b": [0.001, "x"]}}
    with pytest.raises(InputError, match="expected key=value"):
        setting("tracks.fit.max_epochs")


def test_parameters_and_stage_are_checked_before_anything_is_started(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(workspace, "run_to_end", lambda *arguments: started.append(arguments) or 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(InputError, match=r"^--stage tracks_mkae: no such stage; did you mean tracks_make\?$"):
        run_pipeline(source, source, "tracks_mkae")
    (source / "params.yaml").write_text("seed: 1\nsede: 2\nnumbers: {count: 1, scale: 0.5}\n")
    for stage in (None, "tracks_make"):
        with pytest.raises(InputError, match=r"params\.yaml: line 2: sede: unknown key; did you mean seed\?$"):
            run_pipeline(source, source, stage)
    assert started == []
    (source / "params.yaml").unlink()  # a pipeline without parameters
    assert run_pipeline(source, source, "tracks_make") == 0
    assert len(started) == 1


@pytest.mark.slow
def test_dvc_runs_in_the_workspace_with_this_python_and_the_source_store(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    before = content(source)
    folder = create_workspace(source / "workspaces" / "w", [{"numbers": {"count": 5}}], source)
    assert run_pipeline(folder, source, "tracks_make") == 0
    count, python, store = (folder / "out.txt").read_text().split()
    assert count == "5"
    assert Path(python).parent == Path(sys.executable).parent
    assert store == f"sqlite:///{source.resolve()}/mlflow.db"
    assert {path: digest for path, digest in content(source).items() if "workspaces" not in path} == before

    written = (folder / "out.txt").stat().st_mtime_ns
    create_workspace(folder, [{"numbers": {"count": 5}}], source)
    assert run_pipeline(folder, source, "tracks_make") == 0
    assert (folder / "out.txt").stat().st_mtime_ns == written  # nothing changed, so nothing ran
    create_workspace(folder, [{"numbers": {"count": 6}}], source)
    assert run_pipeline(folder, source, "tracks_make") == 0
    assert (folder / "out.txt").read_text().startswith("6 ")

    (folder / "pipelines" / "publish_report.py").write_text("open('published', 'w').close()")
    assert run_pipeline(folder, source) == 0
    assert (folder / "published").exists()  # it follows the whole pipeline
    (folder / "pipelines" / "make.py").write_text("raise SystemExit(1)")
    assert run_pipeline(folder, source, "tracks_make") != 0


SIDE_BY_SIDE = """\
stages:
  tracks_make: {cmd: python pipelines/meet.py tracks dna, deps: [pipelines/meet.py], outs: [tracks]}
  dna_make: {cmd: python pipelines/meet.py dna tracks, deps: [pipelines/meet.py], outs: [dna]}
  report: {cmd: cat tracks dna > report, deps: [tracks, dna], outs: [report]}
"""
MEET = """\
import os, sys, time
from pathlib import Path
own, other = sys.argv[1:]
Path(own + ".here").touch()
end = time.monotonic() + 60
while not Path(other + ".here").exists() and time.monotonic() < end:
    time.sleep(0.01)
Path(own).write_text(f"{own} met {Path(other + '.here').exists()} at niceness {os.nice(0)}\\n")
"""


@pytest.mark.slow
def test_the_branches_run_side_by_side_before_the_report(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr(workspace, "usable_cpus", lambda: 2)
    (source / "dvc.yaml").write_text(SIDE_BY_SIDE)
    (source / "pipelines" / "meet.py").write_text(MEET)
    (source / "pipelines" / "publish_report.py").write_text("open('published', 'w').close()")
    folder = create_workspace(tmp_path / "w", [], source)
    assert run_pipeline(folder, source) == 0
    own = os.nice(0)
    niceness = {"tracks": min(own + 10, 19), "dna": own}
    met = [f"{branch} met True at niceness {nice}\n" for branch, nice in niceness.items()]
    assert (folder / "report").read_text() == "".join(met)
    assert (folder / "published").exists()
    assert set(YAML(typ="safe").load(folder / "dvc.lock")["stages"]) == {"tracks_make", "dna_make", "report"}

    (folder / "pipelines" / "meet.py").write_text(MEET.replace("sys.argv[1:]", "sys.argv[1:]; sys.exit(own == 'dna')"))
    (folder / "published").unlink()
    assert run_pipeline(folder, source) != 0  # and no report of half of it
    assert not (folder / "published").exists()
