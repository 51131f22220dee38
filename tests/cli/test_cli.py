"""The command line: what a user types, what they read, and what is left on disk."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from contactlens.base.errors import InputError
from contactlens.cli.main import app, main
from contactlens.tracks.data.track_set import TrackSet

ROOT = Path(__file__).parents[2]
FLAGS = ["--track", "cell", "--time", "t", "--scalar", "knirps", "--driver-unit", "a.u.", "--signal", "spot"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [(cell, "e1", 20.0 * i, 5.0 + i, 100.0 * i) for cell in "ab" for i in range(6)]
    path = tmp_path / "lab.csv"
    pd.DataFrame(rows, columns=["cell", "embryo", "t", "knirps", "spot"]).to_csv(path, index=False)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["contactlens", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_import_writes_a_track_set_and_says_what_it_kept(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["import", "tracks", str(table), "--out", str(out), "--group", "embryo", *FLAGS])
    assert result.exit_code == 0, result.output
    assert "12 frames of 2 tracks from 12 rows" in result.output
    track_set = TrackSet.read(out)
    assert (track_set.driver.unit, track_set.frame_interval_s, track_set.source) == ("a.u.", 20.0, "lab.csv")
    assert set(track_set.frames["group"]) == {"e1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((), "name the columns that hold the track and the time"),
        (("--track", "cel", "--time", "t", "--distance", "knirps", "--length-unit", "nm"), "cell"),
        ((*FLAGS, "--time-unit", "fortnight"), "fortnight"),
    ],
)
def test_bad_input_is_one_message_a_non_zero_status_and_no_output(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, ...],
    message: str,
) -> None:
    assert run(monkeypatch, "import", "tracks", table, "--out", tmp_path / "out", *change) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab.csv"]


def test_other_parameters_need_a_workspace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert run(monkeypatch, "tracks", "run", "--set", "seed=3") == 1
    assert "--workspace" in capsys.readouterr().err


def test_unknown_profile_lists_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match=r"known are .*reduced"):
        CliRunner().invoke(
            app,
            ["tracks", "run", "--profile", "redcued", "--workspace", str(tmp_path / "w")],
            catch_exceptions=False,
        )
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("flags", "task", "model", "registered", "folder"),
    [
        (["--task", "ms2_to_ms2_vae"], "ms2_to_ms2_vae", "bernoulli_vae", "contactlens-ms2_to_ms2_vae", None),
        (["--model", "transformer"], "ep_to_ms2", "transformer", "contactlens-tracks", None),
        (["--task", "toy", "--model", "unet"], "toy", "unet", "contactlens-toy", "elsewhere"),
    ],
)
def test_a_system_is_named_by_its_task_and_model(
    flags: list[str],
    task: str,
    model: str,
    registered: str,
    folder: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contactlens.ops import workspace
    from contactlens.ops.params import load_params
    from contactlens.ops.runs import tracking

    ran: list[Path] = []
    monkeypatch.setattr(workspace, "run_pipeline", lambda at, *_: ran.append(at.resolve()) or 0)
    monkeypatch.setattr(tracking, "project_root", lambda: ROOT)
    monkeypatch.chdir(tmp_path)
    where = ["--workspace", folder] if folder else []
    assert run(monkeypatch, "tracks", "run", *flags, *where) == 0
    assert ran == [tmp_path / folder if folder else tmp_path / "workspaces" / "-".join(flags[1::2])]
    own = load_params(ran[0] / "params.yaml").tracks
    assert (own.task, own.model.name, own.promotion.registered_model) == (task, model, registered)


def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    where = ["--workspace", tmp_path / "w"]
    assert run(monkeypatch, "tracks", "run", "--task", "ms2_to_ms2_vae", "--model", "unet", *where) == 1
    assert "unet does not fit task ms2_to_ms2_vae; fitting: bernoulli_vae" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_every_profile_fits_the_parameters(tmp_path: Path) -> None:
    from contactlens.ops.workspace import create_workspace

    profiles = sorted((ROOT / "profiles").glob("*.yaml"))
    assert profiles
    for profile in profiles:
        folder = create_workspace(tmp_path / profile.stem, [profile], ROOT)
        assert (folder / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()


# Not pydantic: typer itself reads flags with it.
HEAVY = "torch mlflow ray dvc pandas numpy scipy sklearn numba pyarrow captum matplotlib great_expectations"
HELP = f"""
import sys
from contactlens.cli.main import main
for page in sys.argv[1:]:
    sys.argv[1:] = [*page.split(), "--help"]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, page
    print("imported:", page, *sorted(set("{HEAVY}".split()) & set(sys.modules)))
"""
PAGES = ["", "run", "import", "tracks", "dna", "tracks run", "tracks radius", "dna attribute", "doctor", "ui"]


def test_help_imports_nothing_heavy() -> None:
    """One page after the other, so that an import is that of the first page that has it."""
    done = subprocess.run([sys.executable, "-c", HELP, *PAGES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == len(PAGES)
    imported = [line for line in done.stdout.splitlines() if line.startswith("imported:")]
    assert imported == [f"imported: {page}" for page in PAGES]


def test_help_begins_with_what_the_tool_does() -> None:
    said = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    assert "Learn which moments of closeness to an enhancer" in said and "library call" not in said


def test_a_run_with_an_unknown_key_is_refused_once_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".dvc").mkdir()
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("sead: 1\n")
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "run") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.endswith("sead: unknown key; did you mean seed?\n")
    assert said.count("\n") == 1


def test_msd_writes_table_figure_and_report(tmp_path: Path) -> None:
    from contactlens.tracks.simulation.simulate import SimulationConfig, simulate

    simulate(SimulationConfig(n_tracks=30, n_frames=61), 0).write(tmp_path / "tracks")
    out = tmp_path / "msd"
    result = CliRunner().invoke(
        app,
        [
            "tracks",
            "msd",
            str(tmp_path / "tracks"),
            "--out",
            str(out),
            "--replicates",
            "50",
            "--min-lag",
            "2",
            "--max-lag",
            "8",
        ],
    )
    assert result.exit_code == 0, result.output
    assert {"msd.csv", "motion.csv", "msd.png", "report.html"} <= {path.name for path in out.iterdir()}
    assert "localisation noise" in result.output
    motion = pd.read_csv(out / "motion.csv").set_index("quantity")
    assert motion.loc["exponent", "low"] < 0.5 < motion.loc["exponent", "high"]
    curve = pd.read_csv(out / "msd.csv")
    assert curve["lag_s"].tolist() == [30.0 * k for k in range(1, 9)]
    assert ((curve["low"] <= curve["msd_nm2"]) & (curve["msd_nm2"] <= curve["high"])).all()


def test_check_takes_the_limits_of_params_with_changes(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "out"
    assert run(monkeypatch, "import", "tracks", table, "--out", out, "--group", "embryo", *FLAGS) == 0
    assert run(monkeypatch, "tracks", "check", out) == 1
    assert "expected that a track has at least 50 frames" in capsys.readouterr().err
    few = ["--set", "tracks.checks.min_frames_per_track=2", "--set", "tracks.checks.max_saturated_fraction=1.0"]
    assert run(monkeypatch, "tracks", "check", out, *few) == 0
    assert "expectations hold" in capsys.readouterr().out
