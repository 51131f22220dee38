"""What a release consists of agrees with itself, and every dependency states its licence."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml

import contactlens

ROOT = Path(__file__).parents[1]


def test_version_changelog_and_citation_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## \[(\S+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest is not None
    assert project["version"] == contactlens.__version__ == citation["version"] == newest[1]
    assert str(citation["date-released"]) == newest[2]
    assert project["license"] == citation["license"] == "MIT"


def test_every_locked_package_states_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(ROOT / ".ci" / "licences.py"))
    assert script["main"]() == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == len(list(script["locked"](ROOT / "requirements.lock"))) > 100
    assert any(re.fullmatch(r"torch +\S+ +.*BSD-3-Clause.*", line) for line in listed)


def test_a_package_that_is_not_there_fails_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(ROOT / ".ci" / "licences.py"))
    (tmp_path / "lock").write_text("# pinned\nno-such-package==1.0\n")
    assert script["main"](tmp_path / "lock") == 1
    assert capsys.readouterr().err == "licences: no-such-package: not installed\n"
