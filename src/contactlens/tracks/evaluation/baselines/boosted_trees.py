"""The strong baseline: gradient-boosted trees on windowed features, one for the mean, one for the spread, and of both a
forest whose leaves hold the distribution."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from contactlens.calibration.recalibration import SdMap
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import SignalView
from contactlens.tracks.evaluation.baselines.features import windowed_features
from contactlens.tracks.evaluation.baselines.frames import Array, Frames
from contactlens.tracks.evaluation.baselines.leaf_distribution import LeafDistribution, SharedMixture
from contactlens.tracks.evaluation.config import BoostedTreesConfig

# Added to the squared residual, relative to its mean, before the logarithm: tiny residuals say nothing.
LOG_FLOOR = 0.01
# Bins of the map from the sd ensemble's output to the rms residual on validation frames.
SD_BINS = 20
# Fewest validation frames in a leaf that holds a distribution: this many, or one in so many where that is more.
LEAF_FRAMES, LEAVES = 50, 240


class TreeSize(NamedTuple):
    """Most leaves of a tree, and fewest frames in a leaf."""

    max_leaves: int
    min_leaf_frames: int


@dataclass(frozen=True)
class BoostedTrees:
    """mean: average of the fold ensembles. sd: an ensemble on features and mean that orders frames by their
    residual, then a monotone map from that order to the rms residual.

    The ensemble learns the logarithm of out-of-fold squared residuals. Its mean is not the logarithm of the
    mean square, and how far it is off varies between frames where residuals are bimodal, which the map
    corrects; gamma deviance, which would need no map, diverges on leaves whose residuals are all near 0.

    thresholds: contact thresholds of the features, driver units; view: what the features read of MS2.
    leaves: the distribution given mean and log square, from validation frames.
    size: of the trees, that of the lowest validation error of those tried
    """

    config: BoostedTreesConfig
    size: TreeSize
    thresholds: Array
    view: SignalView
    means: list[HistGradientBoostingRegressor]
    log_square: HistGradientBoostingRegressor
    sd_map: SdMap
    leaves: LeafDistribution

    @classmethod
    def fit(
        cls,
        train: TrackBatch,
        validation: TrackBatch,
        config: BoostedTreesConfig,
        seed: int,
        view: SignalView,
    ) -> "BoostedTrees":
        """Fit on train; validation tracks choose the trees' size, stop their growth and set the sd map."""
        frames = Frames.of(train)
        thresholds = np.quantile(frames.distance[frames.observed], config.features.contact_quantiles)
        rng = np.random.default_rng(seed)
        x, y, track = _rows(frames, config, thresholds, view, rng)
        x_val, y_val, _ = _rows(Frames.of(validation), config, thresholds, view, rng)
        size = _best_size(x, y, x_val, y_val, config, seed)
        fold = rng.permutation(len(train))[track] % config.folds
        means, out_of_fold = [], np.empty_like(y)
        for k in range(config.folds):
            left_out = fold == k
            means.append(_grow(x[~left_out], y[~left_out], x_val, y_val, config, size, seed))
            out_of_fold[left_out] = means[-1].predict(x[left_out])
        mean_val = _average(means, x_val)
        x_sd, x_sd_val = np.column_stack([x, out_of_fold]), np.column_stack([x_val, mean_val])
        squares, squares_val = _log_square(y - out_of_fold), _log_square(y_val - mean_val)
        log_square = _grow(x_sd, squares, x_sd_val, squares_val, config, size, seed)
        spread_val = log_square.predict(x_sd_val)
        sd_map = SdMap.fit(y_val - mean_val, np.exp(0.5 * spread_val), SD_BINS)
        leaves = LeafDistribution.fit(
            np.column_stack([mean_val, spread_val]), y_val, max(LEAF_FRAMES, len(y_val) // LEAVES), seed
        )
        return cls(config, size, thresholds, view, means, log_square, sd_map, leaves)

    def predict(self, batch: TrackBatch) -> tuple[Array, Array]:
        mean, spread = self._moments(batch)
        shape = tuple(batch.signal.shape)
        return mean.reshape(shape), self.sd_map(np.exp(0.5 * spread)).reshape(shape)

    def distribution(self, batch: TrackBatch) -> SharedMixture:
        """Of the observed frames, track after track."""
        seen = batch.observed.cpu().numpy().ravel()
        return self.leaves.predict(np.column_stack(self._moments(batch))[seen])

    def _moments(self, batch: TrackBatch) -> tuple[Array, Array]:
        """Mean and logarithm of the squared residual, (N * T,) each."""
        x = windowed_features(Frames.of(batch), self.config.features, self.thresholds, self.view)
        mean = _average(self.means, x)
        return mean, self.log_square.predict(np.column_stack([x, mean]))


def _rows(
    frames: Frames,
    config: BoostedTreesConfig,
    thresholds: Array,
    view: SignalView,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Features (n, F), signal (n,) and track index (n,) of all observed frames, or of max_rows of them at random."""
    x = windowed_features(frames, config.features, thresholds, view)
    at = np.flatnonzero(frames.observed)
    if config.max_rows is not None and at.size > config.max_rows:
        at = np.sort(rng.choice(at, config.max_rows, replace=False))
    return x[at], frames.signal.ravel()[at], at // frames.observed.shape[1]


def _average(models: list[HistGradientBoostingRegressor], x: Array) -> Array:
    return np.mean([model.predict(x) for model in models], axis=0)


def _log_square(residual: Array) -> Array:
    square = residual**2
    return np.log(square + LOG_FLOOR * square.mean())


def _best_size(x: Array, y: Array, x_val: Array, y_val: Array, config: BoostedTreesConfig, seed: int) -> TreeSize:
    """The size whose ensemble on search_rows frames has the lowest squared error on the validation frames; the first of
    equals."""
    sizes = [TreeSize(*both) for both in product(config.max_leaves, config.min_leaf_frames)]
    if len(sizes) == 1:
        return sizes[0]
    rows = np.random.default_rng(seed).permutation(len(y))[: config.search_rows]

    def error(size: TreeSize) -> float:
        model = _grow(x[rows], y[rows], x_val, y_val, config, size, seed)
        return float(np.mean((model.predict(x_val) - y_val) ** 2))

    return min(sizes, key=error)


def _grow(
    x: Array, y: Array, x_val: Array, y_val: Array, config: BoostedTreesConfig, size: TreeSize, seed: int
) -> HistGradientBoostingRegressor:
    model = HistGradientBoostingRegressor(
        learning_rate=config.learning_rate,
        max_iter=config.max_trees,
        max_leaf_nodes=size.max_leaves,
        min_samples_leaf=size.min_leaf_frames,
        early_stopping=True,
        n_iter_no_change=config.patience,
        random_state=seed,
    )
    return model.fit(x, y, X_val=x_val, y_val=y_val)
