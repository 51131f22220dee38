"""`contactlens dna ...` and the imports of windows. Every command is a library call that a notebook could make."""

import inspect
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.cli import options
from contactlens.dna.data.importing import PAIR_FORMATS, PairFormat
from contactlens.dna.data.names import CHECKPOINT
from contactlens.dna.explanation.methods import BEST, FLOAT32, METHODS
from contactlens.dna.motifs.config import USUAL

if TYPE_CHECKING:
    from contactlens.dna.data.importing.report import ImportedWindows
    from contactlens.dna.data.negatives import DistanceMatching

dna = typer.Typer(help="Windows of genomic sequence.", no_args_is_help=True)

KINDS = (*PAIR_FORMATS, "regions")
IMPORTED = Path("data/import_dna/windows")  # where the pipeline looks for imported windows
PARTS = ".attributions.parts"  # what is done of a `dna attribute` that has not ended, in its folder
CHECKPOINT_FILES = ("config.json", "model.safetensors", "pytorch_model.bin")

FASTA = typer.Option(help="FASTA of the chromosomes (plain, bgzip or gzip).")
WINDOW_BP = typer.Option(help="Bases of every window.")
Fasta = Annotated[Path, FASTA]
OptionalFasta = Annotated[Path | None, FASTA]
WindowBp = Annotated[int, WINDOW_BP]
OptionalWindowBp = Annotated[int | None, WINDOW_BP]
ROWS = "Most windows in one pass; bounds memory."
RowsPerPass = Annotated[int, typer.Option(help=ROWS, min=1)]
IgSteps = Annotated[int, typer.Option(help="Nodes of integrated gradients.")]
WORKERS = "Processes; with more than 1 Ray's, on this machine or on the cluster at RAY_ADDRESS."
METHOD = f"{BEST} (of the table that came with the model), {', '.join(METHODS)}; one that fails its checks is replaced."
Method = Annotated[str, typer.Option(help=METHOD)]
MAX_ERROR = "Share of the score's change from its reference beyond which a method that misses it is refused."
MaxError = Annotated[float, typer.Option(help=MAX_ERROR, min=0)]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...")]
MaxN = Annotated[float, typer.Option(help="Largest share of unknown bases in the elements (or in the region).")]
MaxWindowN = Annotated[float, typer.Option(help="Largest share of unknown bases in a window of pairs.")]
BLACKLIST = typer.Option("--blacklist", help="BED of places that no element or region touches.")
BlacklistBed = Annotated[Path | None, BLACKLIST]
KeepShared = Annotated[bool, typer.Option(help="Keep elements and regions whose bases another chromosome has too.")]
GenomicNegatives = Annotated[
    int, typer.Option(help="Negatives for each peak from the genome, of its GC content, in place of shuffles.", min=0)
]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels, 0 or 1.")]
Ratio = Annotated[int | None, typer.Option(help="Negatives for each positive, at its distance; all if left out.")]
Bins = Annotated[int, typer.Option(help="Bins of log distance within which negatives are matched.")]
AnyChromosome = Annotated[bool, typer.Option(help="Match negatives of other chromosomes too.")]
KeepUnmatched = Annotated[bool, typer.Option(help="Keep positives without all their negatives.")]
Negatives = Annotated[Path | None, typer.Option(help="FASTA or BED; shuffles of the positives if left out.")]
Genome = Annotated[Path | None, typer.Option(help="FASTA that the intervals of a BED file are cut from.")]
Shuffles = Annotated[int, typer.Option(help="Shuffles of each positive, which keep its dinucleotides.")]
Seed = Annotated[int, typer.Option(help="Of the choice of negatives, or of the shuffles.")]
Out = Annotated[Path, typer.Option(help="Folder to write the window set to.")]


def _matching(
    ratio: int | None, bins: int, any_chromosome: bool, keep_unmatched: bool, seed: int
) -> "DistanceMatching | None":
    from contactlens.dna.data.negatives import DistanceMatching

    try:
        return None if ratio is None else DistanceMatching(ratio, bins, not any_chromosome, keep_unmatched, seed)
    except ValueError as error:
        raise InputError(str(error).replace("dna.matching.", "--match-distance, --distance-bins, --seed: ")) from None


def _write(imported: "ImportedWindows", file: Path, out: Path) -> None:
    imported.window_set.write(out)
    typer.echo(f"{file.name}: {imported.report}\nwritten to {out}")


