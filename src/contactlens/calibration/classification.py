"""Scores of predicted probabilities as functions of case weights, and their recalibration.

A bootstrap replicate is a set of weights: how often it drew each case. Every score here takes the weights of many
replicates at once, (R, n) -> (R,), so that a thousand replicates are a few array operations. A score that a replicate
leaves undefined (it drew a single class) is NaN. With unit weights each equals the scikit-learn function of its name.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import expit

Array = np.ndarray
Score = Callable[[Array], Array]


def classification_scores(y: Array, logit: Array, bins: int) -> dict[str, Score]:
    """Every score of the evaluation table by name: auroc, auprc, accuracy, balanced_accuracy, f1, nll, brier, ece.

    y: (n,) 0 or 1; logit: (n,) log odds of class 1; bins: of `ece`. Classes are decided at probability 0.5.
    """
    y = np.asarray(y, dtype=np.float64)
    probability = expit(logit)
    hit = (logit > 0).astype(np.float64)
    true, false = y * hit, (1 - y) * (1 - hit)
    recall, specificity = ratio_score(true, y), ratio_score(false, 1 - y)
    return {
        "auroc": auroc_score(y, logit),
        "auprc": auprc_score(y, logit),
        "accuracy": mean_score(true + false),
        "balanced_accuracy": lambda weights: (recall(weights) + specificity(weights)) / 2,
        "f1": ratio_score(2 * true, y + hit),
        "nll": mean_score(np.logaddexp(0, (1 - 2 * y) * logit)),
        "brier": mean_score((probability - y) ** 2),
        "ece": ece_score(y, probability, bins),
    }


def mean_score(values: Array) -> Score:
    """Weighted mean of values (n,)."""
    return ratio_score(values, np.ones_like(values))


def ratio_score(numerator: Array, denominator: Array) -> Score:
    """Weighted sum of `numerator` (n,) over that of `denominator` (n,)."""
    return lambda weights: _divide(weights @ numerator, weights @ denominator)


def auroc_score(y: Array, score: Array) -> Score:
    """Share of (positive, negative) pairs in the right order; a tie counts half."""
    order, starts = _ties(score)

    def value(weights: Array) -> Array:
        positive, negative = _by_class(weights, y, order, starts)
        below = np.cumsum(negative, axis=1) - negative / 2
        return _divide((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))

    return value


def row_auroc(scores: Array, positive: Array, candidate: Array) -> Array:
    """AUROC of each row: the probability that a positive candidate scores higher than another one, ties by half.

    All (R, T); scores not negative. Gives (R,), NaN where a row's candidates are all of one class.
    """
    from scipy.stats import rankdata

    rank = rankdata(np.where(candidate, scores, -1.0), axis=1)  # from 1; frames that are no candidates come first
    rank -= (~candidate).sum(axis=1, keepdims=True)
    chosen = positive & candidate
    n_positive = chosen.sum(axis=1)
    pairs = n_positive * (candidate.sum(axis=1) - n_positive)
    wins = (rank * chosen).sum(axis=1) - n_positive * (n_positive + 1) / 2
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)


def auprc_score(y: Array, score: Array) -> Score:
    """Average precision: precision at each threshold, weighted by the recall it adds (no interpolation)."""
    order, starts = _ties(-score)

    def value(weights: Array) -> Array:
        positive, negative = _by_class(weights, y, order, starts)
        found = np.cumsum(positive, axis=1)
        taken = found + np.cumsum(negative, axis=1)
        precision = found / np.where(taken > 0, taken, 1)
        return _divide((positive * precision).sum(axis=1), found[:, -1])

    return value


def ece_score(y: Array, probability: Array, bins: int) -> Score:
    """Expected calibration error: mean over bins of |observed - predicted|, each bin by the share it holds.

    Bins of equal counts (`probability_bins`), fixed on all cases: Nguyen & O'Connor (2015), arXiv:1508.05154. It can't
    be negative, so noise alone makes it positive and its bootstrap interval lies high.
    """
    index = probability_bins(probability, bins)
    gaps = np.where(index[:, None] == np.arange(index.max() + 1), (y - probability)[:, None], 0.0)
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)


def probability_bins(probability: Array, bins: int) -> Array:
    """Bin of each probability, (n,) int from 0 upwards without gaps: at most `bins` bins of about equal counts.

    Equal probabilities share a bin, so that what a bin holds does not depend on the order of the cases.
    """
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.unique(np.searchsorted(edges, probability, side="left"), return_inverse=True)[1]


def logit_of(probability: Array) -> Array:
    """Log odds of probabilities (n,); 0 and 1 become finite, about -27.6 and 27.6."""
    inside = np.clip(np.asarray(probability, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside)


@dataclass(frozen=True)
class Platt:
    """Recalibrated log odds: slope * logit + offset. Platt (1999), "Probabilistic outputs for SVMs".

    The slope is never negative: where the calibration split says that the ranking is upside down, the recalibrated
    probability is the split's prevalence and the ranking is not turned round.
    """

    slope: float
    offset: float

    @classmethod
    def fit(cls, y: Array, logit: Array) -> "Platt":
        """Maximum likelihood on a split that neither trained nor tests the model: y (n,) 0 or 1, logit (n,).

        With Platt's targets, one case more in each class than there was: a split without an error must not make the
        probabilities 0 and 1.
        """
        from scipy.optimize import minimize

        positives, n = float(np.sum(y)), y.size
        target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (n - positives + 2))
        centre, scale = float(logit.mean()), float(logit.std()) or 1.0
        z = (logit - centre) / scale

        def loss(parameters: Array) -> tuple[float, Array]:
            t = parameters[0] * z + parameters[1]
            residual = (expit(t) - target) / n
            return float(np.mean(np.logaddexp(0, t) - target * t)), np.array([residual @ z, residual.sum()])

        options = {"ftol": 1e-14, "gtol": 1e-9}
        found = minimize(
            loss, [0.0, 0.0], jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)], options=options
        )
        slope = float(found.x[0]) / scale
        return cls(slope, float(found.x[1]) - slope * centre)

    def __call__(self, logit: Array) -> Array:
        return self.slope * logit + self.offset

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, float]) -> "Platt":
        return cls(**state)


def _ties(score: Array) -> tuple[Array, Array]:
    """The order of ascending score, and where in it each run of equal scores starts."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])


def _by_class(weights: Array, y: Array, order: Array, starts: Array) -> tuple[Array, Array]:
    """Weight of positives and of negatives in each run of equal scores, (R, runs) each."""
    ranked, label = weights[:, order], y[order]
    return np.add.reduceat(ranked * label, starts, axis=1), np.add.reduceat(ranked * (1 - label), starts, axis=1)


def _divide(numerator: Array, denominator: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return numerator / denominator
