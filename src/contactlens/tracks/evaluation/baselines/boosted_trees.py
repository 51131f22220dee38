"""The strong baseline: gradient-boosted trees on windowed features, one for the mean, one for the sd."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from contactlens.base.settings import Field, PositiveFloat, PositiveInt, settings
from contactlens.calibration.recalibration import SdMap
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.features import FeatureConfig, SignalView, windowed_features
from contactlens.tracks.evaluation.baselines.frames import Array, Frames

# Added to the squared residual, relative to its mean, before the logarithm: tiny residuals say nothing.
LOG_FLOOR = 0.01
# Bins of the map from the sd ensemble's output to the rms residual on validation frames.
SD_BINS = 20


@settings
class BoostedTreesConfig:
    """max_rows: frames drawn for training (and as many for early stopping).
    folds: the mean is the average of this many ensembles, each of which left out one fold of the tracks.
    patience: trees without a gain on validation tracks before an ensemble stops.
    """

    features: FeatureConfig
    max_rows: PositiveInt
    folds: Annotated[int, Field(ge=2)]
    max_trees: PositiveInt
    max_leaves: Annotated[int, Field(ge=2)]
    min_leaf_frames: PositiveInt
    learning_rate: PositiveFloat
    patience: PositiveInt


@dataclass(frozen=True)
class BoostedTrees:
    """mean: average of the fold ensembles. sd: an ensemble on features and mean that orders frames by their
    residual, then a monotone map from that order to the rms residual.

    The ensemble learns the logarithm of out-of-fold squared residuals. Its mean is not the logarithm of the
    mean square, and how far it is off varies between frames where residuals are bimodal, which the map
    corrects; gamma deviance, which would need no map, diverges on leaves whose residuals are all near 0.

    thresholds: contact thresholds of the features, driver units; view: what the features read of MS2.
    """

    config: BoostedTreesConfig
    thresholds: Array
    view: SignalView
    means: list[HistGradientBoostingRegressor]
    log_square: HistGradientBoostingRegressor
    sd_map: SdMap

    @classmethod
    def fit(
        cls,
        train: TrackBatch,
        validation: TrackBatch,
        config: BoostedTreesConfig,
        seed: int,
        view: SignalView,
    ) -> "BoostedTrees":
        """Fit on train; validation tracks stop the growth and set the sd map."""
        frames = Frames.of(train)
        thresholds = np.quantile(frames.distance[frames.observed], config.features.contact_quantiles)
        rng = np.random.default_rng(seed)
        x, y, track = _rows(frames, config, thresholds, view, rng)
        x_val, y_val, _ = _rows(Frames.of(validation), config, thresholds, view, rng)
        fold = rng.permutation(len(train))[track] % config.folds
        means, out_of_fold = [], np.empty_like(y)
        for k in range(config.folds):
            left_out = fold == k
            means.append(_grow(x[~left_out], y[~left_out], x_val, y_val, config, seed))
            out_of_fold[left_out] = means[-1].predict(x[left_out])
        mean_val = _average(means, x_val)
        x_sd, x_sd_val = np.column_stack([x, out_of_fold]), np.column_stack([x_val, mean_val])
        log_square = _grow(x_sd, _log_square(y - out_of_fold), x_sd_val, _log_square(y_val - mean_val), config, seed)
        sd_map = SdMap.fit(y_val - mean_val, np.exp(0.5 * log_square.predict(x_sd_val)), SD_BINS)
        return cls(config, thresholds, view, means, log_square, sd_map)

    def predict(self, batch: TrackBatch) -> tuple[Array, Array]:
        x = windowed_features(Frames.of(batch), self.config.features, self.thresholds, self.view)
        mean = _average(self.means, x)
        sd = self.sd_map(np.exp(0.5 * self.log_square.predict(np.column_stack([x, mean]))))
        shape = tuple(batch.signal.shape)
        return mean.reshape(shape), sd.reshape(shape)


def _rows(
    frames: Frames,
    config: BoostedTreesConfig,
    thresholds: Array,
    view: SignalView,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Features (n, F), signal (n,) and track index (n,) of at most max_rows observed frames, at random."""
    x = windowed_features(frames, config.features, thresholds, view)
    at = np.flatnonzero(frames.observed)
    if at.size > config.max_rows:
        at = np.sort(rng.choice(at, config.max_rows, replace=False))
    return x[at], frames.signal.ravel()[at], at // frames.observed.shape[1]


def _average(models: list[HistGradientBoostingRegressor], x: Array) -> Array:
    return np.mean([model.predict(x) for model in models], axis=0)


def _log_square(residual: Array) -> Array:
    square = residual**2
    return np.log(square + LOG_FLOOR * square.mean())


def _grow(
    x: Array, y: Array, x_val: Array, y_val: Array, config: BoostedTreesConfig, seed: int
) -> HistGradientBoostingRegressor:
    model = HistGradientBoostingRegressor(
        learning_rate=config.learning_rate,
        max_iter=config.max_trees,
        max_leaf_nodes=config.max_leaves,
        min_samples_leaf=config.min_leaf_frames,
        early_stopping=True,
        n_iter_no_change=config.patience,
        random_state=seed,
    )
    return model.fit(x, y, X_val=x_val, y_val=y_val)
