"""The best match of every known motif in each element, alone and under boosted trees: what one would try first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor
from torch.nn import functional as F

from contactlens.calibration.classification import row_auroc
from contactlens.dna.data.dinucleotide_shuffle import dinucleotide_shuffle
from contactlens.dna.data.motif_database import Motif, jaspar_core
from contactlens.dna.data.tokens import encode, one_hot_bases
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.composition import element_sequences, labels
from contactlens.dna.evaluation.baselines.logistic import Array, fit_scaled, nll, positive
from contactlens.dna.evaluation.config import MotifScanConfig

WINDOWS_PER_PASS = 64
STEPS_PER_BIT = 256  # scores are whole steps, so sums are exact: the same on either strand and on every machine
KEPT_SCANS = 16  # of two elements: four splits, and the training elements' shuffles


def best_scores(sequences: Sequence[str], motifs: Sequence[Motif]) -> Array:
    """The best log-odds score of each motif on either strand of each sequence, (N, M) float32 in bits.

    Bases that are not known score 0. Of a motif longer than a sequence, the sequence is taken to go on as unknown.
    """
    found = np.empty((len(sequences), len(motifs)), dtype=np.float32)
    by_width: dict[int, list[int]] = {}
    for column, motif in enumerate(motifs):
        by_width.setdefault(len(motif), []).append(column)
    filters = {w: strand_filters([motifs[column] for column in columns]) for w, columns in by_width.items()}
    order = np.argsort([len(bases) for bases in sequences], kind="stable")  # of like lengths: little padding
    for rows in np.array_split(order, max(1, -(-len(order) // WINDOWS_PER_PASS))) if len(order) else ():
        x, length = padded([sequences[row] for row in rows], max(by_width))
        for width, columns in by_width.items():
            found[np.ix_(rows, np.array(columns))] = _best(x, length, filters[width], width).numpy()
    return found


def strand_filters(motifs: Sequence[Motif]) -> Tensor:
    """(2 M, 4, W): the motifs, then their reverse complements."""
    steps = np.round(STEPS_PER_BIT * np.stack([motif.scores for motif in motifs])) / STEPS_PER_BIT
    forward = torch.from_numpy(steps).float().transpose(1, 2)
    return torch.cat([forward, forward.flip(1, 2)])


def padded(sequences: Sequence[str], shortest: int) -> tuple[Tensor, Tensor]:
    """One-hot bases (N, 4, L) with L of at least `shortest`, and each sequence's own length (N,)."""
    lengths = [len(bases) for bases in sequences]
    of_one_length = [bases.ljust(max(shortest, *lengths), "N") for bases in sequences]
    ids = torch.from_numpy(np.stack([encode(bases) for bases in of_one_length]))
    return one_hot_bases(ids).transpose(1, 2), torch.tensor(lengths)


@torch.no_grad()
def _best(x: Tensor, length: Tensor, filters: Tensor, width: int) -> Tensor:
    """Of one-hot bases (N, 4, L) and filters (2 M, 4, W): the highest score (N, M) at a place that is all sequence."""
    scores = F.conv1d(x, filters)  # (N, 2 M, L - W + 1)
    outside = torch.arange(scores.shape[-1]) > (length - width).clamp(min=0)[:, None]
    best = scores.masked_fill(outside[:, None], -torch.inf).amax(-1)
    return torch.maximum(*best.chunk(2, dim=1))


@lru_cache(maxsize=KEPT_SCANS)
def _scanned(sequences: tuple[str, ...]) -> Array:
    """`best_scores` of the vertebrate motifs, kept: several baselines ask for the same. Each sequence is read once."""
    place = {bases: row for row, bases in enumerate(dict.fromkeys(sequences))}
    found = best_scores(list(place), jaspar_core())[[place[bases] for bases in sequences]]
    found.flags.writeable = False
    return found


def element_scans(windows: WindowSet) -> list[Array]:
    """Best scores (N, M) of each element of the windows."""
    return [_scanned(tuple(sequences)) for sequences in element_sequences(windows).values()]


def aurocs(above: Array, below: Array) -> Array:
    """(M,): how often a row of `above` (N, M) has a higher score than one of `below` (K, M), ties counted half."""
    scores = np.vstack([above, below]).T
    ahead = np.broadcast_to(np.arange(scores.shape[1]) < len(above), scores.shape)
    return row_auroc(scores, ahead, np.ones_like(ahead))


def enrichment(windows: WindowSet, seed: int) -> list[Array]:
    """How well each motif's score tells windows apart, (M,) for each element, 1/2 where it does not.

    The AUROC of the label, of either sign; for pairs, whose labels may say nothing of one element alone, that of the
    elements against their own dinucleotide shuffles where it is larger.
    """
    y = labels(windows) > 0.5
    found = []
    for scan, sequences in zip(element_scans(windows), element_sequences(windows).values(), strict=True):
        of_label = aurocs(scan[y], scan[~y])
        best = np.maximum(of_label, 1 - of_label)
        if windows.task == "pair":
            best = np.maximum(best, _above_shuffles(tuple(sequences), seed))
        found.append(best)
    return found


