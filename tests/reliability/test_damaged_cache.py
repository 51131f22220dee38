"""A byte that flipped in DVC's cache: DVC itself would take it for right, so this project looks for it."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contactlens.ops.runs.provenance import dvc_hash
from contactlens.ops.workspace import run_pipeline
from small_project import ROOT, call, dvc, environment, hashes, make_project

pytestmark = pytest.mark.slow
RECORD = Callable[[str, str, str], None]
SPLITS, DATA = "models/tracks/splits.json", "data/tracks"


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("cache") / "project")
    done = call(dvc("repro", "tracks_split"), folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(split: Path, tmp_path: Path) -> Path:
    """A copy; DVC hashes its files anew, since their inodes changed."""
    return shutil.copytree(split, tmp_path / "project")


def cached(project: Path, md5: str) -> Path:
    return project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def flip_a_byte(path: Path) -> None:
    """Change the content and leave its size and mode."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(mode)


def damage(project: Path, output: str) -> None:
    """Flip a byte of an output's file in the cache and have DVC check it out, which it does without a word."""
    file = project / output / "frames.parquet" if output == DATA else project / output
    entry = cached(project, dvc_hash(file))
    flip_a_byte(entry)
    shutil.rmtree(project / output) if output == DATA else file.unlink()
    assert call(dvc("checkout", output), project).returncode == 0
    assert file.read_bytes() == entry.read_bytes()
    assert dvc_hash(project / output) != hashes(project)[output]
    stage = "tracks_data" if output == DATA else "tracks_split"
    assert "modified" not in call(dvc("status", stage), project).stdout


@pytest.mark.parametrize("output", [SPLITS, DATA])
def test_a_run_removes_what_is_damaged_and_makes_it_anew(
    output: str, project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, record_fault: RECORD
) -> None:
    right = hashes(project)
    damage(project, output)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    assert run_pipeline(project, ROOT, stage="tracks_split") == 0
    said = capfd.readouterr()
    assert f"{output}: was damaged in DVC's cache and removed there; it is made anew\n" in said.err
    assert hashes(project) == right
    assert {path: dvc_hash(project / path) for path in right} == right
    record_fault(
        f"a byte flipped in DVC's cache, of {output}, and checked out",
        "DVC notices nothing; `contactlens run` names it, removes it and runs its stage again, to the same bytes",
        "one stage's time",
    )


def test_a_stage_that_dvc_starts_refuses_a_damaged_input(project: Path, record_fault: RECORD) -> None:
    right = hashes(project)
    damage(project, DATA)
    (project / "pipelines/tracks_split.py").open("a").write("# so that DVC runs it\n")
    refused = call(dvc("repro", "tracks_split"), project)
    assert refused.returncode != 0
    assert f"error: {DATA}: is not what the stage tracks_data wrote; the damaged copy in DVC's cache" in refused.stderr
    assert "Traceback" not in refused.stderr
    again = call(dvc("repro", "tracks_split"), project)
    assert again.returncode == 0, again.stderr
    assert hashes(project) == right
    assert {path: dvc_hash(project / path) for path in right} == right
    record_fault(
        "a byte flipped in DVC's cache under `dvc repro`",
        "the next stage refuses that input by name and removes the damaged copy; the same command again completes",
        "two stages' time",
    )


def test_a_truncated_input_of_a_stage_is_restored_by_dvc_or_explained_by_the_script(
    project: Path, record_fault: RECORD
) -> None:
    whole = (project / SPLITS).read_bytes()
    (project / SPLITS).write_bytes(whole[:100])
    by_hand = call([sys.executable, "pipelines/tracks_train.py"], project)
    assert by_hand.returncode == 1
    first, second = by_hand.stderr.splitlines()[-2:]
    assert first.startswith(f"error: {SPLITS}: not readable JSON, or cut short")
    assert second.endswith(f"`dvc checkout --force {SPLITS}` or `dvc repro tracks_split` brings that back")
    assert call(dvc("repro", "tracks_split"), project).returncode == 0
    assert (project / SPLITS).read_bytes() == whole
    record_fault(
        "truncated input of a stage",
        "`dvc repro` restores it; a script run by hand names it and the commands that restore it",
        "nothing",
    )
