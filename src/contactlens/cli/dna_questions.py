"""`contactlens dna predict`, `explain`, `variants`, `marginalize`, `ism`: a trained classifier of windows is asked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contactlens.base.errors import InputError
from contactlens.cli.dna import (
    Device,
    IgSteps,
    MaxError,
    MaxN,
    Method,
    OptionalFasta,
    RowsPerPass,
    dna,
)
from contactlens.cli.trained import Model, Out, check_and_compare, names, require_table, write_table
from contactlens.dna.explanation.methods import BEST

if TYPE_CHECKING:
    from contactlens.dna.data.importing.intervals import GenomicInterval
    from contactlens.dna.data.window_set import WindowSet
    from contactlens.dna.models.classifier import WindowClassifier
    from contactlens.dna.serving.model import WindowsModel

NewWindows = Annotated[
    Path, typer.Argument(help="Pairs or peaks, in any form that the imports take, labels or not; or a window set.")
]
ModelsBp = Annotated[int | None, typer.Option(help="Bases of every window; the model's if left out.")]
WINDOWS = "A window set's folder, BED of regions, or BEDPE of pairs (the enhancer first)"


@dna.command("predict")
def predict_dna(
    model: Model,
    file: NewWindows,
    fasta: OptionalFasta = None,
    window_bp: ModelsBp = None,
    max_n_fraction: MaxN = 0.1,
    out: Out = Path("predictions.parquet"),
) -> None:
    """Predict new windows with a trained classifier, checked and compared with its training set first."""
    loaded, windows = _ready(model, file, fasta, window_bp, max_n_fraction, out)
    write_table(loaded.predict(windows), out)


@dna.command("explain")
def explain_dna(
    model: Model,
    file: NewWindows,
    fasta: OptionalFasta = None,
    window_bp: ModelsBp = None,
    max_n_fraction: MaxN = 0.1,
    only: Annotated[str | None, typer.Option(help="Only the windows of these ids, separated by commas.")] = None,
    method: Method = BEST,
    ig_steps: IgSteps = 32,
    max_completeness_error: MaxError = 0.25,
    out: Out = Path("explanation.parquet"),
) -> None:
    """Say what each base of new windows adds to the logit that `predict` gives them."""
    loaded, windows = _ready(model, file, fasta, window_bp, max_n_fraction, out)
    if only is not None:
        windows = windows.select(names(only, set(windows.windows["window_id"]), "--only", windows.source))
    write_table(loaded.explain(windows, method, ig_steps=ig_steps, max_completeness_error=max_completeness_error), out)


def _ready(
    model: str, file: Path, fasta: Path | None, window_bp: int | None, max_n_fraction: float, out: Path
) -> "tuple[WindowsModel, WindowSet]":
    """The model and the windows; says what was read, and how far that is from the training set."""
    from contactlens.api.load import load_windows
    from contactlens.dna.data.importing.read import new_windows
    from contactlens.dna.data.window_set import WindowSet

    require_table(out)
    loaded = load_windows(model)
    if file.is_dir():
        windows = WindowSet.read(file)
    else:
        imported = new_windows(file, fasta, window_bp=window_bp or loaded.info.window_bp, max_n_fraction=max_n_fraction)
        typer.echo(f"{file.name}: {imported.report}")
        windows = imported.window_set
    check_and_compare(loaded, windows, out)
    return loaded, windows


def _classifier(reference: str, device: str) -> "WindowClassifier":
    from contactlens.api.load import load_windows
    from contactlens.base.torch_setup import resolve_device

    target = resolve_device(device)
    return load_windows(reference).classifier.to(target).eval()


@dna.command("variants")
def variants(
    model: Model,
    vcf: Annotated[Path, typer.Option(help="VCF, plain or bgzip.")],
    fasta: OptionalFasta = None,
    windows: Annotated[
        Path | None, typer.Option(help=f"{WINDOWS}. A model of regions also does with --window-bp alone.")
    ] = None,
    window_bp: ModelsBp = None,
    motif: Annotated[
        list[str] | None, typer.Option(help="JASPAR id; every CORE motif of vertebrates if left out.")
    ] = None,
    hit_p: Annotated[float, typer.Option(help="Largest p-value of a motif's hit.")] = 1e-4,
    ism_bp: Annotated[int, typer.Option(help="Most bases at a site for in-silico mutagenesis.", min=0)] = 20,
    out: Annotated[Path, typer.Option(help="Table to write; the annotated VCF beside it, in NAME.vcf.")] = Path(
        "variants.tsv"
    ),
    rows_per_pass: RowsPerPass = 8,
    device: Device = "cpu",
) -> None:
    """Score the variants of a VCF: change of the logit, mutagenesis at the site, motif hits lost and gained."""
    from contactlens.dna.data.batch import REGIONS
    from contactlens.dna.data.genome import Genome
    from contactlens.dna.data.motif_database import jaspar_core
    from contactlens.dna.data.motif_database import motif as jaspar_motif
    from contactlens.dna.serving.motif_effects import MotifScanner
    from contactlens.dna.serving.variants import VariantSettings, variant_effects
    from contactlens.dna.serving.vcf import read_variants
    from contactlens.dna.serving.windows import read_windows
    from contactlens.ops.progress import progress_shown

    annotated = out.with_suffix(".vcf")
    if vcf.exists() and out.suffix == ".vcf":
        raise InputError(f"--out {out}: is for the table; the annotated VCF is written beside it, in NAME.vcf")
    classifier = _classifier(model, device)
    window_bp = window_bp or classifier.window_bp
    places: list[GenomicInterval] | int
    if windows is not None:
        genome, places = read_windows(windows, classifier.task, fasta, window_bp)
    elif fasta is None or window_bp is None or classifier.task != "region":
        need = "--windows" if classifier.task == "pair" else "--fasta and --window-bp, or --windows"
        raise InputError(f"{model}: a model of task {classifier.task} needs {need} to know what to read")
    else:
        genome, places = Genome.open(fasta), window_bp
    scanner = MotifScanner.of(tuple(map(jaspar_motif, motif)) if motif else jaspar_core(), hit_p)
    with progress_shown("variants"):
        effects = variant_effects(
            classifier,
            genome,
            read_variants(vcf),
            places,
            element_names=REGIONS[classifier.task],
            scanner=scanner,
            settings=VariantSettings(rows_per_pass, ism_bp),
        )
    effects.annotate(vcf, annotated)
    effects.write(out)
    typer.echo(f"{vcf}: {effects}\nwritten to {out}, {annotated}")


@dna.command("marginalize")
def marginalize_motifs(
    model: Model,
    motif: Annotated[list[str], typer.Option(help="JASPAR id, or bases; once, or twice for a pair.")],
    fasta: OptionalFasta = None,
    windows: Annotated[
        Path | None,
        typer.Option(help=f"Backgrounds. {WINDOWS}. A model of regions also does with --window-bp: random DNA then."),
    ] = None,
    window_bp: ModelsBp = None,
    element: Annotated[
        list[str] | None,
        typer.Option(help="Element that takes the motifs (enhancer, promoter, region); twice: a motif in each."),
    ] = None,
    spacings: Annotated[
        str | None, typer.Option(help="Bases between two motifs: numbers and ranges, such as 0,3,10-60:5.")
    ] = None,
    orientations: Annotated[
        str | None, typer.Option(help="Strands, such as ++,+-; + of one motif, or all four of two, if left out.")
    ] = None,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Shuffle the backgrounds, keeping their dinucleotides.")
    ] = False,
    backgrounds: Annotated[int, typer.Option(help="Most backgrounds, drawn at random.", min=2)] = 100,
    confidence: Annotated[float, typer.Option(help="Of the bootstrap interval over backgrounds.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of backgrounds, shuffles and bootstrap.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Figure to write (.png), with its table (.csv) beside it.")] = Path(
        "marginalize.png"
    ),
    rows_per_pass: RowsPerPass = 8,
    device: Device = "cpu",
) -> None:
    """Insert a motif, or a pair at spacings and orientations, into backgrounds: the curve of the score's change."""
    from contactlens.dna.data.batch import REGIONS
    from contactlens.dna.serving.figures import marginal_figure
    from contactlens.dna.serving.marginalize import (
        ORIENTATIONS,
        MarginalSettings,
        insert_of,
        marginalize,
        random_backgrounds,
        window_backgrounds,
    )
    from contactlens.ops.progress import progress_shown
    from contactlens.reporting.figure_style import save_figure

    if out.suffix != ".png":
        raise InputError(f"--out {out}: the figure is a .png; its table is written beside it, as .csv")
    classifier = _classifier(model, device)
    window_bp = window_bp or classifier.window_bp
    names = REGIONS[classifier.task]
    unknown = [name for name in element or [] if name not in names]
    if unknown:
        raise InputError(f"--element {unknown[0]}: a model of task {classifier.task} has {', '.join(names)}")
    if windows is not None:
        shown = window_backgrounds(windows, classifier.task, fasta, window_bp, backgrounds, shuffle, seed)
    elif window_bp is None or classifier.task != "region":
        need = "--windows" if classifier.task == "pair" else "--windows, or --window-bp for random DNA"
        raise InputError(f"{model}: a model of task {classifier.task} needs {need} as backgrounds")
    else:
        shown = random_backgrounds(window_bp, backgrounds, seed)
    inserts = [insert_of(text) for text in motif]
    places = tuple(names.index(name) for name in element) if element else (0,)
    strands = [one.strip() for one in orientations.split(",")] if orientations else None
    settings = MarginalSettings(places, rows_per_pass, confidence=confidence, seed=seed)
    with progress_shown("marginalize"):
        found = marginalize(
            classifier,
            shown,
            inserts,
            _numbers(spacings) if spacings else (),
            strands or (ORIENTATIONS if len(inserts) == 2 else ("+",)),
            settings,
        )
    save_figure(marginal_figure(found.table, " and ".join(one.name for one in inserts)), out, found.table)
    skipped = f"; {found.skipped:,} without room for the motifs left out" * (found.skipped > 0)
    typer.echo(f"{found.backgrounds:,} backgrounds{skipped}; written to {out}, {out.with_suffix('.csv')}")


