"""Elements one by one: what each enhancer and each promoter says without the other.

A model that is good at this has learned which promoters are busy, not who speaks to whom. Where an element occurs on
both sides of a split, how often it was positive is the strongest of all cheats.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from contactlens.calibration.classification import logit_of
from contactlens.dna.data.tokens import one_strand
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.baselines.composition import composition_features, element_sequences, labels
from contactlens.dna.evaluation.baselines.logistic import Array, fit_logistic, positive
from contactlens.dna.evaluation.config import PropensityConfig


@dataclass(frozen=True)
class Habits:
    """How often each element was positive: one table for each element, index its bases, columns sum and count."""

    tables: tuple[pd.DataFrame, ...]
    prior: float
    smoothing: float

    @classmethod
    def count(cls, keys: Array, y: Array, prior: float, smoothing: float) -> "Habits":
        tables = (pd.Series(y).groupby(column).agg(["sum", "count"]) for column in keys.T)
        return cls(tuple(tables), prior, smoothing)

    def __call__(self, keys: Array) -> Array:
        """Log odds of the smoothed share of positives, (N, elements); an unknown element has the prior's."""
        counts = [table.reindex(column).fillna(0).to_numpy() for table, column in zip(self.tables, keys.T, strict=True)]
        share = [(n[:, 0] + self.smoothing * self.prior) / (n[:, 1] + self.smoothing) for n in counts]
        return logit_of(np.column_stack(share))


@dataclass(frozen=True)
class ElementPropensity:
    """Logistic regression on each element's propensity to be positive in training, its length and its composition.

    Elements with the same bases, on either strand, are the same.
    """

    habits: Habits
    scaler: StandardScaler
    classifier: LogisticRegression

    @classmethod
    def fit(cls, train: WindowSet, validation: WindowSet, config: PropensityConfig, seed: int) -> "ElementPropensity":
        keys, y, content = _keys(train), labels(train), _content(train)
        settings = float(y.mean()), config.smoothing
        fold = np.random.default_rng(seed).permutation(y.size) % config.folds
        unseen = np.empty(keys.shape)
        for k in range(config.folds):
            unseen[fold == k] = Habits.count(keys[fold != k], y[fold != k], *settings)(keys[fold == k])
        habits, scaler = Habits.count(keys, y, *settings), StandardScaler().fit(content)
        x = np.column_stack([unseen, scaler.transform(content)])
        x_validation = np.column_stack([habits(_keys(validation)), scaler.transform(_content(validation))])
        model = fit_logistic(x, y, x_validation, labels(validation), config.inverse_penalties)
        return cls(habits, scaler, model)

    def predict(self, windows: WindowSet) -> Array:
        x = np.column_stack([self.habits(_keys(windows)), self.scaler.transform(_content(windows))])
        return positive(self.classifier, x)


def _keys(windows: WindowSet) -> Array:
    """(N, elements) of object: the bases of each element, on the strand that sorts first."""
    elements = element_sequences(windows).values()
    return np.array([[one_strand(bases) for bases in e] for e in elements], dtype=object).T


def _content(windows: WindowSet) -> Array:
    """Log length and composition of each element, (N, 4 * elements)."""
    lengths = [[np.log(len(bases)) for bases in element] for element in element_sequences(windows).values()]
    return np.column_stack([np.array(lengths).T, composition_features(windows)])
