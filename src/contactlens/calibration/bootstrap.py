"""Bootstrap by track: frames of a track resemble each other, so tracks are resampled, never frames.

Every metric here is a function of sums over frames. A metric is therefore a table of sums per track, made once, and a
function of their total: a thousand resamples are one matrix product (the pair of update and compute that torchmetrics
uses).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from contactlens.calibration.metrics import equal_count_bins, in_central_band
from contactlens.calibration.scores import Scored

Array = np.ndarray


class Metric(NamedTuple):
    """sums: (tracks, K) per-track sums; value: maps totals (..., K) to the metric (..., [width])."""

    sums: Array
    value: Callable[[Array], Array]

    @property
    def estimate(self) -> Array:
        return self.value(self.sums.sum(axis=0))


class ConfidenceInterval(NamedTuple):
    """An estimate with its bootstrap percentile interval; scalars, or arrays of one shape for a curve."""

    estimate: Array
    low: Array
    high: Array


class Resamples(NamedTuple):
    """Bootstrap resamples that several metrics share.

    counts: (replicates, tracks) how often each replicate draws each track; confidence: of the intervals
    over: what was resampled, such as `160 tracks` or `9 groups`
    """

    counts: Array
    confidence: float
    over: str = ""

    @classmethod
    def draw(
        cls, tracks: int, replicates: int, confidence: float, seed: int, groups: Sequence[str] | None = None
    ) -> "Resamples":
        """groups: of each track, which are resampled before it (see `resample_counts_by_group`) unless every track is
        one of its own"""
        distinct = tracks if groups is None else len(set(groups))
        if groups is None or distinct == tracks:
            return cls(resample_counts(tracks, replicates, seed), confidence, f"{tracks} tracks")
        counts = resample_counts_by_group(groups, replicates, seed)
        return cls(counts, confidence, f"{distinct} group{'s' * (distinct > 1)}")

    def interval(self, metric: Metric) -> ConfidenceInterval:
        return interval(metric, self.counts, self.confidence)


def resample_counts(tracks: int, replicates: int, seed: int) -> Array:
    """How often each replicate draws each track, (replicates, tracks) float64; share it between metrics compared."""
    drawn = np.random.default_rng(seed).multinomial(tracks, np.full(tracks, 1 / tracks), size=replicates)
    return drawn.astype(np.float64)


def resample_counts_by_group(groups: Sequence[str], replicates: int, seed: int) -> Array:
    """As `resample_counts`, where tracks of a group (an embryo, an experiment) resemble each other: groups are drawn,
    then from each drawn one as many tracks as it has, (replicates, tracks) float64.

    The interval speaks of other groups. It errs on the wide side where groups do not differ (Saravanan, Berman & Sober,
    Neurons Behav. Data Anal. Theory 3 (2020)).
    """
    rng = np.random.default_rng(seed)
    _, code = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(code == group) for group in range(code.max() + 1)]
    times = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=replicates)
    counts = np.zeros((replicates, code.size))
    for own, drawn in zip(members, times.T, strict=True):
        counts[:, own] = rng.multinomial(drawn * own.size, np.full(own.size, 1 / own.size))
    return counts


def interval(metric: Metric, counts: Array, confidence: float) -> ConfidenceInterval:
    """Percentile interval. For errors that cannot be negative (MACE, ENCE) it is conservative: resampling
    adds noise to what is already the absolute value of noise, so the interval lies high and may exclude the
    estimate.
    """
    return percentile_interval(metric.estimate, metric.value(counts @ metric.sums), confidence)


def percentile_interval(estimate: Array | float, replicates: Array, confidence: float) -> ConfidenceInterval:
    """Percentile interval over the first axis of `replicates`; replicates that are NaN do not count."""
    tail = (1 - confidence) / 2
    defined = ~np.isnan(replicates).all(axis=0)
    low, high = np.nanquantile(np.where(defined, replicates, 0.0), [tail, 1 - tail], axis=0)
    return ConfidenceInterval(np.asarray(estimate), np.where(defined, low, np.nan), np.where(defined, high, np.nan))


def ratio(numerator: Array, denominator: Array) -> Array:
    """`numerator` by `denominator`, NaN where that is 0."""
    return np.asarray(numerator / np.where(denominator == 0, np.nan, denominator))


def resampled_ratio(numerator: Array, denominator: Array, counts: Array) -> Array:
    """Ratio of sums over tracks (N, ...) in each replicate of `counts` (R, N): (R, ...)."""
    return ratio(np.tensordot(counts, numerator, 1), np.tensordot(counts, denominator, 1))


def ratio_interval(numerator: Array, denominator: Array, counts: Array, confidence: float) -> ConfidenceInterval:
    """Ratio of sums over tracks (N, ...) with its percentile interval over the replicates of `counts` (R, N)."""
    estimate = ratio(numerator.sum(axis=0), denominator.sum(axis=0))
    return percentile_interval(estimate, resampled_ratio(numerator, denominator, counts), confidence)


def difference(first: Metric, second: Metric) -> Metric:
    """`first` minus `second` as one metric: resampled together, so that what a track does to both cancels."""
    width = first.sums.shape[1]
    return Metric(
        np.concatenate([first.sums, second.sums], axis=1),
        lambda total: first.value(total[..., :width]) - second.value(total[..., width:]),
    )


def sum_by_track(track: Array, terms: Array) -> Array:
    """Sums over each track's frames: track (n,) int codes from 0, terms (n,) or (n, K) -> (tracks, K)."""
    columns = terms.reshape(track.size, -1).T
    return np.stack([np.bincount(track, column, minlength=track.max() + 1) for column in columns], axis=1)


