"""`contactlens tracks predict`, `states` and `explain`: a trained model on new tracks."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contactlens.cli.track_import import Interval, read_set_or_file
from contactlens.cli.trained import Model, Out, check_and_compare, names, numbers, require_table, write_table

if TYPE_CHECKING:
    from contactlens.tracks.data.track_set import TrackSet
    from contactlens.tracks.serving.model import TracksModel

File = Annotated[
    Path, typer.Argument(help="Tracks in any form that `contactlens import tracks` reads, or a track set.")
]
Resample = Annotated[bool, typer.Option("--resample", help="Interpolate to the model's frame interval.")]
MinFrames = Annotated[int | None, typer.Option(help="Fewest frames of a track, in place of the training set's limit.")]
Levels = Annotated[str, typer.Option(help="Quantiles of the prediction, separated by commas.")]
Frames = Annotated[str | None, typer.Option(help="Frame numbers; each track's highest prediction if left out.")]
Names = Annotated[str | None, typer.Option(help="Only these tracks, separated by commas.")]


def predict_tracks(
    model: Model,
    file: File,
    mapping: dict[str, Any],
    out: Out = Path("predictions.parquet"),
    frame_interval: Interval = None,
    quantiles: Levels = "0.05,0.25,0.5,0.75,0.95",
    resample: Resample = False,
    min_frames: MinFrames = None,
) -> None:
    """Predict every frame of new tracks with a trained model, checked and compared with its training set first."""
    levels = numbers(quantiles, float, "--quantiles")
    loaded, tracks = _ready(model, file, mapping, out, frame_interval, resample, min_frames)
    write_table(loaded.predict(tracks, levels=levels), out)


def states_of_tracks(
    model: Model,
    file: File,
    mapping: dict[str, Any],
    out: Out = Path("states.csv"),
    frame_interval: Interval = None,
    resample: Resample = False,
    min_frames: MinFrames = None,
) -> None:
    """Decode when the promoter is on in new tracks: one row for each stretch of one state."""
    loaded, tracks = _ready(model, file, mapping, out, frame_interval, resample, min_frames)
    write_table(loaded.states(tracks), out)


def explain_tracks(
    model: Model,
    file: File,
    mapping: dict[str, Any],
    out: Out = Path("explanation.parquet"),
    frames: Frames = None,
    tracks: Names = None,
    frame_interval: Interval = None,
    resample: Resample = False,
    min_frames: MinFrames = None,
) -> None:
    """Say which frames of new tracks drive the prediction of a frame, by integrated gradients."""
    wanted = None if frames is None else numbers(frames, int, "--frames")
    loaded, found = _ready(model, file, mapping, out, frame_interval, resample, min_frames)
    write_table(loaded.explain(_named(found, tracks), wanted), out)


def _ready(
    model: str,
    file: Path,
    mapping: dict[str, Any],
    out: Path,
    frame_interval: float | None,
    resample: bool,
    min_frames: int | None,
) -> "tuple[TracksModel, TrackSet]":
    """The model, and the tracks as it takes them; says what was read, and how far that is from the training set."""
    from contactlens.api.load import load_tracks

    require_table(out)
    loaded = load_tracks(model)
    given = read_set_or_file(file, mapping, frame_interval)
    tracks = loaded.taken(given, resample)
    if tracks.frame_interval_s != given.frame_interval_s and resample:
        typer.echo(f"resampled from {given.frame_interval_s:g} s to {tracks.frame_interval_s:g} s by interpolation")
    check_and_compare(loaded, tracks, out, min_frames=min_frames)
    return loaded, tracks


def _named(tracks: "TrackSet", wanted: str | None) -> "TrackSet":
    if wanted is None:
        return tracks
    ids = names(wanted, set(tracks.frames["track_id"]), "--tracks", tracks.source)
    frames = tracks.frames[tracks.frames["track_id"].isin(ids)].reset_index(drop=True)
    return replace(tracks, frames=frames)
