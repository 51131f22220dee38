"""What the commands that ask a trained model share: its name, the table that they write, the drift beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside

if TYPE_CHECKING:
    import pandas as pd

    from contactlens.dna.serving.model import WindowsModel
    from contactlens.tracks.serving.model import TracksModel

NAMES = "models:/NAME@ALIAS, models:/NAME/VERSION, a run id, or a folder such as models/dna/champion."
Model = Annotated[str, typer.Argument(help=NAMES)]
Out = Annotated[Path, typer.Option(help="Table to write: .parquet or .csv; drift beside it, in NAME.drift.csv.")]


def check_and_compare(model: "TracksModel | WindowsModel", new: Any, out: Path, **limits: Any) -> None:
    """Hold new tracks or windows to the expectations on the training set, write `out`'s drift.csv, and say which
    quantities differ from the training set's. Without a description beside the model, say that nothing was checked."""
    if model.description is None:
        typer.echo("not checked: the model came without a description of its training set", err=True)
        return
    model.check(new, **limits)
    drift, path = model.drift(new), out.with_suffix(".drift.csv")
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


def numbers(text: str, kind: type, flag: str) -> Sequence[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{flag} {text}: expected numbers separated by commas") from None


def names(text: str, known: set[str], flag: str, source: str) -> list[str]:
    """Names separated by commas. Raises InputError for one that is not known."""
    wanted = [name.strip() for name in text.split(",")]
    unknown = set(wanted) - known
    if unknown:
        raise InputError(f"{flag}: {', '.join(sorted(unknown))} not in {source}")
    return wanted


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
