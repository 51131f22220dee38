"""The decoder that sees the driver alone: logistic regression on windowed distances and contacts."""

from dataclasses import dataclass

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.features import windowed_features
from contactlens.tracks.evaluation.baselines.frames import Frames
from contactlens.tracks.evaluation.config import ContactStateConfig

Array = np.ndarray


@dataclass(frozen=True)
class ContactState:
    """logistic: from the features to the state; a feature whose window holds nothing is replaced by its mean.
    thresholds: contact thresholds of the features, driver units.
    """

    config: ContactStateConfig
    thresholds: Array
    logistic: Pipeline

    @classmethod
    def fit(cls, train: TrackBatch, validation: TrackBatch, config: ContactStateConfig, seed: int) -> "ContactState":
        """The penalty with the lowest validation NLL, then a fit to both splits with it.

        Raises InputError unless the states are known and both occur in each split.
        """
        frames = Frames.of(train)
        thresholds = np.quantile(frames.distance[frames.observed], config.features.contact_quantiles)
        rng = np.random.default_rng(seed)
        rows = [_rows(batch, config, thresholds, rng) for batch in (train, validation)]
        x, y = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        # -1: never held out; 0: the one fold that is.
        fold = np.repeat([-1, 0], [len(labels) for _, labels in rows])
        logistic = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))
        penalties = {"logisticregression__C": sorted(config.inverse_penalties)}
        search = GridSearchCV(logistic, penalties, scoring="neg_log_loss", cv=PredefinedSplit(fold)).fit(x, y)
        return cls(config, thresholds, search.best_estimator_)

    def probability(self, batch: TrackBatch) -> Array:
        """(N, T) probability that the promoter is on at each frame, observed or not."""
        x = windowed_features(Frames.of(batch), self.config.features, self.thresholds)
        return self.logistic.predict_proba(x)[:, 1].reshape(tuple(batch.signal.shape))


def _rows(
    batch: TrackBatch, config: ContactStateConfig, thresholds: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Features (n, F) and state (n,) of at most max_rows observed frames, at random."""
    if batch.state is None:
        raise InputError("contact_state: needs tracks whose promoter state is known")
    frames = Frames.of(batch)
    at = np.flatnonzero(frames.observed)
    if at.size > config.max_rows:
        at = np.sort(rng.choice(at, config.max_rows, replace=False))
    state = batch.state.cpu().numpy().ravel()[at] > 0.5
    if state.all() or not state.any():
        raise InputError("contact_state: needs observed frames of both states in each split")
    return windowed_features(frames, config.features, thresholds)[at], state
