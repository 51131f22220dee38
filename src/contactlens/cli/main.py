"""Learn which moments of closeness to an enhancer, and which DNA motifs, switch a gene on, and how sure that is."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from contactlens.base.errors import InputError, message_of
from contactlens.cli import dna as cli_dna
from contactlens.cli import dna_questions as _dna_questions  # noqa: F401 (registers its commands)
from contactlens.cli import options, predict
from contactlens.cli import radius as cli_radius
from contactlens.cli import tracks as cli_tracks
from contactlens.cli.track_import import File, Interval, with_mapping, write_import
from contactlens.ops.redaction import redacted  # contactlens.ops switches the libraries' telemetry off

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
tracks = typer.Typer(help="Enhancer-promoter tracks.", no_args_is_help=True)
app.add_typer(options.imports, name="import")
app.add_typer(tracks, name="tracks")
app.add_typer(cli_dna.dna, name="dna")


@options.imports.command("tracks")
@with_mapping
def import_tracks(
    file: File,
    mapping: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Folder to write the track set to.")] = Path("data/import/tracks"),
    frame_interval: Interval = None,
) -> None:
    """Read tracks from a file of any lab, say what was understood, and write a track set."""
    write_import(file, out, mapping, frame_interval)


@tracks.command("run")
@with_mapping
def run_tracks(
    mapping: dict[str, Any],
    file: Annotated[Path | None, typer.Argument(help="Import this file first and run on it.")] = None,
    task: cli_tracks.TaskName = None,
    model: cli_tracks.ModelName = None,
    profile: options.Profiles = None,
    set_: options.Settings = None,
    workspace: options.Workspace = None,
    stage: options.Stage = None,
    frame_interval: Interval = None,
) -> None:
    """Run the tracks branch with DVC, then bring the MLflow registry up to date.

    With --task or --model in a workspace named after them, unless --workspace names another.
    """

    def fill(folder: Path) -> None:
        if file:
            write_import(file, folder / "data" / "import" / "tracks", mapping, frame_interval)

    system = cli_tracks.system_overlay(task, model)
    own = [{"tracks": {"source": "import"}}] if file else []
    folder = workspace or cli_tracks.workspace_of(task, model, set_)
    options.run_branch("tracks", profile, set_, folder, stage, system=system, own=own, fill=fill if file else None)


tracks.command("import")(import_tracks)
tracks.command("check")(cli_tracks.check)
tracks.command("predict")(with_mapping(predict.predict_tracks))
tracks.command("states")(with_mapping(predict.states_of_tracks))
tracks.command("explain")(with_mapping(predict.explain_tracks))
tracks.command("systems")(cli_tracks.systems)
tracks.command("published-states")(cli_tracks.published_states)
tracks.command("gallery")(cli_tracks.gallery)


@tracks.command("radius")
@with_mapping
def radius_of_tracks(
    mapping: dict[str, Any],
    file: Annotated[Path | None, typer.Argument(help="A file of tracks, or a track set's folder.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the posterior, the tables and the verdict.")] = Path("radius"),
    profile: options.Profiles = None,
    set_: options.Settings = None,
    frame_interval: Interval = None,
    joint: Annotated[
        bool, typer.Option("--joint", help="One radius and rate for all groups of --group, and a test of that.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="No file: what interval a planned experiment would give.")
    ] = False,
    tracks: Annotated[int | None, typer.Option(help="Of the planned experiment.")] = None,
    frames: Annotated[int | None, typer.Option(help="Of each planned track.")] = None,
    interval: Annotated[float | None, typer.Option(help="Seconds between planned frames.")] = None,
    radii: Annotated[str, typer.Option(help="True radii to plan for, in nm, separated by commas.")] = "60,100,200",
    repeats: Annotated[int, typer.Option(help="Planned experiments at each radius.")] = 2,
) -> None:
    """Measure below which distance the promoter switches on: a radius with its interval, or why there is none."""
    if plan:
        planned = {"n_tracks": tracks, "n_frames": frames, "frame_interval_s": interval}
        cli_radius.plan_experiment(out, profile, set_, planned, radii, repeats)
    else:
        cli_radius.measure_file(cli_radius.require_file(file), mapping, frame_interval, out, profile, set_, joint)


@tracks.command("msd")
def msd_of_tracks(
    folder: Annotated[Path, typer.Argument(help="A track set's folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables, the figure and the report.")] = Path("msd"),
    min_lag: Annotated[int, typer.Option(help="Shortest lag of the straight line, in frames.")] = 1,
    max_lag: Annotated[int, typer.Option(help="Longest lag, of the line too, in frames.")] = 40,
    of_distance: Annotated[bool, typer.Option(help="Of the distance, which a turning nucleus leaves alone.")] = False,
    noise_nm: Annotated[
        float | None, typer.Option(help="Localisation noise per axis of the separation, where known; else fitted.")
    ] = None,
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates over tracks.")] = 1000,
    seed: int = 0,
) -> None:
    """Mean squared displacement of the separation at each lag, with intervals over tracks; for separation vectors the
    exponent, plateau, trap and localisation noise of largest likelihood; and a straight line through the logarithms."""
    import pandas as pd

    from contactlens.base.files import require_replaceable, write_aside
    from contactlens.ops.report import write_report
    from contactlens.tracks.data.motion import MOTION_REPLICATES, fit_motion
    from contactlens.tracks.data.msd import fit_power_law, mean_squared_displacement
    from contactlens.tracks.data.track_set import TrackSet
    from contactlens.tracks.report.figures.msd import with_power_law
    from contactlens.tracks.report.inputs import ReportInputs
    from contactlens.tracks.report.sections import tracks_report

    require_replaceable(out, ("msd.csv", "motion.csv", "report.html"))
    track_set = TrackSet.read(folder)
    msd = mean_squared_displacement(track_set, max_lag, replicates, seed, of_distance=of_distance)
    interval_s = track_set.frame_interval_s
    law = fit_power_law(msd, min_lag * interval_s, max_lag * interval_s)
    motion = None
    if track_set.driver.kind == "vector" and not of_distance:
        motion = fit_motion(track_set, min(replicates, MOTION_REPLICATES), seed, noise_nm)
    table = pd.DataFrame({"lag_s": msd.lag_s, "msd_nm2": msd.msd, "low": msd.low, "high": msd.high})
    table = with_power_law(table, law.prefactor, law.exponent)
    with write_aside(out) as aside:
        aside.mkdir()
        if motion is not None:
            table["polymer_nm2"] = motion.best.msd(msd.lag_s, noise=True)
            motion.table().to_csv(aside / "motion.csv", index=False)
        table.to_csv(aside / "msd.csv", index=False)
        inputs = ReportInputs.of(track_set, aside, aside)
        report = tracks_report(inputs, f"Motion of {track_set.source}", {"seed": str(seed)})
        write_report(report, aside / "report.html")
    if motion is not None:
        typer.echo(motion.summary())
    typer.echo(f"straight line: exponent {law.exponent:.3f} [{law.low:.3f}, {law.high:.3f}]; written to {out}")


@app.command()
def run(
    profile: options.Profiles = None,
    set_: options.Settings = None,
    workspace: options.Workspace = None,
    stage: options.Stage = None,
) -> None:
    """Run both branches with DVC, then bring the MLflow registry up to date."""
    options.run_branch(None, profile, set_, workspace, stage)


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check versions, hardware, cluster, stores and disk, and say what will be used; exit status 1 with a problem."""
    from rich.console import Console

    from contactlens.ops.doctor import as_json, as_table, diagnose

    checks = diagnose()
    if json:
        typer.echo(as_json(checks))
    else:
        Console().print(as_table(checks))
    raise typer.Exit(int(any(check.state == "problem" for check in checks)))


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; others reach this machine alone.")] = "127.0.0.1",
) -> None:
    """Open the MLflow UI of this project's store, on this machine alone unless --host says otherwise."""
    from contactlens.ops.runs.tracking import tracking_uri

    uri = tracking_uri()
    if uri.startswith(("http://", "https://")):
        raise InputError(f"{uri}: this server has a UI of its own; open that address in a browser")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # not an argument: those are seen by every user of the machine
    server = ["-m", "mlflow", "server", "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *server])


@app.command()
def reproduce(
    run_id: Annotated[str, typer.Argument(help="An MLflow run of a stage, a sweep or a registration.")],
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Run the commit although the run's code differed from it.")
    ] = False,
    rtol: Annotated[float, typer.Option(help="Relative difference up to which two metrics agree.")] = 1e-6,
) -> None:
    """Run the stage of an MLflow run again, from its code, parameters and data, and compare the metrics.

    Works in a temporary clone; exit status 1 where a metric disagrees.
    """
    from tempfile import TemporaryDirectory

    from contactlens.ops.runs.reproduce import reproduce as run_again
    from contactlens.ops.runs.reproduction_table import show
    from contactlens.ops.runs.tracking import project_root

    with TemporaryDirectory() as folder:
        done = run_again(run_id, project_root(), Path(folder) / "clone", allow_changes)
    raise typer.Exit(0 if show(done, rtol) else 1)


@app.command()
def store() -> None:
    """Try the remote that `dvc push` and `dvc pull` use: list it, write a small object, remove it again."""
    from contactlens.ops.remote import try_remote
    from contactlens.ops.runs.tracking import project_root

    typer.echo(f"{try_remote(project_root())}: can be read and written")


def main() -> None:
    """The console script: a user's mistake or a full disk is one message and exit status 1, not a traceback."""
    try:
        app()
    except Exception as error:
        message = message_of(error)
        if message is None:
            raise
        typer.echo(redacted(f"error: {message}"), err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
