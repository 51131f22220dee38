"""`contactlens tracks predict`, `states` and `explain`: a trained model on new tracks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside

if TYPE_CHECKING:
    import pandas as pd

    from contactlens.tracks.data.track_set import TrackSet
    from contactlens.tracks.serving.model import TracksModel

Model = Annotated[
    str,
    typer.Argument(
        help="models:/NAME@ALIAS, models:/NAME/VERSION, a run id, or a folder such as models/tracks/champion."
    ),
]
File = Annotated[
    Path, typer.Argument(help="Tracks in any form that `contactlens import tracks` reads, or a track set.")
]
Out = Annotated[Path, typer.Option(help="Table to write: .parquet or .csv; drift beside it, in NAME.drift.csv.")]
Interval = Annotated[float | None, typer.Option(help="Seconds; read off the time stamps if left out.")]
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
    levels = _numbers(quantiles, float, "--quantiles")
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
    wanted = None if frames is None else _numbers(frames, int, "--frames")
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
    from contactlens.tracks.data.track_set import TrackSet

    require_table(out)
    loaded = load_tracks(model)
    if file.is_dir():
        given = TrackSet.read(file)
    else:
        from contactlens.tracks.data.importing.read import import_tracks

        imported = import_tracks(file, frame_interval=frame_interval, **mapping)
        given = imported.track_set
        typer.echo(f"{file.name}: {imported.report}")
    tracks = loaded.taken(given, resample)
    if tracks.frame_interval_s != given.frame_interval_s and resample:
        typer.echo(f"resampled from {given.frame_interval_s:g} s to {tracks.frame_interval_s:g} s by interpolation")
    if loaded.description is None:
        typer.echo("not checked: the model came without a description of its training set", err=True)
        return loaded, tracks
    loaded.check(tracks, min_frames=min_frames)
    _report_drift(loaded.drift(tracks), out)
    return loaded, tracks


def _report_drift(drift: "pd.DataFrame", out: Path) -> None:
    """Write it beside the predictions and say which quantities differ from the training set's."""
    path = out.with_suffix(".drift.csv")
    with write_aside(path) as aside:
        drift.to_csv(aside, index=False)
    for quantity in drift["quantity"].unique():
        found = drift[drift["quantity"] == quantity].set_index("measure")
        distance, middle = found.loc["wasserstein"], found.loc["q50"]
        verdict = "DIFFERS from" if found["drifted"].any() else "is like"
        typer.echo(
            f"{quantity}: {verdict} the training set; median {middle['new']:.4g} {middle['unit']}"
            f" beside {middle['training']:.4g}, Wasserstein distance {distance['new']:.3g} (up to"
            f" {distance['expected']:.3g} expected by chance), KS {found.loc['ks', 'new']:.3f}"
            f" ({found.loc['ks', 'expected']:.3f})"
        )
    typer.echo(f"written to {path}")


def _named(tracks: "TrackSet", names: str | None) -> "TrackSet":
    from dataclasses import replace

    if names is None:
        return tracks
    wanted = [name.strip() for name in names.split(",")]
    unknown = set(wanted) - set(tracks.frames["track_id"])
    if unknown:
        raise InputError(f"--tracks: no track {', '.join(sorted(unknown))} in {tracks.source}")
    frames = tracks.frames[tracks.frames["track_id"].isin(wanted)].reset_index(drop=True)
    return replace(tracks, frames=frames)


def _numbers(text: str, kind: type, flag: str) -> Sequence[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{flag} {text}: expected numbers separated by commas") from None


def require_table(out: Path) -> None:
    """Raises InputError for a name that says no kind of table."""
    if out.suffix not in {".parquet", ".csv"}:
        raise InputError(f"{out}: write to a .parquet or .csv table")


def write_table(table: "pd.DataFrame", out: Path) -> None:
    with write_aside(out) as aside:
        if out.suffix == ".csv":
            table.to_csv(aside, index=False)
        else:
            table.to_parquet(aside, index=False)
    typer.echo(f"{len(table):,} rows written to {out}")
