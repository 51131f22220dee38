"""Contributions of bases anywhere in a genome, from any checkpoint in the published format: one call, three files.

With a trained head (`classifier.json` in the folder) the logit is explained. A backbone that was only pre-trained has
none: there the score is how much it expects the interval's bases (`BaseLogOdds`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.base.torch_setup import resolve_device
from contactlens.dna.data.batch import REGIONS, StoredWindows
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.genome_tracks import Stretch, write_bedgraph
from contactlens.dna.data.importing.intervals import GenomicInterval, read_intervals
from contactlens.dna.data.tokens import BASES, MASK
from contactlens.dna.explanation.attributions import Attributions, write_attributions, write_hdf5
from contactlens.dna.explanation.believed import believed_parts
from contactlens.dna.explanation.checks import read_checks
from contactlens.dna.explanation.methods import AttributionSettings, require_method, require_precision
from contactlens.dna.explanation.methods.lrp import one_hot_tokens
from contactlens.dna.explanation.parts import AttributionParts, Runner, in_turn
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.models.caduceus.operations import UsesOperations
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel
from contactlens.dna.models.classifier import DESCRIPTION, WindowClassifier, load_classifier

INTERVALS = "intervals.tsv"
INTERVAL_COLUMNS = ("window_id", "chrom", "start", "end", "name")  # and `score`
PASSES = 7  # hides every seventh base, about the 15 % of the pre-training


@dataclass(frozen=True)
class IntervalAttributions:
    """Contributions by one method to the score of each interval, in files.

    scores: (N,)
    parts: of the intervals of one length each, `rows` of all
    """

    method: str
    intervals: list[GenomicInterval]
    scores: np.ndarray
    rows: list[list[int]]
    parts: list[AttributionParts]

    @cached_property
    def _places(self) -> dict[int, tuple[AttributionParts, int]]:
        pairs = zip(self.rows, self.parts, strict=True)
        return {row: (parts, place) for rows, parts in pairs for place, row in enumerate(rows)}

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """`hypothetical` and `one_hot` of one interval, (L, 4) each: A, C, G, T."""
        parts, place = self._places[row]
        return parts.row(place)

    @property
    def hypothetical(self) -> list[np.ndarray]:
        """Of all intervals, in memory."""
        return [self.of(row)[0] for row in range(len(self.intervals))]

    def table(self, rows: Sequence[int] | None = None) -> pd.DataFrame:
        """A row a base: chrom, position (0-based), name, base, contribution, and hypothetical_A to _T; of some
        intervals, or of all.
        """
        letters = np.array(list("NACGT"))
        tables = []
        for row in range(len(self.intervals)) if rows is None else rows:
            interval, (values, bases) = self.intervals[row], self.of(row)
            columns = {
                "chrom": interval.chrom,
                "position": np.arange(interval.start, interval.end),
                "name": interval.name,
                "base": letters[bases @ np.arange(1, 5)],
                "contribution": (values * bases).sum(axis=1),
            }
            tables.append(pd.DataFrame(columns | {f"hypothetical_{b}": values[:, i] for i, b in enumerate("ACGT")}))
        return pd.concat(tables, ignore_index=True)

    @property
    def window_ids(self) -> np.ndarray:
        return np.array([interval.id for interval in self.intervals], dtype=np.str_)

    @property
    def logits(self) -> np.ndarray:
        return self.scores

    @property
    def length(self) -> int:
        """Of the longest."""
        return max(parts.length for parts in self.parts)

    def pieces(self) -> Iterator[Attributions]:
        """One by one; intervals shorter than the longest are followed by rows of zero."""
        names, length = self.window_ids, self.length
        for row in range(len(self.intervals)):
            arrays = (np.pad(one, ((0, length - len(one)), (0, 0)))[None] for one in self.of(row))
            yield Attributions(names[row : row + 1], self.scores[row : row + 1], *arrays)

    def write(self, folder: Path | str, hdf5: bool = False) -> list[Path]:
        """Write attributions.npz, or in its place attributions.h5, attributions.tsv, for genome browsers
        attributions.bedgraph (where intervals overlap, their mean), and intervals.tsv, a row an interval, in order.
        """
        kinds = ("h5" if hdf5 else "npz", "tsv", "bedgraph")
        arrays, tsv, bedgraph = (Path(folder) / f"attributions.{kind}" for kind in kinds)
        (write_hdf5 if hdf5 else write_attributions)(arrays, {self.method: self})
        with write_aside(tsv) as aside, aside.open("w", newline="") as out:
            for row in range(len(self.intervals)):
                form: dict[str, Any] = {"sep": "\t", "index": False, "float_format": "%.6g", "lineterminator": "\n"}
                self.table([row]).to_csv(out, header=row == 0, **form)
        write_bedgraph(bedgraph, self._stretches())
        places = [(one.id, one.chrom, one.start, one.end, one.name) for one in self.intervals]
        with write_aside(intervals := Path(folder) / INTERVALS) as aside:
            table = pd.DataFrame(places, columns=list(INTERVAL_COLUMNS)).assign(score=self.scores)
            table.to_csv(aside, sep="\t", index=False, float_format="%.6g", lineterminator="\n")
        return [arrays, tsv, bedgraph, intervals]

    def _stretches(self) -> Iterator[Stretch]:
        """Means over intervals, one group of overlapping or adjoining ones in memory at a time."""
        places = pd.DataFrame(
            [(one.chrom, one.start, one.end) for one in self.intervals], columns=["chrom", "start", "end"]
        )
        for _, own in places.sort_values(["chrom", "start"], kind="stable").groupby("chrom", sort=True):
            apart = np.flatnonzero(own["start"].to_numpy()[1:] > own["end"].cummax().to_numpy()[:-1]) + 1
            for rows in np.split(own.index.to_numpy(), apart):
                yield from _stretches(self.table(sorted(rows.tolist())))


def attribute_windows(
    checkpoint: Path | str,
    fasta: Path | str,
    bed: Path | str,
    method: str,
    *,
    context_bp: int | None,
    settings: AttributionSettings,
    max_completeness_error: float = 0.25,
    device: str = "cpu",
    kept: Path | None = None,
    run: Runner = in_turn,
) -> IntervalAttributions:
    """Explain what a checkpoint says of intervals of a genome, some windows at a time.

    checkpoint: a folder in the published Caduceus format, or of `save_classifier`
    bed: BED (chrom, start, end, name if any) for one region each; BEDPE for a classifier of pairs, the enhancer first
    method: key of `METHODS`, or `best`, the first of the table that came with the classifier; where it fails its checks
        for the model (`max_completeness_error`, and a reference whose logit no real window has), it is refused by name
        and the next takes its place
    context_bp: bases on either side of an interval that the model also sees, as far as its record goes; they get
        contributions too. None for windows of the classifier's own length around the intervals, as it was trained on
        (of regions the whole window is the element then); with a model that does not know it, for none
    kept: folder of the parts, which the result reads and from which a run that was killed goes on; a temporary one
        where None
    run: who calls the work on each part

    Raises InputError for a bad file, an unknown record, method or device, and intervals beyond their record.
    """
    require_method(method)
    require_precision(settings.precision)
    counts = ("ig_steps", "rows_per_pass", "references")
    given = {"context_bp": (context_bp or 0, 0), **{name: (getattr(settings, name), 1) for name in counts}}
    for name, (value, least) in given.items():
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}")
    target = resolve_device(device)
    model, n_elements = load_explained(checkpoint)
    genome = Genome.open(fasta)
    intervals = read_intervals(bed, n_elements, genome, context_bp or 0)
    if context_bp is None and isinstance(model, WindowClassifier) and model.window_bp is not None:
        intervals = [one.in_window(model.window_bp, n_elements == 1, genome) for one in intervals]
    known = read_checks(Path(checkpoint).parent) if (Path(checkpoint) / DESCRIPTION).exists() else None
    model = model.to(target)
    return _attribute(model, genome, intervals, method, settings, max_completeness_error, known, kept, run)


def load_explained(checkpoint: Path | str) -> tuple[nn.Module, int]:
    """A model with a score, and how many elements that takes."""
    if (Path(checkpoint) / DESCRIPTION).exists():
        classifier = load_classifier(checkpoint)
        return classifier, len(REGIONS[classifier.task])
    return BaseLogOdds(load_backbone(checkpoint)).eval(), 1


def _attribute(
    model: nn.Module,
    genome: Genome,
    intervals: list[GenomicInterval],
    method: str,
    settings: AttributionSettings,
    max_completeness_error: float,
    known: pd.DataFrame | None,
    kept: Path | None,
    run: Runner,
) -> IntervalAttributions:
    """Intervals of one length are run together."""
    lengths = [one.end - one.start for one in intervals]
    rows = [[i for i, own in enumerate(lengths) if own == length] for length in sorted(set(lengths))]
    windows = [_windows([intervals[i] for i in same], genome) for same in rows]
    home = TemporaryDirectory() if kept is None else None
    folder = Path(home.name) if home is not None else Path(kept or "")
    used = believed_parts(model, windows, method, settings, max_completeness_error, folder, known, run)
    parts = [replace(one, home=home) for one in used.attributions]
    scores = np.empty(len(intervals))
    for same, one in zip(rows, parts, strict=True):
        scores[same] = one.logits
    return IntervalAttributions(used.method, intervals, scores, rows, parts)


def _windows(intervals: list[GenomicInterval], genome: Genome) -> StoredWindows:
    places = [(one.record, one.start - one.record_start, one.end - one.record_start) for one in intervals]
    bounds = np.array([one.elements for one in intervals]) - np.array([one.start for one in intervals])[:, None, None]
    return StoredWindows(genome, places, bounds, torch.zeros(len(intervals)), [one.id for one in intervals])


def _stretches(table: pd.DataFrame) -> list[Stretch]:
    mean = table.groupby(["chrom", "position"], sort=True)["contribution"].mean().reset_index()
    found = []
    for chrom, rows in mean.groupby("chrom", sort=True):
        position, value = rows["position"].to_numpy(), rows["contribution"].to_numpy()
        breaks = np.flatnonzero(np.diff(position) > 1) + 1
        for places, values in zip(np.split(position, breaks), np.split(value, breaks), strict=True):
            found.append(Stretch(str(chrom), int(places[0]), values))
    return found


class BaseLogOdds(nn.Module, UsesOperations):
    """Token ids (B, L) and regions (B, R, L) -> pseudo-log-odds of the regions' bases (B,), in nats.

    The sum over bases of the logit of the base that is there minus the mean logit of A, C, G and T: its log-odds
    against the geometric mean of the four. Each is read in a pass that hides it, as otherwise the model could copy it;
    seven passes hide every base of the regions once. Zero where the model expects nothing, or where a base is an even
    mixture of all four. Centred logits stand in for log-probabilities because they have no normaliser: relevance is
    conserved through them.

    A base contributes by being expected, and by what it makes the model expect elsewhere.
    """

    def __init__(self, model: MaskedLanguageModel) -> None:
        super().__init__()
        self.model = model

    def logits(self, x: Tensor) -> Tensor:
        """One-hot tokens (B, L, vocab) -> logits; models that are not `rcps` are averaged over both strands."""
        backbone, weight = self.model.backbone, self.model.backbone.embedding.weight
        forward, reverse = backbone.strands_one_hot(x)
        if backbone.config.rcps:
            return self.model.head(backbone.join(forward, reverse))
        return (forward @ weight.T + reverse @ weight[backbone.complement].T) / 2

    def forward_one_hot(self, x: Tensor, regions: Tensor) -> Tensor:
        bases = x[..., list(BASES)]  # (B, L, 4)
        inside = regions.any(1) & (bases.detach().sum(-1) > 0.5)
        turn = torch.arange(x.shape[1], device=x.device) % PASSES == torch.arange(PASSES, device=x.device)[:, None]
        hidden = (inside.unsqueeze(1) & turn).unsqueeze(-1).to(x.dtype)  # (B, P, L, 1)
        mask = torch.zeros_like(x[0, 0])
        mask[MASK] = 1
        masked = self.operations.add_bias((x.unsqueeze(1) * (1 - hidden)).flatten(0, 1), (hidden * mask).flatten(0, 1))
        logits = self.logits(masked)[..., list(BASES)].unflatten(0, (len(x), PASSES))
        expected = ((logits - logits.mean(-1, keepdim=True)) * hidden).sum(1)  # (B, L, 4)
        return self.operations.product(bases, expected).sum((1, 2))

    def forward(self, ids: Tensor, regions: Tensor) -> Tensor:
        return self.forward_one_hot(one_hot_tokens(self, ids), regions)
