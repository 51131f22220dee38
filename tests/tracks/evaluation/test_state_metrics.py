"""Scores by track against those of the frames themselves, and the threshold against trying them all."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score

from contactlens.calibration import resample_counts
from contactlens.calibration.classification import classification_scores
from contactlens.tracks.evaluation.state_metrics import best_threshold, binned, state_metrics

TRACKS, FRAMES, BINS = 12, 400, 6


@pytest.fixture(scope="module", params=[None, 0], ids=["distinct", "tied"])
def frames(request) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(TRACKS), FRAMES)
    logit = rng.normal(rng.normal(0, 1, TRACKS)[track], 1.5)
    y = (rng.random(track.size) < expit(logit)).astype(float)
    return track, y, logit if request.param is None else np.round(logit, request.param) + 0.25


def test_every_replicate_scores_as_its_frames_do(frames):
    track, y, logit = frames
    metrics = state_metrics(track, y, logit, logit > 0, BINS)
    draws = np.vstack([np.ones(TRACKS), resample_counts(TRACKS, 5, seed=1)])
    expected = {name: score(draws[:, track]) for name, score in classification_scores(y, logit, BINS).items()}
    assert list(metrics) == list(expected)
    for name, metric in metrics.items():
        found = metric.value(draws @ metric.sums)
        tolerance = 1e-4 if name in ("auroc", "auprc") else 1e-9
        np.testing.assert_allclose(found, expected[name], atol=tolerance, err_msg=name)
        assert metric.estimate == pytest.approx(found[0], abs=1e-12), name


def test_decoded_states_are_scored_as_they_are_called(frames):
    track, y, logit = frames
    called = logit > 1
    metrics = state_metrics(track, y, logit, called, BINS)
    assert metrics["balanced_accuracy"].estimate == pytest.approx(balanced_accuracy_score(y, called))


def test_tracks_of_one_state_have_no_ranking():
    track, y = np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 0.0, 1.0])
    metrics = state_metrics(track, y, np.array([0.3, 0.1, -1, 2]), np.array([True, False, False, True]), 2)
    first = np.array([[2.0, 0.0]])
    for name in ("auroc", "balanced_accuracy"):
        assert np.isnan(metrics[name].value(first @ metrics[name].sums)).all()
    assert metrics["accuracy"].value(first @ metrics["accuracy"].sums) == pytest.approx(0.5)


def test_threshold_is_the_best_of_all(frames):
    _, y, logit = frames
    y, probability = y[::40], expit(logit)[::40]
    values = {t: balanced_accuracy_score(y, probability >= t) for t in np.unique(probability)}
    best = max(values.values())
    assert best_threshold(y, probability) == min(t for t, value in values.items() if value > best - 1e-12)


def test_bins_have_the_mean_of_their_frames(frames):
    track, y, logit = frames
    index = np.digitize(logit, [-1.0, 1.0])
    expected = [y[index == b].mean() for b in range(3)]
    np.testing.assert_allclose(binned(track, index, y).estimate, expected)
