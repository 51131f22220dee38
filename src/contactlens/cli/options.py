"""What the commands of both branches share: parameters from the command line, and running the pipeline with them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from contactlens.base.errors import InputError

if TYPE_CHECKING:
    from contactlens.ops.params import Params
    from contactlens.ops.workspace import Branch
    from contactlens.tracks.data.config import CheckLimits

Profiles = Annotated[list[str] | None, typer.Option(help="A file laid over params.yaml, or its name in profiles/.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="One value of params.yaml, such as seed=3.")]
Workspace = Annotated[Path | None, typer.Option(help="Folder to run in; the checkout itself if left out.")]
Stage = Annotated[str | None, typer.Option(help="Only this DVC stage and what it depends on.")]

imports = typer.Typer(help="Import a lab's own files.", no_args_is_help=True)


def overlays_of(profiles: list[str] | None, settings: list[str] | None, root: Path) -> list[Any]:
    """What is laid over params.yaml: the profiles in turn, then single values."""
    from contactlens.ops.workspace import setting

    return [_profile(name, root) for name in profiles or []] + [setting(text) for text in settings or []]


def _profile(name: str, root: Path) -> Path:
    path = Path(name) if Path(name).suffix in {".yaml", ".yml"} else root / "profiles" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (root / "profiles").glob("*.yaml")))
        raise InputError(f"{path}: no such profile; known are {known}")
    return path


def params_with(profiles: list[str] | None, settings: list[str] | None) -> "Params":
    """The checkout's params.yaml with profiles and single values laid over it."""
    from contactlens.ops.params import Params
    from contactlens.ops.params.strict import from_mapping
    from contactlens.ops.runs.tracking import project_root
    from contactlens.ops.workspace import overlaid

    root = project_root()
    values = overlaid(root / "params.yaml", overlays_of(profiles, settings, root))
    return from_mapping(values, Params, "", "params.yaml")


def track_limits(profiles: list[str] | None, settings: list[str] | None) -> "CheckLimits":
    """The limits of `tracks.checks`: of the checkout that this folder lies in, else the usual ones; with settings."""
    from contactlens.ops.runs.tracking import find_project_root
    from contactlens.tracks.data.config import CheckLimits

    if find_project_root() is not None:
        return params_with(profiles, settings).tracks.checks
    limits: CheckLimits = usual_sections(profiles, settings, {"checks": CheckLimits()})["checks"]
    return limits


def usual_sections(profiles: list[str] | None, settings: list[str] | None, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of `tracks` outside of a checkout: the `usual` ones, by name, with single values laid over them."""
    from contactlens.ops.params.strict import from_mapping, overlay
    from contactlens.ops.workspace import setting

    if profiles:
        raise InputError(f"--profile {profiles[0]}: profiles belong to a checkout; here give single values with --set")
    values = {name: asdict(section) for name, section in usual.items()}
    for text in settings or []:
        changed = setting(text).get("tracks", {})
        name = next((one for one in usual if isinstance(changed, dict) and isinstance(changed.get(one), dict)), None)
        if name is None:
            counted = " and ".join(f"tracks.{one}.NAME=VALUE" for one in usual)
            raise InputError(f"--set {text}: outside of a checkout only {counted} counts")
        values[name] = overlay(values[name], changed[name], type(usual[name]), f"--set {text}")
    return {
        name: from_mapping({"tracks": {name: values[name]}}, type(section), f"tracks.{name}", "--set")
        for name, section in usual.items()
    }


def run_branch(
    branch: "Branch | None",
    profiles: list[str] | None,
    settings: list[str] | None,
    workspace: Path | None,
    stage: str | None,
    *,
    system: Sequence[dict[str, Any]] = (),
    own: Sequence[dict[str, Any]] = (),
    fill: Callable[[Path], None] | None = None,
) -> NoReturn:
    """Run one branch (None: both) in the checkout or in a workspace, and exit with the pipeline's status.

    system: what a task and model named on the command line change in params.yaml, over the profiles and below single
        values
    own: what the user's own data or checkpoint change, over everything else
    fill: puts the user's data into the workspace
    """
    from contactlens.ops.runs.tracking import project_root
    from contactlens.ops.workspace import create_workspace, imported_before, run_pipeline

    root = project_root()
    before = [] if workspace is None else [one for one in imported_before(workspace) if one not in own]
    overlays = [*before, *overlays_of(profiles, None, root), *system, *overlays_of(None, settings, root), *own]
    if workspace is None and (overlays or fill):
        raise InputError(
            "give --workspace FOLDER with --profile, --set or own data, so that the checkout stays as it is"
        )
    if workspace is None:
        raise typer.Exit(_unless_interrupted(lambda: run_pipeline(root, root, stage, branch)))
    new = not workspace.exists()
    folder = create_workspace(workspace, overlays, root, branch)
    kept = ", ".join(f"{name}.source=simulate" for one in imported_before(folder) if one in before for name in one)
    if kept:
        typer.echo(f"{folder}: goes on with the data imported into it (--set {kept} simulates instead)")
    try:
        if fill is not None:
            fill(folder)
    except InputError:
        if new:
            shutil.rmtree(folder)
        raise
    raise typer.Exit(_unless_interrupted(lambda: run_pipeline(folder, root, stage, branch)))


def _unless_interrupted(run: Callable[[], int]) -> int:
    from contactlens.ops.processes import INTERRUPTED

    try:
        return run()
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command again goes on from the last stage that ended", err=True)
        return INTERRUPTED