def mean_metric(track: Array, values: Array) -> Metric:
    """The mean over frames of values (n,): NLL, CRPS, absolute error, coverage."""
    terms = np.stack([values, np.ones(track.size)], axis=1)
    return Metric(sum_by_track(track, terms), lambda total: total[..., 0] / total[..., 1])


def coverage_metric(track: Array, pits: Array, level: float) -> Metric:
    return mean_metric(track, in_central_band(pits, level).astype(np.float64))


def sharpness_metric(track: Array, sd: Array) -> Metric:
    squares = mean_metric(track, sd**2)
    return Metric(squares.sums, lambda total: np.sqrt(squares.value(total)))


def r2_metric(track: Array, y: Array, mean: Array) -> Metric:
    # About a fixed centre, so that the variance does not drown in the square of a large mean.
    centred = y - y.mean()
    terms = np.stack([(y - mean) ** 2, centred**2, centred, np.ones(y.size)], axis=1)

    def value(total: Array) -> Array:
        residual, square, first, count = np.moveaxis(total, -1, 0)
        return 1 - residual / (square - first**2 / count)

    return Metric(sum_by_track(track, terms), value)


def histogram_metric(track: Array, index: Array, bins: int) -> Metric:
    """Share of frames in each bin, (bins,); index (n,) int."""
    flat = np.bincount(track * bins + index, minlength=(track.max() + 1) * bins)
    return Metric(flat.reshape(-1, bins).astype(np.float64), lambda n: n / n.sum(axis=-1, keepdims=True))


def reliability_metric(track: Array, pits: Array, levels: Array) -> Metric:
    """Observed share at or below each quantile level, (levels,)."""
    shares = histogram_metric(track, np.searchsorted(levels, pits, side="left"), levels.size + 1)
    return Metric(shares.sums, lambda total: np.cumsum(shares.value(total), axis=-1)[..., :-1])


def mace_metric(track: Array, pits: Array, levels: Array) -> Metric:
    observed = reliability_metric(track, pits, levels)
    return Metric(observed.sums, lambda total: np.abs(observed.value(total) - levels).mean(axis=-1))


def ence_metric(track: Array, y: Array, mean: Array, sd: Array, bins: int) -> Metric:
    """ENCE in bins fixed on all frames; a bin that a replicate leaves empty does not count in it."""
    index = equal_count_bins(sd, bins)
    place = track * bins + index
    size = (track.max() + 1) * bins
    halves = [np.bincount(place, values, minlength=size).reshape(-1, bins) for values in (sd**2, (y - mean) ** 2)]

    def value(total: Array) -> Array:
        variance, square = total[..., :bins], total[..., bins:]
        error_ratio = np.sqrt(square / np.where(variance > 0, variance, np.nan))
        return np.nanmean(np.abs(1 - error_ratio), axis=-1)

    return Metric(np.concatenate(halves, axis=1), value)


def all_metrics(
    track: Array,
    y: Array,
    predictive: Scored,
    coverage_levels: list[float],
    levels: Array,
    variance_bins: int,
) -> dict[str, Metric]:
    """Every metric of the evaluation table, by name, for flat observed frames."""
    crps = predictive.crps(y)  # first: where both are quadratures, it finds the moments on the way
    mean, sd, pits = predictive.mean, predictive.sd, predictive.pit(y)
    coverages = {f"coverage_{round(100 * level)}": coverage_metric(track, pits, level) for level in coverage_levels}
    return {
        "nll": mean_metric(track, predictive.nll(y)),
        "crps": mean_metric(track, crps),
        "mae": mean_metric(track, np.abs(y - mean)),
        "r2": r2_metric(track, y, mean),
        "mace": mace_metric(track, pits, levels),
        **coverages,
        "ence": ence_metric(track, y, mean, sd, variance_bins),
        "sharpness": sharpness_metric(track, sd),
    }
