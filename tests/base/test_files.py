"""Outputs get their name whole, and an error of the disk is told from an error of the code."""

import os
from pathlib import Path

import pytest

from contactlens.base.errors import InputError, WriteError, message_of
from contactlens.base.files import read_json, write_aside, write_json


def test_content_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        seen.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        sync(handle)

    def replaced(self: Path, target: Path) -> Path:
        seen.append(f"renamed to {Path(target).name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with write_aside(tmp_path / "output") as aside:
        (aside / "inner").mkdir(parents=True)
        (aside / "inner" / "file").write_text("content")
    renamed = seen.index("renamed to output")
    assert set(seen[:renamed]) == {aside.name, "inner", "file"}
    assert seen[renamed + 1 :] == [tmp_path.name]


def test_a_failure_of_the_body_is_its_own_and_leaves_the_old_version(tmp_path: Path) -> None:
    write_json(tmp_path / "output.json", {"a": 1})
    with pytest.raises(ZeroDivisionError), write_aside(tmp_path / "output.json") as aside:
        aside.write_text("half")
        1 / 0  # noqa: B018
    with pytest.raises(FileNotFoundError) as missing, write_aside(tmp_path / "output.json"):
        (tmp_path / "input.json").read_text()
    assert message_of(missing.value) == f"{tmp_path}/input.json: no such file or directory"
    assert read_json(tmp_path / "output.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["output.json"]


def test_an_interrupted_swap_of_folders_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final, replace = tmp_path / "output", Path.replace
    final.mkdir()
    (final / "file").write_text("old")

    def interrupted(self: Path, target: Path) -> Path:
        if not self.name.endswith(".old.partial") and target == final:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), write_aside(final) as aside:
        aside.mkdir()
    assert (final / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_only_errors_that_are_the_user_s_to_mend_have_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as refused, write_aside(tmp_path / "file" / "output"):
        pass
    assert str(tmp_path / "file") in (message_of(refused.value) or "")
    assert message_of(InputError("bad")) == message_of(WriteError("bad")) == "bad"
    assert message_of(ValueError("bug")) is None
    assert message_of(OSError("no file in it")) is None
