"""Weighted scores against scikit-learn and brute force; Platt scaling against what generated the labels."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from contactlens.calibration.classification import (
    Platt,
    classification_scores,
    logit_of,
    probability_bins,
    row_auroc,
)

BINS = 7


def cases(seed: int, n: int = 200, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 2, n)
    if ties:
        logit = np.round(logit, 0) + 0.25
    return (rng.random(n) < expit(logit - 0.5)).astype(float), logit


def by_sklearn(y: np.ndarray, logit: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    p, hard = expit(logit), (logit > 0).astype(float)
    options = {"sample_weight": weight}
    return {
        "auroc": sk.roc_auc_score(y, p, **options),
        "auprc": sk.average_precision_score(y, p, **options),
        "accuracy": sk.accuracy_score(y, hard, **options),
        "balanced_accuracy": sk.balanced_accuracy_score(y, hard, **options),
        "f1": sk.f1_score(y, hard, **options),
        "nll": sk.log_loss(y, p, **options),
        "brier": sk.brier_score_loss(y, p, **options),
    }


@pytest.mark.parametrize("ties", [True, False])
def test_every_replicate_scores_as_scikit_learn_does_with_its_weights(ties: bool):
    y, logit = cases(0, ties=ties)
    weights = np.random.default_rng(1).multinomial(y.size, np.full(y.size, 1 / y.size), size=5).astype(float)
    weights = np.vstack([np.ones(y.size), weights])
    scores = {name: score(weights) for name, score in classification_scores(y, logit, BINS).items()}
    for row, weight in enumerate(weights):
        for name, expected in by_sklearn(y, logit, weight).items():
            assert scores[name][row] == pytest.approx(expected, rel=1e-10), name


def test_weights_are_repetitions():
    """A weight of 3 is the case three times: the definition of a bootstrap replicate."""
    y, logit = cases(3, n=60)
    counts = np.random.default_rng(4).integers(0, 4, size=y.size)
    once = classification_scores(np.repeat(y, counts), np.repeat(logit, counts), BINS)
    weighted = classification_scores(y, logit, BINS)
    for name in set(once) - {"ece"}:
        assert weighted[name](counts[None].astype(float))[0] == pytest.approx(once[name](np.ones((1, counts.sum())))[0])


def test_auroc_is_the_share_of_pairs_in_order():
    y, logit = cases(5, n=50)
    difference = logit[y == 1][:, None] - logit[y == 0]
    expected = np.mean((difference > 0) + 0.5 * (difference == 0))
    assert classification_scores(y, logit, 5)["auroc"](np.ones((1, 50)))[0] == pytest.approx(expected)


def test_ece_by_hand():
    """Two bins: predicted 0.2 with 1 of 4 positive, predicted 0.9 with 2 of 4: 0.5 * 0.05 + 0.5 * 0.4."""
    y = np.array([1, 0, 0, 0, 1, 1, 0, 0.0])
    logit = logit_of(np.repeat([0.2, 0.9], 4))
    ece = classification_scores(y, logit, 2)["ece"]
    assert ece(np.ones((1, 8)))[0] == pytest.approx(0.225)
    only_first = np.repeat([1.0, 0.0], 4)[None]
    assert ece(only_first)[0] == pytest.approx(0.05)


def test_ece_of_a_calibrated_model_vanishes_and_of_a_constant_is_its_offset():
    y, logit = cases(6, n=200_000, ties=False)
    ones = np.ones((1, y.size))
    assert classification_scores(y, logit - 0.5, 10)["ece"](ones)[0] < 0.006
    constant = classification_scores(y, np.full(y.size, logit_of(np.array(0.9))), 10)["ece"](ones)[0]
    assert constant == pytest.approx(abs(y.mean() - 0.9), abs=1e-9)


def test_bins_are_even_without_ties_and_never_split_a_tie():
    rng = np.random.default_rng(8)
    assert np.bincount(probability_bins(rng.random(100), 10)).tolist() == [10] * 10
    tied = rng.choice([0.1, 0.4, 0.7], size=100)
    index = probability_bins(tied, 10)
    assert len({(p, b) for p, b in zip(tied, index, strict=True)}) == len(set(index)) == 3
    assert set(probability_bins(np.full(9, 0.5), 10)) == {0}


def test_a_replicate_of_one_class_has_no_ranking_and_says_nan():
    y, logit = cases(9, n=30)
    scores = classification_scores(y, logit, 5)
    weights = (y == 1).astype(float)[None]
    assert all(np.isnan(scores[name](weights)[0]) for name in ("auroc", "balanced_accuracy"))
    assert np.isfinite(scores["nll"](weights)[0])


def test_confident_mistakes_have_finite_scores():
    y = np.array([0.0, 1.0])
    scores = classification_scores(y, np.array([900.0, -900.0]), 2)
    assert scores["nll"](np.ones((1, 2)))[0] == pytest.approx(900)
    assert np.isfinite(logit_of(np.array([0.0, 1.0]))).all()


def test_platt_recovers_the_line_that_made_the_labels():
    rng = np.random.default_rng(10)
    logit = rng.normal(3, 40, 100_000)
    y = (rng.random(logit.size) < expit(0.05 * logit - 0.7)).astype(float)
    fitted = Platt.fit(y, logit)
    assert (fitted.slope, fitted.offset) == pytest.approx((0.05, -0.7), abs=0.03)


def test_platt_is_the_optimum_and_stays_modest_on_a_perfect_split():
    """On separated classes the plain likelihood has no optimum; with Platt's targets the mean probability of each
    class is its target: (n + 1) / (n + 2)."""
    y = np.repeat([0.0, 1.0], 50)
    probability = expit(Platt.fit(y, np.repeat([-8.0, 8.0], 50))(np.array([-8.0, 8.0])))
    np.testing.assert_allclose(probability, [1 / 52, 51 / 52], atol=1e-5)


@pytest.mark.parametrize("direction", [-1.0, 0.0])
def test_platt_never_turns_a_ranking_round(direction: float):
    y, logit = cases(11, n=2000, ties=False)
    fitted = Platt.fit(y, direction * logit)
    assert fitted.slope == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(expit(fitted(direction * logit)), y.mean(), atol=2e-3)


def test_platt_through_json():
    fitted = Platt(0.5, -1.0)
    assert Platt.from_json(fitted.to_json()) == fitted


def test_auroc_by_row_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, size=(5, 40)).astype(float)  # with ties
    candidate = rng.random((5, 40)) < 0.7
    positive = rng.random((5, 40)) < 0.3
    positive[3] = False
    found = row_auroc(scores, positive, candidate)
    for row in (0, 1, 2, 4):
        chosen = candidate[row]
        assert found[row] == pytest.approx(sk.roc_auc_score(positive[row, chosen], scores[row, chosen]))
    assert np.isnan(found[3])
