"""Where results are written to: what can't be written is one message, and no one's files are replaced."""

import errno
import os
from pathlib import Path

import pytest
from window_inputs import BED, RECORDS, fasta

from contactlens.base.errors import InputError, WriteError
from contactlens.base.files import require_file, write_aside
from refusal import fill, refused_in_one_line, run, tree

TRACKS = ("import", "tracks", "@t.csv", "--track", "cell", "--time", "t", "--distance", "d", "--length-unit", "nm")
REGIONS = ("import", "regions", "@p.bed", "--genome", "@g.fa", "--window-bp", 100)
PLACES = {
    "@mine": "mine: would be replaced, but holds 2 other files or folders, such as 'notes'",
    "@file": "file: is a file; name a new folder to write to",
    "@file/below": "file/below: could not be written, file exists",
    "@here/..": "..: is or holds the present folder",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = "cell,t,d\na,0,100\na,30,200\n"
    fill(tmp_path, {"t.csv": table, "p.bed": BED, "g.fa": fasta(RECORDS), "file": "x"})
    fill(tmp_path, {"mine/thesis.txt": "years of work", "mine/notes/1.txt": "more"})
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize("command", [TRACKS, REGIONS], ids=["tracks", "dna"])
@pytest.mark.parametrize("place", PLACES)
def test_no_one_else_s_files_are_replaced(folder: Path, command: tuple[object, ...], place: str) -> None:
    assert PLACES[place] in refused_in_one_line(folder, *command, "--out", place)


@pytest.mark.parametrize("command", [TRACKS, REGIONS], ids=["tracks", "dna"])
def test_the_present_folder_is_not_replaced(folder: Path, command: tuple[object, ...]) -> None:
    assert ".: is or holds the present folder" in refused_in_one_line(folder, *command, "--out", ".")


@pytest.mark.parametrize("command", [TRACKS, REGIONS], ids=["tracks", "dna"])
def test_an_earlier_result_is_replaced(folder: Path, command: tuple[object, ...]) -> None:
    (folder / "out").mkdir()
    assert run(folder, *command, "--out", "@out")[0] == 0
    before = tree(folder / "out")
    assert run(folder, *command, "--out", "@out")[0] == 0
    assert tree(folder / "out") == before


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    says = {
        "": "is a folder",
        "none": "no such file",
        "gone": "no such file",
        "loop": "not readable",
        "\0": "not readable",
    }
    for name, problem in says.items():
        with pytest.raises(InputError, match=problem):
            require_file(tmp_path / name)
    require_file(Path(__file__))


def test_a_failure_to_write_is_told_from_one_to_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_aside(tmp_path / "out"):
        (tmp_path / "other").read_text()
    with pytest.raises(PermissionError, match="other"), write_aside(tmp_path / "out"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "other"))
    with (
        pytest.raises(WriteError, match="out: could not be written, input/output error"),
        write_aside(tmp_path / "out"),
    ):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert list(tmp_path.iterdir()) == []
