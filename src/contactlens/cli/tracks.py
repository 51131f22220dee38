"""Commands on systems of the tracks branch: one by its task and model, or all beside each other."""

from pathlib import Path
from typing import Annotated, Any

import typer

from contactlens.cli import options

TaskName = Annotated[str | None, typer.Option("--task", help="A row of the table of docs/systems.md.")]
ModelName = Annotated[str | None, typer.Option("--model", help="The first that fits the task if left out.")]


HEADLINES = "headlines.png"
SYSTEMS_FILES = ("systems.csv", "systems.md", HEADLINES, "headlines.csv")


def system_overlay(task: str | None, model: str | None) -> list[dict[str, Any]]:
    """What --task and --model change in params.yaml; a system that is not the default has a name of its own in the
    registry, since it is not promoted against the others."""
    from contactlens.tracks.models.architectures import default_model
    from contactlens.tracks.models.tasks import task_named

    if task is None:
        return [{"tracks": {"model": {"name": model}}}] if model else []
    name = f"contactlens-{task}"
    kinds = ("promotion", "state_promotion", "loading_promotion")
    promotion = {kind: {"registered_model": name} for kind in kinds}
    chosen = model or default_model(task_named(task))
    return [{"tracks": {"task": task, "model": {"name": chosen}, **promotion}}]


def workspace_of(task: str | None, model: str | None, settings: list[str] | None = None) -> Path | None:
    """Where a system runs if no workspace is named, one folder for each of its changes; None for the checkout."""
    named = [name for name in (task, model) if name]
    changed = [text.split(".")[-1].replace("=", "_") for text in settings or []]
    return Path("workspaces", "-".join([*named, *changed])) if named else None


def check(
    folder: Annotated[Path, typer.Argument(help="A track set's folder.")],
    profile: options.Profiles = None,
    set_: options.Settings = None,
) -> None:
    """Check a track set with Great Expectations, within the limits of params.yaml, or the usual ones where none is."""
    from contactlens.tracks.data.checks import validate_tracks
    from contactlens.tracks.data.track_set import TrackSet

    limits = options.track_limits(profile, set_)
    result = validate_tracks(TrackSet.read(folder), limits, str(folder / "frames.parquet"))
    typer.echo(f"{folder}: all {len(result.results)} expectations hold")


def systems(
    profile: options.Profiles = None,
    set_: options.Settings = None,
    out: Annotated[Path, typer.Option(help="Folder for systems.csv, systems.md and the figure headlines.png.")] = Path(
        "systems"
    ),
    page: Annotated[Path | None, typer.Option(help="Also write the table here, such as docs/systems.md.")] = None,
) -> None:
    """Train and evaluate every system of systems.yaml, without a sweep, on one common simulated set of tracks."""
    import pandas as pd

    from contactlens.base.files import require_replaceable, write_aside
    from contactlens.base.progress import counted
    from contactlens.ops.progress import progress_shown
    from contactlens.ops.runs.tracking import project_root
    from contactlens.ops.systems import SYSTEMS_FILE, load_systems, params_of
    from contactlens.reporting.files import replace_marked
    from contactlens.tracks.data.split import split_tracks
    from contactlens.tracks.evaluation.systems import System, markdown_table, run_system
    from contactlens.tracks.report import figures
    from contactlens.tracks.simulation.simulators import simulate_by

    require_replaceable(out, SYSTEMS_FILES)
    root = project_root()
    overlays = options.overlays_of(profile, set_, root)
    if page is not None:
        replace_marked(page.read_text(), "systems", "", str(page))  # refused now, not after half an hour
    tables, done, simulated = [], [], {}
    with progress_shown("systems"):
        for row in counted(load_systems(root / SYSTEMS_FILE), "systems"):
            params = params_of(row, root / "params.yaml", overlays)
            own, seed = params.tracks, params.seed
            simulator = own.resolved_task.simulator
            if simulator not in simulated:
                tracks = simulate_by(simulator, own.simulate, own.toy, seed)
                simulated[simulator] = tracks, split_tracks(tracks, own.split, seed)
            flags = "".join([f" --profile {name}" for name in profile or []] + [f" --set {s}" for s in row.settings])
            command = f"contactlens tracks run --task {row.task} --model {row.model}{flags}"
            system = System(command, own.training, own.train, own.evaluation)
            tables.append(run_system(system, *simulated[simulator], seed))
            done.append(system)
            typer.echo(command)
    table = pd.concat(tables, ignore_index=True)
    with write_aside(out) as aside:
        aside.mkdir()
        table.to_csv(aside / "systems.csv", index=False)
        (aside / "systems.md").write_text(text := markdown_table(done, table))
        shown = figures.headline_frame(table)
        figures.save_figure(figures.systems_figure(shown), aside / HEADLINES, shown)
    if page is not None:
        written = replace_marked(page.read_text(), "systems", text, str(page))
        with write_aside(page) as aside:
            aside.write_text(written)
    typer.echo(f"written to {out}")


def published_states(
    file: Annotated[Path, typer.Argument(help="Columns fragment, embryo, time_s, knirps_au, ms2_au and p_on.")],
    out: Annotated[Path, typer.Option(help="Folder for agreement.csv.")] = Path("published_states"),
    tracks: Annotated[int, typer.Option(help="Simulated traces, before they are split.")] = 2000,
    profile: options.Profiles = None,
    set_: options.Settings = None,
) -> None:
    """Decode real traces by a model trained on matched simulations, and compare with the states published for them."""
    from contactlens.base.files import require_replaceable, write_aside
    from contactlens.ops.progress import progress_shown
    from contactlens.tracks.data.knirps_states import import_states
    from contactlens.tracks.evaluation.published_check import MEAN, PublishedCheckConfig, check_published

    require_replaceable(out, ("agreement.csv",))
    params = options.params_with(profile, set_)
    own = params.tracks
    config = PublishedCheckConfig(
        n_tracks=tracks,
        split=own.split,
        training=own.training,
        compound_hmm=own.state_baselines.compound_hmm,
        bootstrap_replicates=own.evaluate_states.bootstrap_replicates,
        confidence=own.evaluate_states.confidence,
    )
    with progress_shown("published-states"):
        table = check_published(import_states(file), config, params.seed)
    with write_aside(out) as aside:
        aside.mkdir()
        table.to_csv(aside / "agreement.csv", index=False)
    overall = table[table["embryo"] == MEAN].drop(columns="embryo")
    typer.echo(f"{overall.round(3).to_string(index=False)}\nwritten to {out}")


def gallery(
    workspaces: Annotated[
        list[Path] | None, typer.Argument(help="Folders of finished runs, as in workspaces/.")
    ] = None,
    systems: Annotated[Path | None, typer.Option(help="The folder that `contactlens tracks systems` wrote.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("docs/gallery"),
) -> None:
    """Take the pictures of finished runs from their reports, each small enough for a page of many."""
    from contactlens.ops.params import PARAMS_FILE, load_params
    from contactlens.tracks.report.gallery import write_picture, write_pictures

    written = []
    for folder in workspaces or []:
        own = load_params(folder / PARAMS_FILE).tracks
        written += write_pictures(
            folder / "reports/tracks/figures", own.resolved_task, own.model.name, folder.resolve().name, out
        )
    if systems is not None:
        written.append(write_picture(systems / HEADLINES, out / "systems.png"))
    typer.echo("\n".join(map(str, written)) or "nothing to do: name the folders of finished runs, or --systems")
