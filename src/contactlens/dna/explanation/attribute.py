"""Contributions of bases anywhere in a genome, from any checkpoint in the published format: one call, three files.

With a trained head (`classifier.json` in the folder) the logit is explained. A backbone that was only pre-trained has
none: there the score is how much it expects the interval's bases (`BaseLogOdds`).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside
from contactlens.base.torch_setup import resolve_device
from contactlens.dna.data.batch import REGIONS, WindowBatch
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.genome_tracks import Stretch, write_bedgraph
from contactlens.dna.data.importing.intervals import GenomicInterval, read_intervals
from contactlens.dna.data.shown import Shown, tensors
from contactlens.dna.data.tokens import BASES, MASK
from contactlens.dna.explanation.attributions import Attributions, write_attributions
from contactlens.dna.explanation.believed import believed
from contactlens.dna.explanation.checks import read_checks
from contactlens.dna.explanation.methods import AttributionSettings, require_method
from contactlens.dna.explanation.methods.lrp import one_hot_tokens
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.models.caduceus.operations import UsesOperations
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel
from contactlens.dna.models.classifier import DESCRIPTION, WindowClassifier, load_classifier

PASSES = 7  # hides every seventh base, about the 15 % of the pre-training


@dataclass(frozen=True)
class IntervalAttributions:
    """Contributions by one method to the score of each interval.

    scores: (N,); hypothetical, one_hot: (L, 4) for each interval, A, C, G, T
    """

    method: str
    intervals: list[GenomicInterval]
    scores: np.ndarray
    hypothetical: list[np.ndarray]
    one_hot: list[np.ndarray]

    def table(self) -> pd.DataFrame:
        """A row a base: chrom, position (0-based), name, base, contribution, and hypothetical_A to _T."""
        letters = np.array(list("NACGT"))
        parts = []
        for interval, values, bases in zip(self.intervals, self.hypothetical, self.one_hot, strict=True):
            columns = {
                "chrom": interval.chrom,
                "position": np.arange(interval.start, interval.end),
                "name": interval.name,
                "base": letters[bases @ np.arange(1, 5)],
                "contribution": (values * bases).sum(axis=1),
            }
            parts.append(pd.DataFrame(columns | {f"hypothetical_{b}": values[:, i] for i, b in enumerate("ACGT")}))
        return pd.concat(parts, ignore_index=True)

    def arrays(self) -> Attributions:
        """The same as one array; intervals shorter than the longest are followed by rows of zero."""
        length = max(len(values) for values in self.hypothetical)
        hypothetical, one_hot = (
            np.stack([np.pad(values, ((0, length - len(values)), (0, 0))) for values in found])
            for found in (self.hypothetical, self.one_hot)
        )
        ids = np.array([interval.id for interval in self.intervals], dtype=np.str_)
        return Attributions(ids, self.scores, hypothetical, one_hot)

    def write(self, folder: Path | str) -> list[Path]:
        """Write attributions.npz, attributions.tsv and, for genome browsers, attributions.bedgraph (where intervals
        overlap, their mean).
        """
        npz, tsv, bedgraph = (Path(folder) / f"attributions.{kind}" for kind in ("npz", "tsv", "bedgraph"))
        table = self.table()
        write_attributions(npz, {self.method: self.arrays()})
        with write_aside(tsv) as aside:
            table.to_csv(aside, sep="\t", index=False, float_format="%.6g", lineterminator="\n")
        write_bedgraph(bedgraph, _stretches(table))
        return [npz, tsv, bedgraph]


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
) -> IntervalAttributions:
    """Explain what a checkpoint says of intervals of a genome.

    checkpoint: a folder in the published Caduceus format, or of `save_classifier`
    bed: BED (chrom, start, end, name if any) for one region each; BEDPE for a classifier of pairs, the enhancer first
    method: key of `METHODS`, or `best`, the first of the table that came with the classifier; where it fails its checks
        for the model (`max_completeness_error`, and a reference whose logit no real window has), it is refused by name
        and the next takes its place
    context_bp: bases on either side of an interval that the model also sees, as far as its record goes; they get
        contributions too. None for windows of the classifier's own length around the intervals, as it was trained on
        (of regions the whole window is the element then); with a model that does not know it, for none

    Raises InputError for a bad file, an unknown record, method or device, and intervals beyond their record.
    """
    require_method(method)
    given = {"context_bp": (context_bp or 0, 0), **{name: (value, 1) for name, value in asdict(settings).items()}}
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
    return _attribute(model.to(target), genome, intervals, method, settings, max_completeness_error, known)


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
) -> IntervalAttributions:
    """Intervals of one length are run together."""
    device = next(model.parameters()).device
    lengths = [one.end - one.start for one in intervals]
    rows = [[i for i, own in enumerate(lengths) if own == length] for length in sorted(set(lengths))]
    batches = [_batch([intervals[i] for i in same], genome, device) for same in rows]
    used = believed(model, batches, method, settings, max_completeness_error, known)
    n = len(intervals)
    found = IntervalAttributions(used.method, intervals, np.empty(n), [np.empty(0)] * n, [np.empty(0)] * n)
    for same, one in zip(rows, used.attributions, strict=True):
        found.scores[same] = one.logits
        for i, row in enumerate(same):
            found.hypothetical[row], found.one_hot[row] = one.hypothetical[i], one.one_hot[i]
    return found


def _batch(intervals: list[GenomicInterval], genome: Genome, device: torch.device) -> WindowBatch:
    ids, regions = tensors([Shown.of(one, genome) for one in intervals], device)
    return WindowBatch(ids, regions, torch.zeros(len(ids), device=device), [one.id for one in intervals])


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
