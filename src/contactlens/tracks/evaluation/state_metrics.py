"""Scores of a decoded promoter as sums per track, so that a thousand resamples of tracks are a few matrix products.

With every track drawn once each score is the one that `contactlens.calibration.classification` gives the frames.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from contactlens.calibration import Metric
from contactlens.calibration.bootstrap import mean_metric, sum_by_track
from contactlens.calibration.classification import Score, auprc_score, auroc_score, probability_bins

Array = np.ndarray
RANKS = 2000  # classes of equal counts that frames are ranked in; AUROC and AUPRC are exact to about 1e-4


def best_threshold(y: Array, probability: Array) -> float:
    """The threshold of the largest balanced accuracy: y (n,) 0 or 1, called on where `probability` (n,) reaches it.

    The lowest such threshold, where several do as well.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, on = probability[order], y[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal probabilities are called together
    gain = np.cumsum(on) / on.sum() - np.cumsum(1 - on) / (1 - on).sum()
    best = np.flatnonzero(last & (gain == gain[last].max()))[-1]
    return float(ranked[best])


def state_metrics(track: Array, y: Array, logit: Array, called: Array, bins: int) -> dict[str, Metric]:
    """auroc, auprc, accuracy, balanced_accuracy, f1, nll, brier, ece.

    track: (n,) int codes from 0; y: (n,) 0 or 1; logit: (n,) log odds of on; called: (n,) bool, the decoded state;
    bins: of `ece`. A score that resampled tracks leave undefined (all in one state) is NaN.
    """
    probability = expit(logit)
    return {
        "auroc": _ranking_metric(track, y, logit, auroc_score),
        "auprc": _ranking_metric(track, y, logit, auprc_score),
        **_call_metrics(track, y, called),
        "nll": mean_metric(track, np.logaddexp(0, (1 - 2 * y) * logit)),
        "brier": mean_metric(track, (probability - y) ** 2),
        "ece": _ece_metric(track, y, probability, bins),
    }


def binned(track: Array, index: Array, values: Array) -> Metric:
    """Mean of values (n,) over the frames of each bin, (bins,): index (n,) int from 0 without gaps."""
    sums = np.concatenate([_by_bin(track, index, values), _by_bin(track, index, np.ones(values.size))], axis=1)
    width = sums.shape[1] // 2
    return Metric(sums, lambda total: ratio(total[..., :width], total[..., width:]))


def _call_metrics(track: Array, y: Array, called: Array) -> dict[str, Metric]:
    hit = called.astype(np.float64)
    sums = sum_by_track(track, np.stack([y * hit, (1 - y) * (1 - hit), y, 1 - y, hit], axis=1))

    def balanced(total: Array) -> Array:
        return (ratio(total[..., 0], total[..., 2]) + ratio(total[..., 1], total[..., 3])) / 2

    return {
        "accuracy": Metric(sums, lambda total: (total[..., 0] + total[..., 1]) / (total[..., 2] + total[..., 3])),
        "balanced_accuracy": Metric(sums, balanced),
        "f1": Metric(sums, lambda total: ratio(2 * total[..., 0], total[..., 2] + total[..., 4])),
    }


def _ranking_metric(track: Array, y: Array, logit: Array, score_of: Callable[[Array, Array], Score]) -> Metric:
    """A score of the order of frames, with frames of one rank and state taken together as one weighted case."""
    rank = probability_bins(logit, RANKS)
    ranks = int(rank.max()) + 1
    cases = _by_bin(track, rank + ranks * y.astype(np.int64), np.ones(y.size), 2 * ranks)
    score = score_of(np.repeat([0.0, 1.0], ranks), np.tile(np.arange(ranks), 2))
    return Metric(cases, lambda total: score(np.atleast_2d(total)).reshape(total.shape[:-1]))


def _ece_metric(track: Array, y: Array, probability: Array, bins: int) -> Metric:
    gaps = _by_bin(track, probability_bins(probability, bins), y - probability)
    sums = np.column_stack([gaps, np.bincount(track)])
    return Metric(sums, lambda total: np.abs(total[..., :-1]).sum(axis=-1) / total[..., -1])


def _by_bin(track: Array, index: Array, values: Array, bins: int | None = None) -> Array:
    """Sums of values (n,) over each track's frames in each bin, (tracks, bins)."""
    width = bins or int(index.max()) + 1
    size = (int(track.max()) + 1) * width
    return np.bincount(track * width + index, values, minlength=size).reshape(-1, width)


def ratio(numerator: Array, denominator: Array) -> Array:
    """`numerator` by `denominator`, NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
