"""A stage's first and last line, and its one message where it fails."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from contactlens.base.errors import InputError
from contactlens.ops.stage import StageFiles, stage

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pipelines/tracks_train.py"])
    return tmp_path


def test_the_first_line_says_what_it_starts_from_and_the_last_what_it_wrote(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(lambda: print("at work"), lambda params: params.tracks.fit)
    first, work, last = capsys.readouterr().out.splitlines()
    files = StageFiles.of("tracks_train")
    inputs = f"data/tracks and {len(files.inputs) - 1} more"
    assert re.fullmatch(rf"tracks_train: from {inputs}; (cpu|cuda), 1 thread, seed 20240607", first)
    assert work == "at work"
    outputs = rf"models/tracks/\S+( and {len(files.outputs) - 1} more)?"
    assert re.fullmatch(rf"tracks_train: wrote {outputs} in \d+ s", last)


@pytest.mark.parametrize("name", yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
def test_both_lines_of_every_stage_fit_on_a_line_of_a_terminal(
    name: str, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [f"pipelines/{name}.py"])
    stage(lambda: None, lambda params: params.tracks.fit)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_a_mistake_is_one_message_and_no_last_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise InputError("frames.parquet: column ms2: missing")

    with pytest.raises(SystemExit) as ended:
        stage(fails)
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert err == "error: frames.parquet: column ms2: missing\n"
    assert "wrote" not in out


def test_metrics_count_as_outputs_and_sources_not_as_inputs(project: Path) -> None:
    files = StageFiles.of("tracks_evaluate")
    assert "reports/tracks/metrics.json" in files.outputs
    assert not [path for path in files.inputs if path.startswith(("src", "pipelines"))]


def test_a_script_that_is_no_dvc_stage_has_no_files(project: Path) -> None:
    assert StageFiles.of("publish_report") == StageFiles()


def test_bad_parameters_are_one_message(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "params.yaml").write_text("sed: 1\n")
    with pytest.raises(SystemExit):
        stage(lambda: None)
    assert "params.yaml: line 1: sed: unknown key; did you mean seed?" in capsys.readouterr().err
