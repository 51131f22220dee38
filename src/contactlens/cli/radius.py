"""`contactlens tracks radius`: measure the contact radius of a file of tracks, or plan the experiment that would."""

from pathlib import Path
from typing import Any

import typer

from contactlens.base.errors import InputError
from contactlens.cli import options


def track_set_of(file: Path, mapping: dict[str, Any], frame_interval: float | None) -> Any:
    """A track set's folder, or a table or pickle that is imported as `contactlens import tracks` does."""
    from contactlens.tracks.data.importing.read import read_tracks
    from contactlens.tracks.data.track_set import TrackSet

    if file.is_dir():
        return TrackSet.read(file)
    given = {name: value for name, value in mapping.items() if value}
    return read_tracks(file, frame_interval=frame_interval, **given)


def measure_file(
    file: Path,
    mapping: dict[str, Any],
    frame_interval: float | None,
    out: Path,
    profile: list[str] | None,
    settings: list[str] | None,
) -> None:
    """Measure, write the folder and say the verdict."""
    from contactlens.base.files import require_replaceable
    from contactlens.ops.progress import progress_shown
    from contactlens.tracks.radius.measure import measure
    from contactlens.tracks.radius.tables import FILES, context_of, known_gain, some_observations, write_measurement

    require_replaceable(out, FILES)
    params = options.params_with(profile, settings)
    track_set, config, reporter = (
        track_set_of(file, mapping, frame_interval),
        params.tracks.radius,
        params.tracks.reporter,
    )
    observations = some_observations(track_set, config)
    with progress_shown("radius"):
        measurement = measure(observations, reporter, config, params.seed)
    write_measurement(measurement, out, context_of(track_set, observations, config), known_gain(config, reporter))
    typer.echo("\n".join([measurement.verdict.sentence, *measurement.verdict.remarks, f"written to {out}"]))


def require_file(file: Path | None) -> Path:
    if file is None:
        raise InputError("name a file or folder of tracks, or plan an experiment with --plan")
    return file
