"""At the command line import says what it understood, asks at a terminal, and checks work in any folder."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from lab_tables import LAB, csv_of, lab_table, write
from typer.testing import CliRunner

from contactlens.cli import predict, track_import
from contactlens.cli.main import app
from contactlens.cli.radius import USUAL_SEED
from contactlens.tracks.data.config import CheckLimits
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.radius.config import RadiusConfig
from contactlens.tracks.simulation.config import SimulationConfig

PARAMS = Path(__file__).parents[2] / "params.yaml"
MAPPED = ["--track", "track", "--distance", "d", "--length-unit", "um", "--signal", "ms2"]


def said(*arguments: str | Path, status: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if status == 0:
        assert done.exception is None, done.exception
        return done.output
    assert done.exception is not None
    return str(done.exception)


@pytest.mark.parametrize("command", [("import", "tracks"), ("tracks", "import")])
def test_import_says_what_it_read_and_understood(tmp_path: Path, command: tuple[str, str]) -> None:
    path = write(tmp_path, csv_of(LAB, ";"))
    output = said(*command, path, "--out", tmp_path / "set", "--time", "t", *MAPPED)
    assert "lab.csv: 36 frames of 3 tracks from 36 rows" in output
    assert "cells are separated by ';'" in output
    assert "frame interval 30 s; longest track 5.5 min; 3 tracks in 3 groups" in output
    distance = TrackSet.read(tmp_path / "set").frames["ep_distance_nm"]
    assert len(distance) == 36
    quantiles = ", ".join(f"{distance.quantile(q):.4g}" for q in (0, 0.05, 0.5, 0.95, 1))
    assert f"E-P distance: {quantiles} nm" in output


def test_without_a_terminal_a_doubt_is_refused_and_may_be_accepted(tmp_path: Path) -> None:
    path, out = write(tmp_path, csv_of(LAB)), tmp_path / "set"
    message = said("import", "tracks", path, "--out", out, "--time", "frame", *MAPPED, status=1)
    assert "give --time-unit frame --frame-interval SECONDS, or --accept time-unit" in message
    assert not out.exists()
    assert "frame interval 1 s" in said(
        "import", "tracks", path, "--out", out, "--time", "frame", "--accept", "time-unit", *MAPPED
    )


class AModel:
    """It says of every frame that it was seen."""

    description = None

    def taken(self, tracks: TrackSet, resample: bool) -> TrackSet:
        return tracks

    def predict(self, tracks: TrackSet, levels: list[float]) -> pd.DataFrame:
        return tracks.frames[["track_id", "frame"]]


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("command", ["import", "predict"])
def test_at_a_terminal_somebody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, answer: bool
) -> None:
    asked: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None:
            pass

    def confirm(question: str, default: bool) -> bool:
        asked.append(question)
        return answer

    path, out = write(tmp_path, csv_of(LAB)), tmp_path / "set"
    monkeypatch.setattr(track_import.sys, "stdin", Terminal())
    monkeypatch.setattr(track_import.sys, "stdout", Terminal())
    monkeypatch.setattr(track_import.typer, "confirm", confirm)
    mapping = track_import.mapping_of(track="track", time="frame", distance="d", length_unit="um", signal="ms2")
    says = "is called 'frame', but is taken for seconds"
    with nullcontext() if answer else pytest.raises(ValueError, match=says):
        if command == "import":
            track_import.write_import(path, out, mapping, None)
        else:
            monkeypatch.setattr("contactlens.api.load.load_tracks", lambda _: AModel())
            predict.predict_tracks("a model", path, mapping, out.with_suffix(".csv"))
    assert out.exists() == (answer and command == "import")
    assert out.with_suffix(".csv").exists() == (answer and command == "predict")
    assert len(asked) == 1 and "Go on as it is?" in asked[0]


def test_checks_work_outside_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said("import", "tracks", write(tmp_path, csv_of(lab_table(frames=60))), "--out", "set", "--time", "t", *MAPPED)
    assert "expectations hold" in said("tracks", "check", "set")
    few = said("tracks", "check", "set", "--set", "tracks.checks.min_frames_per_track=61", status=1)
    assert "a track has at least 61 frames" in few
    assert "did you mean min_frames_per_track" in said(
        "tracks", "check", "set", "--set", "tracks.checks.min_frames=3", status=1
    )
    assert "only tracks.checks.NAME=VALUE counts" in said("tracks", "check", "set", "--set", "seed=3", status=1)
    assert "profiles belong to a checkout" in said("tracks", "check", "set", "--profile", "reduced", status=1)


def test_a_radius_outside_of_a_checkout_has_the_usual_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    track_set = lab_table(frames=60)
    said("import", "tracks", write(tmp_path, csv_of(track_set)), "--out", "set", "--time", "t", *MAPPED)
    measured = ("tracks", "radius", "set", "--out", "radius")
    few = said(*measured, "--set", "tracks.radius.samples=3", status=1)
    assert "tracks.radius.samples" in few and "dvc.yaml" not in few
    assert "only tracks.radius.NAME=VALUE and tracks.simulate.NAME=VALUE counts" in said(
        *measured, "--set", "tracks.checks.min_frames_per_track=3", status=1
    )
    done = CliRunner().invoke(app, [*measured, "--set", "tracks.simulate.ms2_dwell_s=333"])
    assert "dwell 333 s" in done.output and "at least 8" in str(done.exception)


def test_the_usual_settings_are_those_of_params_yaml() -> None:
    params = yaml.safe_load(PARAMS.read_text())
    assert params["tracks"]["checks"] == asdict(CheckLimits())
    usual = asdict(RadiusConfig())
    assert {**params["tracks"]["radius"], "radius_bounds_nm": usual["radius_bounds_nm"]} == usual
    assert params["tracks"]["radius"]["radius_bounds_nm"] == list(usual["radius_bounds_nm"])
    assert SimulationConfig(**params["tracks"]["simulate"]) == replace(SimulationConfig(), n_tracks=800)
    assert params["seed"] == USUAL_SEED
