"""Hashes of inputs are those that DVC itself computes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contactlens.ops.runs import provenance as provenance_module
from contactlens.ops.runs.provenance import code_hash, dvc_hash, git_commit, provenance


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name, text in {"b.txt": "two", "a/z.txt": "one", "a.txt": "three", "a-b/c.txt": "four"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_hash_of_a_file_is_its_md5(data: Path) -> None:
    assert dvc_hash(data / "b.txt") == hashlib.md5(b"two").hexdigest()


@pytest.mark.slow
def test_hash_of_a_folder_is_the_one_in_dvc_lock(data: Path) -> None:
    (data.parent / ".dvc").mkdir()
    (data.parent / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    stage = {"stages": {"copy": {"cmd": "touch out", "deps": ["data"], "outs": ["out"]}}}
    (data.parent / "dvc.yaml").write_text(yaml.safe_dump(stage))
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=data.parent, check=True)
    lock = yaml.safe_load((data.parent / "dvc.lock").read_text())
    assert lock["stages"]["copy"]["deps"][0]["md5"] == dvc_hash(data)


def test_tags_name_the_inputs_and_follow_their_content(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data.parent)
    before = provenance(7, ["data", "data/b.txt"])
    assert set(before) == {"git_commit", "lock_sha256", "seed", "dvc/data", "dvc/data/b.txt"}
    assert before["seed"] == "7"
    (data / "b.txt").write_text("changed")
    after = provenance(7, ["data", "data/b.txt"])
    assert {key for key in before if before[key] != after[key]} == {"dvc/data", "dvc/data/b.txt"}


def test_code_hash_is_stable_and_depends_on_the_part() -> None:
    assert code_hash("ops") == code_hash("ops")
    assert len({code_hash(), code_hash("ops"), code_hash("ops", "base/files.py"), code_hash("base/files.py")}) == 4
    with pytest.raises(FileNotFoundError, match="nowhere"):
        code_hash("ops", "nowhere")


def test_commit_is_a_commit_or_unknown() -> None:
    assert git_commit() == "unknown" or len(git_commit().removesuffix("+changes")) == 40


def test_a_run_that_wrote_dvc_lock_has_not_changed_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "src" / "contactlens"
    package.mkdir(parents=True)
    monkeypatch.setattr(provenance_module, "PACKAGE", package)
    for path in (package / "code.py", tmp_path / "dvc.lock"):
        path.write_text("a")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "dvc.lock").write_text("b")
    assert len(git_commit()) == 40
    (package / "code.py").write_text("b")
    assert git_commit().endswith("+changes")