def _pairs_command(pair_format: PairFormat) -> Callable[..., None]:
    """`contactlens import ...` of a format of lists of pairs."""

    def command(
        table: Path,
        fasta: Fasta,
        window_bp: WindowBp,
        label_column: LabelColumn = None,
        match_distance: Ratio = None,
        distance_bins: Bins = 20,
        any_chromosome: AnyChromosome = False,
        keep_unmatched: KeepUnmatched = False,
        max_n_fraction: MaxN = 0.1,
        max_window_n_fraction: MaxWindowN = 0.05,
        blacklist: BlacklistBed = None,
        keep_shared: KeepShared = False,
        seed: Seed = 0,
        out: Out = IMPORTED,
    ) -> None:
        matching = _matching(match_distance, distance_bins, any_chromosome, keep_unmatched, seed)
        rules: dict[str, Any] = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "matching": matching}
        rules |= {"max_window_n_fraction": max_window_n_fraction, "blacklist": blacklist, "keep_shared": keep_shared}
        if pair_format.any_label:
            rules["label_column"] = label_column
        _write(pair_format.load()(table, fasta, **rules), table, out)

    command.__annotations__["table"] = Annotated[Path, typer.Argument(help=pair_format.file)]
    signature = inspect.signature(command)
    taken = [one for name, one in signature.parameters.items() if pair_format.any_label or name != "label_column"]
    command.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    return command


PAIR_COMMANDS = {kind: _pairs_command(pair_format) for kind, pair_format in PAIR_FORMATS.items()}
for _kind, _command in PAIR_COMMANDS.items():
    options.imports.command(PAIR_FORMATS[_kind].module, help=PAIR_FORMATS[_kind].about)(_command)


@options.imports.command("regions")
def import_regions(
    positives: Annotated[Path, typer.Argument(help="Peaks: FASTA, BED, narrowPeak or broadPeak (also gzipped).")],
    window_bp: WindowBp,
    negatives: Negatives = None,
    genome: Genome = None,
    shuffles: Shuffles = 1,
    genomic_negatives: GenomicNegatives = 0,
    max_n_fraction: MaxN = 0.1,
    blacklist: BlacklistBed = None,
    keep_shared: KeepShared = False,
    seed: Seed = 0,
    out: Out = IMPORTED,
) -> None:
    """Read peaks, with given negatives, shuffles or windows of the genome, and write a window set."""
    from contactlens.dna.data.importing.regions import import_regions

    rules: dict[str, Any] = {"window_bp": window_bp, "max_n_fraction": max_n_fraction, "seed": seed}
    rules |= {"genomic_negatives": genomic_negatives, "blacklist": blacklist, "keep_shared": keep_shared}
    imported = import_regions(positives, negatives=negatives, genome=genome, shuffles=shuffles, **rules)
    _write(imported, positives, out)


def _importer(
    file: Path, kind: str | None, fasta: Path | None, window_bp: int | None, values: dict[str, Any]
) -> Callable[..., None]:
    """The import that `file` needs, lacking its argument `out` only; values: flags of all imports, by name.

    Raises InputError for an unknown kind, and where a flag that it needs is missing.
    """
    from contactlens.dna.data.importing.read import is_peaks

    if kind is not None and kind not in KINDS:
        raise InputError(f"--kind: no kind {kind!r}; there are {', '.join(KINDS)}")
    chosen = kind or ("regions" if is_peaks(file) else "pairs")
    if window_bp is None:
        raise InputError(f"{file}: give the length of the windows with --window-bp")
    if chosen == "regions":
        return partial(import_regions, file, window_bp, genome=fasta, **_taken(import_regions, values))
    if fasta is None:
        raise InputError(f"{file}: pairs need the FASTA of their chromosomes, --fasta")
    command = PAIR_COMMANDS[chosen]
    return partial(command, file, fasta, window_bp, **_taken(command, values))


def _taken(command: Callable[..., None], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in inspect.signature(command).parameters}