def _numbers(text: str) -> list[int]:
    """`0,3,10-20:5` -> 0, 3, 10, 15, 20."""
    found: list[int] = []
    for part in text.split(","):
        ends, _, step = part.strip().partition(":")
        first, _, last = ends.partition("-")
        words = (first, last or first, step or "1")
        if not all(word.isascii() and word.isdecimal() for word in words) or int(words[2]) == 0:
            raise InputError(f"--spacings: {part.strip()!r} is no number of bases and no range such as 10-60:5")
        found += range(int(words[0]), int(words[1]) + 1, int(words[2]))
    return found


@dna.command("ism")
def mutate_region(
    model: Model,
    region: Annotated[str, typer.Option(help="Bases to mutate, from 1 with both ends: chr1:1001-1200.")],
    fasta: OptionalFasta = None,
    windows: Annotated[
        Path | None, typer.Option(help=f"{WINDOWS}; the first that holds the region is shown to the model.")
    ] = None,
    window_bp: ModelsBp = None,
    out: Annotated[Path, typer.Option(help="Folder for ism.png, ism.csv and ism.bw.")] = Path("ism"),
    rows_per_pass: RowsPerPass = 8,
    device: Device = "cpu",
) -> None:
    """Change every base of a region to each other base: a heatmap, its table, and a bigWig of contributions."""
    from contactlens.dna.data.genome import Genome
    from contactlens.dna.serving.region_mutagenesis import parse_region, region_mutagenesis, window_of_region
    from contactlens.dna.serving.windows import read_windows
    from contactlens.ops.progress import progress_shown

    place = parse_region(region)
    classifier = _classifier(model, device)
    window_bp = window_bp or classifier.window_bp
    if windows is not None:
        genome, found = read_windows(windows, classifier.task, fasta, window_bp)
        window = window_of_region(place, genome, found)
    elif fasta is None or classifier.task != "region":
        need = "--windows" if classifier.task == "pair" else "--fasta or --windows"
        raise InputError(f"{model}: a model of task {classifier.task} needs {need} to know what to read")
    else:
        genome = Genome.open(fasta)
        window = window_of_region(place, genome, window_bp)
    with progress_shown("ism"):
        result = region_mutagenesis(classifier, genome, place, window, rows_per_pass)
    paths = result.write(out, genome)
    typer.echo(f"{len(result.table):,} bases in {window.id}, logit {result.score:.4g}; written to {paths[0].parent}")
