"""The flags by which every command reads tracks, and the import that says what it understood."""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from contactlens.tracks.data.importing.doubts import Doubt
    from contactlens.tracks.data.importing.table import Imported
    from contactlens.tracks.data.track_set import TrackSet

KINDS = ".csv, .tsv, .txt (or .gz), .parquet, .xlsx, .npz, .mat, .h5, TrackMate's .xml, or the legacy pickle (.pkl)"
File = Annotated[Path, typer.Argument(help=f"Tracks: {KINDS}.")]
Columns = Annotated[str | None, typer.Option(help="Column names, separated by commas.")]
Column = Annotated[str | None, typer.Option(help="Column name.")]
Unit = Annotated[str | None, typer.Option()]
Interval = Annotated[float | None, typer.Option(help="Seconds; read off the time stamps if left out.")]
TIME_UNIT = "ms, s, min, h or frame; seconds if left out, and asked about where that looks wrong."
VECTOR = "Columns of the separation's x,y,z (or x,y)."
ELAPSED = "Only a signal was imaged: the time stands for a driver."
WIDE = "A column a track, which holds: distance, scalar or signal."
SECOND = "A second file: a wide table's signals, or columns joined by track and time."
MISSING = "A mark of missing numbers, or COLUMN=MARK; may be repeated."
ACCEPT = "A kind of doubt that is right after all, as its message names it; may be repeated."


def mapping_of(
    preset: Annotated[str | None, typer.Option(help="A known layout: trackmate, imaris, vepi, ...")] = None,
    track: Columns = None,
    time: Column = None,
    time_unit: Annotated[str | None, typer.Option(help=TIME_UNIT)] = None,
    group: Columns = None,
    vector: Annotated[str | None, typer.Option(help=VECTOR)] = None,
    locus1: Annotated[str | None, typer.Option(help="Columns of the first locus's x,y,z.")] = None,
    locus2: Annotated[str | None, typer.Option(help="Columns of the second locus's x,y,z.")] = None,
    merged: Annotated[str, typer.Option(help="A frame whose second locus is empty: missing or zero.")] = "missing",
    distance: Column = None,
    scalar: Annotated[str | None, typer.Option(help="Column of another driver, such as a repressor.")] = None,
    elapsed: Annotated[bool, typer.Option("--elapsed", help=ELAPSED)] = False,
    length_unit: Annotated[str | None, typer.Option(help="nm, um, mm, ...")] = None,
    driver_unit: Unit = None,
    signal: Column = None,
    signal_unit: Annotated[str, typer.Option()] = "a.u.",
    wide: Annotated[str | None, typer.Option(help=WIDE)] = None,
    second: Annotated[Path | None, typer.Option(help=SECOND)] = None,
    second_sheet: Annotated[str | None, typer.Option(help="The second file's sheet, or one of the same file.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook, or group of an HDF5 file.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark: . or ,")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text file, such as cp1252 or utf-16.")] = None,
    missing: Annotated[list[str] | None, typer.Option(help=MISSING)] = None,
    accept: Annotated[list[str] | None, typer.Option(help=ACCEPT)] = None,
) -> dict[str, Any]:
    """The arguments of `read_tracks`, but the frame interval, from the flags that every reader of tracks shares."""
    return dict(locals())


def with_mapping(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the flags of `mapping_of`; it receives them as its argument `mapping`."""
    own, shared = inspect.signature(command), inspect.signature(mapping_of)

    @wraps(command)
    def combined(**values: Any) -> None:
        mapping = mapping_of(**{name: values.pop(name) for name in shared.parameters})
        command(**values, mapping=mapping)

    parameters = [p for p in own.parameters.values() if p.name != "mapping"]
    merged = {p.name: p.replace(kind=p.KEYWORD_ONLY) for p in [*parameters, *shared.parameters.values()]}
    combined.__signature__ = own.replace(parameters=list(merged.values()))  # type: ignore[attr-defined]
    combined.__annotations__ = {name: p.annotation for name, p in merged.items()} | {"return": None}
    return combined


def write_import(file: Path, out: Path, mapping: dict[str, Any], frame_interval: float | None) -> None:
    """Read `file` and write the track set to `out`; then say what was kept, left out, assumed and understood."""
    imported = _imported(file, mapping, frame_interval)
    imported.track_set.write(out)
    _say(file, imported)
    typer.echo(f"written to {out}")


def read_set_or_file(path: Path, mapping: dict[str, Any], frame_interval: float | None) -> "TrackSet":
    """A track set's folder as it is, or `read_file`."""
    from contactlens.tracks.data.track_set import TrackSet

    return TrackSet.read(path) if path.is_dir() else read_file(path, mapping, frame_interval)


def read_file(file: Path, mapping: dict[str, Any], frame_interval: float | None) -> "TrackSet":
    """Tracks in any form that is imported: say what was kept, left out, assumed and understood, and ask about what
    looks wrong. Without a terminal to ask at, that raises InputError."""
    imported = _imported(file, mapping, frame_interval)
    _say(file, imported)
    return imported.track_set


def _imported(file: Path, mapping: dict[str, Any], frame_interval: float | None) -> "Imported":
    from contactlens.tracks.data.importing.read import import_tracks

    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return import_tracks(file, frame_interval=frame_interval, ask=_confirm if at_terminal else None, **mapping)


def _say(file: Path, imported: "Imported") -> None:
    from contactlens.tracks.data.importing.understood import understand

    typer.echo(f"{file.name}: {imported.report}")
    for note in imported.report.notes:
        typer.echo(f"  {note}")
    typer.echo(understand(imported.track_set))


def _confirm(doubt: "Doubt") -> bool:
    return typer.confirm(f"{doubt.problem} (to change it {doubt.way_out}). Go on as it is?", default=False)