@dna.command("run")
def run_dna(
    file: Annotated[Path | None, typer.Argument(help="Import these pairs or peaks first and run on them.")] = None,
    kind: Annotated[
        str | None, typer.Option(help=f"What FILE is ({', '.join(KINDS)}); by its suffix if left out.")
    ] = None,
    fasta: OptionalFasta = None,
    window_bp: OptionalWindowBp = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="Caduceus to start from: a folder in the published format, or a hub name, NAME@REVISION."),
    ] = None,
    label_column: LabelColumn = None,
    negatives: Negatives = None,
    match_distance: Ratio = None,
    distance_bins: Bins = 20,
    any_chromosome: AnyChromosome = False,
    keep_unmatched: KeepUnmatched = False,
    shuffles: Shuffles = 1,
    genomic_negatives: GenomicNegatives = 0,
    max_n_fraction: MaxN = 0.1,
    max_window_n_fraction: MaxWindowN = 0.05,
    blacklist: BlacklistBed = None,
    keep_shared: KeepShared = False,
    seed: Seed = 0,
    profile: options.Profiles = None,
    set_: options.Settings = None,
    workspace: options.Workspace = None,
    stage: options.Stage = None,
) -> None:
    """Run the DNA branch with DVC, then bring the MLflow registry up to date."""
    values = {
        "label_column": label_column,
        "negatives": negatives,
        "match_distance": match_distance,
        "distance_bins": distance_bins,
        "any_chromosome": any_chromosome,
        "keep_unmatched": keep_unmatched,
        "shuffles": shuffles,
        "genomic_negatives": genomic_negatives,
        "max_n_fraction": max_n_fraction,
        "max_window_n_fraction": max_window_n_fraction,
        "blacklist": blacklist,
        "keep_shared": keep_shared,
        "seed": seed,
    }
    importer = _importer(file, kind, fasta, window_bp, values) if file else None
    own: list[dict[str, Any]] = [{"dna": {"source": "import"}}] if file else []
    local = checkpoint is not None and _is_local(checkpoint)
    own += [{"dna": {"backbone": {"source": CHECKPOINT if local else checkpoint}}}] if checkpoint else []

    def fill(folder: Path) -> None:
        if importer:
            importer(out=folder / IMPORTED)
        if checkpoint and local:
            _copy_checkpoint(Path(checkpoint), folder / CHECKPOINT)

    options.run_branch("dna", profile, set_, workspace, stage, own=own, fill=fill if importer or local else None)


def _is_local(checkpoint: str) -> bool:
    """Whether this is a folder, and not a name on the hub; InputError for what a run could not start from."""
    from contactlens.dna.models.caduceus.checkpoint import require_checkpoint
    from contactlens.dna.models.classifier import DESCRIPTION

    require_checkpoint(checkpoint)
    if (Path(checkpoint) / DESCRIPTION).exists():
        typer.echo(f"note: of the classifier {checkpoint} the backbone alone is taken, without its head", err=True)
    return Path(checkpoint).is_dir()


def _copy_checkpoint(source: Path, target: Path) -> None:
    """Into the workspace, where DVC sees its content."""
    with write_aside(target) as aside:
        aside.mkdir()
        for path in (source / name for name in CHECKPOINT_FILES):
            if path.is_file():
                shutil.copyfile(path, aside / path.name)


@dna.command("check")
def check_windows(
    folder: Annotated[Path, typer.Argument(help="A window set's folder.")],
    profile: options.Profiles = None,
    set_: options.Settings = None,
) -> None:
    """Check a window set with Great Expectations, within the limits of params.yaml."""
    from contactlens.dna.data.checks import validate_windows
    from contactlens.dna.data.window_set import WindowSet

    limits = options.params_with(profile, set_).dna.checks
    result = validate_windows(WindowSet.read(folder), limits, str(folder / "windows.parquet"))
    typer.echo(f"{folder}: all {len(result.results)} expectations hold")


def _say_what_is_not_read(checkpoint: str) -> None:
    """A head that was fine-tuned elsewhere is not explained: name it, once."""
    from contactlens.dna.models.caduceus.checkpoint import unread_tensors
    from contactlens.dna.models.classifier import DESCRIPTION

    folder = Path(checkpoint)
    if not folder.is_dir() or (folder / DESCRIPTION).exists():
        return
    unread = unread_tensors(folder)
    if unread:
        named = ", ".join(unread[:3])
        typer.echo(
            f"note: {checkpoint} holds tensors beside the backbone ({named}), which are not read: what is explained is"
            " how much the backbone expects the bases, not the class of the fine-tuned head",
            err=True,
        )


