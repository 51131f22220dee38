"""The strong baseline: gradient-boosted trees on windowed features, one ensemble for the mean, one for the variance."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from contactlens.calibration.recalibration import variance_factor
from contactlens.tracks.baselines.features import FeatureConfig, windowed_features
from contactlens.tracks.baselines.frames import Array, Frames
from contactlens.tracks.batch import TrackBatch


@dataclass(frozen=True)
class BoostedTreesConfig:
    """max_rows: frames drawn for training (and as many for early stopping).
    folds: the mean is the average of this many ensembles, each of which left out one fold of the tracks.
    patience: trees without a gain on validation tracks before an ensemble stops.
    """

    features: FeatureConfig
    max_rows: int
    folds: int
    max_trees: int
    max_leaves: int
    min_leaf_frames: int
    learning_rate: float
    patience: int


@dataclass(frozen=True)
class BoostedTrees:
    """mean: average of the fold ensembles; variance: a gamma-deviance ensemble times a factor from validation.

    thresholds: contact thresholds of the features, driver units; signal_radius: see `windowed_features`.
    """

    config: BoostedTreesConfig
    thresholds: Array
    signal_radius: float | None
    means: list[HistGradientBoostingRegressor]
    variance: HistGradientBoostingRegressor
    factor: float

    @classmethod
    def fit(
        cls,
        train: TrackBatch,
        validation: TrackBatch,
        config: BoostedTreesConfig,
        seed: int,
        signal_radius: float | None,
    ) -> "BoostedTrees":
        """Fit on train; validation tracks stop the growth and set the variance factor."""
        frames = Frames.of(train)
        thresholds = np.quantile(frames.distance[frames.observed], config.features.contact_quantiles)
        rng = np.random.default_rng(seed)
        x, y, track = _rows(frames, config, thresholds, signal_radius, rng)
        x_val, y_val, _ = _rows(Frames.of(validation), config, thresholds, signal_radius, rng)
        fold = rng.permutation(len(train))[track] % config.folds
        means, out_of_fold = [], np.empty_like(y)
        for k in range(config.folds):
            left_out = fold == k
            means.append(_grow(x[~left_out], y[~left_out], x_val, y_val, "squared_error", config, seed))
            out_of_fold[left_out] = means[-1].predict(x[left_out])
        mean_val = np.mean([model.predict(x_val) for model in means], axis=0)
        # The gamma deviance of a squared residual is, up to a constant, twice the Gaussian NLL in the variance.
        square, square_val = _positive((y - out_of_fold) ** 2), _positive((y_val - mean_val) ** 2)
        variance = _grow(x, square, x_val, square_val, "gamma", config, seed)
        factor = variance_factor(y_val, mean_val, np.sqrt(variance.predict(x_val)))
        return cls(config, thresholds, signal_radius, means, variance, factor)

    def predict(self, batch: TrackBatch) -> tuple[Array, Array]:
        x = windowed_features(Frames.of(batch), self.config.features, self.thresholds, self.signal_radius)
        mean = np.mean([model.predict(x) for model in self.means], axis=0)
        variance = self.factor * self.variance.predict(x)
        shape = tuple(batch.signal.shape)
        return mean.reshape(shape), np.sqrt(variance).reshape(shape)


def _rows(
    frames: Frames,
    config: BoostedTreesConfig,
    thresholds: Array,
    signal_radius: float | None,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Features (n, F), signal (n,) and track index (n,) of at most max_rows observed frames, drawn at random."""
    x = windowed_features(frames, config.features, thresholds, signal_radius)
    at = np.flatnonzero(frames.observed)
    if at.size > config.max_rows:
        at = np.sort(rng.choice(at, config.max_rows, replace=False))
    return x[at], frames.signal.ravel()[at], at // frames.observed.shape[1]


def _positive(square: Array) -> Array:
    return np.maximum(square, 1e-9 * square.mean())


def _grow(
    x: Array, y: Array, x_val: Array, y_val: Array, loss: str, config: BoostedTreesConfig, seed: int
) -> HistGradientBoostingRegressor:
    model = HistGradientBoostingRegressor(
        loss=loss,
        learning_rate=config.learning_rate,
        max_iter=config.max_trees,
        max_leaf_nodes=config.max_leaves,
        min_samples_leaf=config.min_leaf_frames,
        early_stopping=True,
        n_iter_no_change=config.patience,
        random_state=seed,
    )
    return model.fit(x, y, X_val=x_val, y_val=y_val)