@lru_cache(maxsize=2)
def _above_shuffles(sequences: tuple[str, ...], seed: int) -> Array:
    """`aurocs` of the sequences' scores over those of their dinucleotide shuffles, (M,); kept, as `_scanned` is."""
    rng = np.random.default_rng(seed)
    shuffled = tuple(dinucleotide_shuffle(bases, rng) for bases in dict.fromkeys(sequences))
    found = aurocs(_scanned(sequences), _scanned(shuffled))
    found.flags.writeable = False
    return found


def chosen_motifs(scan: Array, enriched: Array, most: int, max_correlation: float) -> Array:
    """Columns of up to `most` motifs, the most enriched first, none of which repeats one before it.

    scan: (N, M) scores of the training elements; enriched: (M,).
    """
    unit = scan - scan.mean(axis=0)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=0), 1e-12)
    kept: list[int] = []
    for column in np.argsort(-enriched, kind="stable").tolist():
        if len(kept) == most:
            break
        if not kept or (unit[:, kept].T @ unit[:, column]).max() <= max_correlation:
            kept.append(column)
    return np.array(kept)


@dataclass(frozen=True)
class ScanFeatures:
    """From windows to features (N, F): scores of each element's own motifs, and every product of two elements'.

    Scores are brought to mean 0 and SD 1 of the training elements, so that a product is high where both elements have
    their motif and where neither has.

    columns, mean, sd: of each element, (K,) each
    """

    columns: tuple[Array, ...]
    mean: tuple[Array, ...]
    sd: tuple[Array, ...]

    @classmethod
    def fit(cls, train: WindowSet, enriched: Sequence[Array], most: int, max_correlation: float) -> "ScanFeatures":
        scans = element_scans(train)
        columns = [chosen_motifs(*one, most, max_correlation) for one in zip(scans, enriched, strict=True)]
        own = [scan[:, chosen] for scan, chosen in zip(scans, columns, strict=True)]
        sd = tuple(np.maximum(scan.std(axis=0), 1e-6) for scan in own)
        return cls(tuple(columns), tuple(scan.mean(axis=0) for scan in own), sd)

    def __call__(self, windows: WindowSet) -> Array:
        fitted = zip(element_scans(windows), self.columns, self.mean, self.sd, strict=True)
        scores = [(scan[:, columns] - mean) / sd for scan, columns, mean, sd in fitted]
        if len(scores) < 2:
            return scores[0]
        enhancer, promoter = scores
        products = (enhancer[:, :, None] * promoter[:, None, :]).reshape(len(enhancer), -1)
        return np.hstack([enhancer, promoter, products])


@dataclass(frozen=True)
class MotifScan:
    """Gradient-boosted trees on `ScanFeatures`; how many motifs they see has the lowest validation NLL."""

    features: ScanFeatures
    classifier: Any

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: MotifScanConfig, seed: int) -> "MotifScan":
        y, y_validation = labels(train), labels(validation)
        enriched = enrichment(train, seed)
        candidates = []
        for most in config.motifs:
            features = ScanFeatures.fit(train, enriched, most, config.max_correlation)
            x_validation = features(validation)
            fitted = trees(config, seed).fit(features(train), y, X_val=x_validation, y_val=y_validation)
            candidates.append((nll(fitted, x_validation, y_validation), cls(features, fitted)))
        return min(candidates, key=lambda candidate: candidate[0])[1]

    def predict(self, windows: WindowSet) -> Array:
        return positive(self.classifier, self.features(windows))


def trees(config: MotifScanConfig, seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=config.learning_rate,
        max_iter=config.max_trees,
        max_leaf_nodes=config.max_leaves,
        min_samples_leaf=config.min_leaf_windows,
        early_stopping=True,
        n_iter_no_change=config.patience,
        random_state=seed,
    )


@dataclass(frozen=True)
class BestMotif:
    """The one motif whose best score tells the training regions apart, made a probability by logistic regression."""

    motif: Motif
    column: int
    classifier: Any

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: MotifScanConfig, seed: int) -> "BestMotif":
        (enriched,) = enrichment(train, seed)
        column = int(np.argmax(enriched))
        x, x_validation = (element_scans(windows)[0][:, [column]] for windows in (train, validation))
        fitted = fit_scaled(x, labels(train), x_validation, labels(validation), config.inverse_penalties)
        return cls(jaspar_core()[column], column, fitted)

    def predict(self, windows: WindowSet) -> Array:
        return positive(self.classifier, element_scans(windows)[0][:, [self.column]])