@dna.command("attribute")
def attribute_dna(
    checkpoint: Annotated[
        str, typer.Option(help="Folder in the published Caduceus format, or of a trained classifier.")
    ],
    fasta: Fasta,
    bed: Annotated[Path, typer.Option(help="BED; BEDPE (the enhancer first) for a classifier of pairs.")],
    method: Method = BEST,
    out: Annotated[Path, typer.Option(help="Folder for attributions.npz, .tsv and .bedgraph.")] = Path("attributions"),
    context_bp: Annotated[
        int | None,
        typer.Option(help="Bases beside each interval that the model also sees; the classifier's window if left out."),
    ] = None,
    ig_steps: IgSteps = 32,
    max_completeness_error: MaxError = 0.25,
    rows_per_pass: Annotated[int, typer.Option(help=ROWS)] = 8,
    precision: Annotated[
        str, typer.Option(help="float32; tf32 or bfloat16 where a sample agrees with float32.")
    ] = FLOAT32,
    device: Device = "cpu",
    workers: Annotated[int, typer.Option(help=WORKERS, min=1)] = 1,
    gpus_per_worker: Annotated[float, typer.Option(help="Of a GPU, where the device is one.", min=0)] = 1.0,
    hdf5: Annotated[
        bool, typer.Option("--hdf5", help="attributions.h5, read interval by interval, in place of attributions.npz.")
    ] = False,
) -> None:
    """Attribute a checkpoint's score to the bases of intervals, without a pipeline.

    What is done is kept in the folder until all of it is: the same command goes on after a kill.

    A classifier's score is its logit; a backbone without a head is asked how much it expects the intervals' bases.
    """
    from contactlens.dna.explanation.attribute import attribute_windows
    from contactlens.dna.explanation.methods import AttributionSettings
    from contactlens.dna.explanation.parts import in_turn
    from contactlens.ops.parallel import Workers, on_workers
    from contactlens.ops.progress import progress_shown
    from contactlens.training.state import kept_until_done

    by = Workers(workers, 1, 0.0 if device == "cpu" else gpus_per_worker)
    settings = AttributionSettings(ig_steps, rows_per_pass, precision=precision)
    _say_what_is_not_read(checkpoint)
    with (
        kept_until_done(out / PARTS) as kept,
        progress_shown("attribute"),
        on_workers(by, kept) if workers > 1 else nullcontext(in_turn) as run,
    ):
        found = attribute_windows(
            checkpoint,
            fasta,
            bed,
            method,
            context_bp=context_bp,
            settings=settings,
            max_completeness_error=max_completeness_error,
            device=device,
            kept=kept,
            run=run,
        )
        paths = found.write(out, hdf5)
    typer.echo(f"{len(found.intervals):,} intervals by {found.method}; written to {', '.join(map(str, paths))}")


@dna.command("motifs")
def interval_motifs(
    folder: Annotated[Path, typer.Argument(help="Folder of `contactlens dna attribute`.")],
    method: Annotated[str | None, typer.Option(help="Of several in the file, the one to search.")] = None,
    window_bp: Annotated[int, typer.Option(help="Bases around each peak of contribution that are searched.")] = (
        USUAL.window_bp
    ),
    peaks: Annotated[int, typer.Option(help="Most peaks of an interval.", min=1)] = USUAL.peaks_per_window,
    smoothing_bp: Annotated[int, typer.Option(help="Bases over which |contribution| is averaged for its peaks.")] = (
        USUAL.smoothing_bp
    ),
    max_seqlets: Annotated[int, typer.Option(help="Most seqlets of one sign.")] = USUAL.max_seqlets,
    max_q: Annotated[float, typer.Option(help="Largest q at which a JASPAR motif names a pattern.")] = USUAL.max_q,
    seed: Annotated[int, typer.Option(help="Of clustering and of shuffled patterns.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for patterns, their names, hits and tracks.")] = Path("motifs"),
) -> None:
    """Find the motifs in the contributions of `dna attribute`, name them by JASPAR, and call their hits."""
    from contactlens.dna.motifs import intervals
    from contactlens.ops.progress import progress_shown

    config = replace(
        USUAL,
        window_bp=window_bp,
        peaks_per_window=peaks,
        smoothing_bp=smoothing_bp,
        max_seqlets=max_seqlets,
        max_q=max_q,
    )
    with progress_shown("motifs"):
        found = intervals.interval_motifs(folder, method, config, seed, out)
    for sentence in found.sentences():
        typer.echo(sentence)
    typer.echo(f"{len(found.hits):,} hits in {len(found.peaks):,} windows around peaks; written to {out}")
