"""Logistic regression whose penalty is chosen on validation windows: the last step of most baselines."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Array = np.ndarray


def fit_logistic(train: Any, y: Array, validation: Any, y_validation: Array, inverse_penalties: Sequence[float]) -> Any:
    """The L2-penalised logistic regression with the lowest validation NLL; of equals, the most penalised.

    train, validation: features (n, F), dense or sparse; y: (n,) 0 or 1; inverse_penalties: scikit-learn's C.
    """
    fitted = [LogisticRegression(C=c, max_iter=2000).fit(train, y) for c in sorted(inverse_penalties)]
    return min(fitted, key=lambda model: nll(model, validation, y_validation))


def fit_scaled(
    train: Array, y: Array, validation: Array, y_validation: Array, inverse_penalties: Sequence[float]
) -> Pipeline:
    """As `fit_logistic`, on dense features of which each is first brought to mean 0 and SD 1."""
    scaler = StandardScaler().fit(train)
    features = scaler.transform(train), y, scaler.transform(validation), y_validation
    return make_pipeline(scaler, fit_logistic(*features, inverse_penalties))


def nll(model: Any, x: Any, y: Array) -> float:
    """Mean negative log-likelihood of labels y (n,) under a fitted binary classifier, nats per window."""
    return float(np.mean(np.logaddexp(0, (1 - 2 * y) * model.decision_function(x))))


def positive(model: Any, x: Any) -> Array:
    """Probability of class 1, (n,)."""
    return model.predict_proba(x)[:, 1]
