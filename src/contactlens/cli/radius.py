"""`contactlens tracks radius`: measure the contact radius of a file of tracks, or plan the experiment that would."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from contactlens.base.errors import InputError
from contactlens.cli import options
from contactlens.cli.track_import import read_set_or_file

if TYPE_CHECKING:
    from contactlens.tracks.radius.config import RadiusConfig
    from contactlens.tracks.simulation.config import SimulationConfig
    from contactlens.tracks.simulation.reporter import Reporter

USUAL_SEED = 20240607


def measure_file(
    file: Path,
    mapping: dict[str, Any],
    frame_interval: float | None,
    out: Path,
    profile: list[str] | None,
    settings: list[str] | None,
    joint: bool,
) -> None:
    """Measure, write the folder and say the verdict. joint: one radius for all groups, whatever the parameters say."""
    from dataclasses import replace

    from contactlens.base.files import require_replaceable
    from contactlens.ops.progress import progress_shown
    from contactlens.tracks.radius.run import measure_and_write
    from contactlens.tracks.radius.tables import FILES
    from contactlens.tracks.simulation.reporter import Reporter

    require_replaceable(out, FILES)
    found = _settings(profile, settings)
    config, reporter = replace(found.radius, joint=found.radius.joint or joint), Reporter.of(found.simulate)
    track_set = read_set_or_file(file, mapping, frame_interval)
    typer.echo(_assumed(config, reporter, track_set.driver.kind == "scalar"))
    with progress_shown("radius"):
        verdict, _ = measure_and_write(track_set, reporter, config, found.seed, out)
    typer.echo("\n".join([verdict.sentence, *verdict.remarks, f"written to {out}"]))


class _Settings(NamedTuple):
    radius: "RadiusConfig"
    simulate: "SimulationConfig"
    seed: int


def _settings(profile: list[str] | None, settings: list[str] | None) -> _Settings:
    """Of the checkout that this folder lies in, else the usual ones; with settings."""
    from contactlens.ops.runs.tracking import find_project_root
    from contactlens.tracks.radius.config import RadiusConfig
    from contactlens.tracks.simulation.config import SimulationConfig

    if find_project_root() is not None:
        params = options.params_with(profile, settings)
        return _Settings(params.tracks.radius, params.tracks.simulate, params.seed)
    usual = {"radius": RadiusConfig(), "simulate": SimulationConfig()}
    return _Settings(**options.usual_sections(profile, settings, usual), seed=USUAL_SEED)


def _assumed(config: "RadiusConfig", reporter: "Reporter", scalar: bool) -> str:
    """What the measurement takes from the settings, and not from the tracks."""
    noise = "no noise of the driver" if scalar else "localisation noise fitted"
    if config.localisation_noise_nm is not None and not scalar:
        error = 100 * config.localisation_noise_error
        noise = (
            f"localisation noise {config.localisation_noise_nm:g} nm +- {error:g} % per axis of the separation"
            " (tracks.radius.localisation_noise_nm, null: fitted)"
        )
    return (
        f"taken as known: {noise}, MS2 ramp {reporter.ramp_s:g} s and dwell {reporter.dwell_s:g} s"
        " (tracks.simulate.ms2_ramp_s, ms2_dwell_s); --set changes them"
    )


def plan_experiment(
    out: Path,
    profile: list[str] | None,
    settings: list[str] | None,
    planned: dict[str, Any],
    radii: str,
    repeats: int,
) -> None:
    """Simulate experiments of the planned size, measure each, and write and show the table.

    planned: fields of the simulation that the flags name; None where the parameters' own value holds
    """
    from dataclasses import asdict, replace

    import pandas as pd

    from contactlens.base.files import require_replaceable, write_aside
    from contactlens.ops.progress import progress_shown
    from contactlens.tracks.radius.plan import plan

    require_replaceable(out, ("plan.csv",))
    try:
        radii_nm = [float(text) for text in radii.split(",")]
    except ValueError:
        raise InputError(f"--radii {radii}: must be lengths in nm, separated by commas") from None
    if repeats < 1:
        raise InputError(f"--repeats {repeats}: must be at least 1")
    found = _settings(profile, settings)
    given = {name: value for name, value in planned.items() if value is not None}
    config = replace(found.simulate, **given)
    with progress_shown("plan"):
        rows = plan(config, found.radius, radii_nm, repeats, found.seed)
    table = pd.DataFrame([asdict(row) for row in rows])
    with write_aside(out) as aside:
        aside.mkdir()
        table.to_csv(aside / "plan.csv", index=False)
    typer.echo(f"{table.round(1).to_string(index=False)}\nwritten to {out}")


def require_file(file: Path | None) -> Path:
    if file is None:
        raise InputError("name a file or folder of tracks, or plan an experiment with --plan")
    return file
