"""The evaluation of states on a telegraph seen through noise, whose best decoder and rates are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.metrics import balanced_accuracy_score

from contactlens.base.errors import InputError
from contactlens.calibration.bootstrap import resample_counts
from contactlens.calibration.classification import classification_scores, logit_of
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.config import StateEvaluationConfig
from contactlens.tracks.evaluation.dwell_times import DwellCounts
from contactlens.tracks.evaluation.state_posterior import StatePosterior
from contactlens.tracks.evaluation.states import (
    StateEvaluation,
    StatePredictions,
    best_threshold,
    binned,
    decoded_frames,
    score_states,
    state_metrics,
)
from contactlens.tracks.evaluation.table import nested_metrics

SCORED_TRACKS, SCORED_FRAMES, BINS = 12, 400, 6
CONFIG = StateEvaluationConfig(bootstrap_replicates=200, confidence=0.95, calibration_bins=8, segment_bins=12)
TRACKS, FRAMES, DT = 40, 200, 20.0
ON, OFF = 0.05, 0.15  # chance to switch on, off from one frame to the next
K_ON, K_OFF = (-np.log1p(-ON - OFF) / DT * share for share in (0.25, 0.75))


def telegraph(seed: int) -> tuple[TrackBatch, np.ndarray, np.ndarray]:
    """Tracks whose last is never observed, log odds of on from a signal of noise SD 0.5, and a signal of noise SD 2."""
    rng = np.random.default_rng(seed)
    state = rng.random((TRACKS, 1)) < ON / (ON + OFF)
    for _ in range(FRAMES - 1):
        last = state[:, -1:]
        state = np.hstack([state, last ^ (rng.random(last.shape) < np.where(last, OFF, ON))])
    observed = rng.random(state.shape) > 0.05
    observed[-1] = False
    clear, noisy = (state + sd * rng.normal(size=state.shape) for sd in (0.5, 2.0))
    batch = TrackBatch(
        driver=torch.zeros(TRACKS, 1, FRAMES),
        signal=torch.zeros(TRACKS, FRAMES),
        observed=torch.from_numpy(observed),
        track_ids=[f"t{i:02d}" for i in range(TRACKS)],
        groups=["g"] * TRACKS,
        frame_interval_s=DT,
        state=torch.from_numpy(state.astype(np.float32)),
    )
    return batch, (clear - 0.5) / 0.25 + np.log(ON / OFF), noisy


@pytest.fixture(scope="module")
def splits():
    return telegraph(0), telegraph(1)


@pytest.fixture(scope="module")
def models(splits) -> dict[str, StatePredictions]:
    """The network's log odds are twice too large: its ranking is the best one, its probabilities are too sure."""
    (_, odds, noisy), (_, test_odds, test_noisy) = splits
    return {
        "network": StatePredictions(expit(2 * odds), expit(2 * test_odds)),
        "threshold": StatePredictions(expit(noisy), expit(test_noisy)),
    }


@pytest.fixture(scope="module")
def evaluation(splits, models) -> StateEvaluation:
    return score_states(splits[0][0], splits[1][0], models, CONFIG, seed=3)


def number(table: pd.DataFrame, model: str, name: str, column: str = "estimate") -> float:
    return float(table.set_index(list(table.columns[:2])).loc[(model, name), column])


def test_rows(evaluation: StateEvaluation):
    table = evaluation.metrics
    assert list(table.columns) == ["model", "metric", "estimate", "low", "high", "over"]
    forms = ["network", "network_recalibrated", "threshold", "threshold_recalibrated"]
    assert list(table["model"].drop_duplicates()) == forms
    assert not table.duplicated(["model", "metric"]).any()
    assert np.isfinite(table[["estimate", "low", "high"]].to_numpy()).all()
    assert set(nested_metrics(table)["network"]) > {"auroc", "balanced_accuracy", "ece", "nll_minus_threshold"}


def test_estimates_are_those_of_scikit_learn_on_observed_frames(evaluation: StateEvaluation, splits, models):
    test = splits[1][0]
    seen, threshold = test.observed.numpy(), evaluation.decoders["network"].threshold
    y, p = test.state.numpy()[seen], models["network"].test[seen]
    expected = {
        "balanced_accuracy": sk.balanced_accuracy_score(y, p >= threshold),
        "f1": sk.f1_score(y, p >= threshold),
        "brier": sk.brier_score_loss(y, p),
    }
    for metric, value in expected.items():
        assert number(evaluation.metrics, "network", metric) == pytest.approx(value, rel=1e-9), metric
    assert number(evaluation.metrics, "network", "auroc") == pytest.approx(sk.roc_auc_score(y, p), abs=1e-4)


def test_recalibration_finds_the_true_odds_and_leaves_the_calls(evaluation: StateEvaluation):
    table, platt = evaluation.metrics, evaluation.decoders["network"].recalibration
    assert (platt.slope, platt.offset) == pytest.approx((0.5, 0), abs=0.15)
    assert number(table, "network_recalibrated", "ece") < 0.5 * number(table, "network", "ece")
    assert number(table, "network_recalibrated", "nll") < number(table, "network", "nll")
    for metric in ("balanced_accuracy", "f1", "accuracy"):
        assert number(table, "network_recalibrated", metric) == number(table, "network", metric)


def test_differences_are_paired_and_have_the_sign_of_network_minus_baseline(evaluation: StateEvaluation):
    for metric, sign in (("balanced_accuracy", 1), ("auroc", 1), ("nll", -1)):
        for suffix in ("", "_recalibrated"):
            own, other = (number(evaluation.metrics, name + suffix, metric) for name in ("network", "threshold"))
            name = f"{metric}_minus_threshold{suffix}"
            low, gap, high = (
                number(evaluation.metrics, "network" + suffix, name, c) for c in ("low", "estimate", "high")
            )
            assert gap == pytest.approx(own - other, abs=1e-12)
            assert min(sign * low, sign * high) > 0


def test_dwell_times_of_the_truth_hold_the_rates(evaluation: StateEvaluation):
    for name, rate in (("k_on_per_s", K_ON), ("k_off_per_s", K_OFF)):
        low, high = (number(evaluation.dwell, "truth", name, column) for column in ("low", "high"))
        assert low < rate < high
    assert number(evaluation.dwell, "truth", "mean_on_s") == pytest.approx(DT / OFF, rel=0.1)


def test_decoding_frame_by_frame_switches_too_often_and_says_so(evaluation: StateEvaluation):
    dwell = evaluation.dwell
    for model in ("network", "threshold"):
        gap = number(dwell, model, "mean_on_s") - number(dwell, "truth", "mean_on_s")
        assert number(dwell, model, "mean_on_s_minus_truth") == pytest.approx(gap)
        assert number(dwell, model, "mean_on_s_minus_truth", "high") < 0
        assert number(dwell, model, "length_distance_off", "low") > 0.1


def test_the_posterior_of_a_model_that_has_one_is_what_is_counted(splits, models):
    test, other = splits[1][0], models["threshold"]
    state = test.state.numpy() > 0.5
    up, down = (~state[:, :-1] & state[:, 1:], state[:, :-1] & ~state[:, 1:])
    paths = StatePosterior(state.astype(float), up.astype(float), down.astype(float), state)
    known = {"network": models["network"], "threshold": other._replace(paths=paths)}
    dwell = score_states(splits[0][0], test, known, CONFIG, seed=3).dwell
    for name in ("mean_on_s", "switches_per_h", "k_on_per_s"):
        assert number(dwell, "threshold", f"{name}_minus_truth") == pytest.approx(0, abs=1e-9)
    assert number(dwell, "threshold", "length_distance_on") == 0


def test_a_perfect_decoder_has_the_lengths_of_the_truth(splits):
    batches = [batch for batch, *_ in splits]
    perfect = StatePredictions(*(batch.state.numpy() for batch in batches))
    found = score_states(*batches, {"network": perfect}, CONFIG, seed=3)
    assert number(found.dwell, "network", "length_distance_on") < 0.02  # recalibration leaves it not quite sure
    assert number(found.dwell, "network", "k_off_per_s_minus_truth") == pytest.approx(0, abs=0.01 * K_OFF)
    assert number(found.metrics, "network", "balanced_accuracy", "low") == 1
    by_model = [rows.drop(columns="model").reset_index(drop=True) for _, rows in found.segments.groupby("model")]
    pd.testing.assert_frame_equal(*by_model, rtol=0.1, atol=2e-4)
    assert (found.per_track["accuracy"] == 1).all()


def test_true_switching_times_stand_beside_the_frames(splits, models):
    counts = DwellCounts(np.tile([300.0, 100.0], (TRACKS, 1)), np.ones((TRACKS, 2)), None)
    counts.ends[-1] = 1e9  # of the track that was never observed
    found = score_states(splits[0][0], splits[1][0], models, CONFIG, seed=3, exact=counts)
    assert number(found.dwell, "truth_exact", "k_on_per_s") == pytest.approx(1 / 300)
    assert number(found.dwell, "truth_exact", "k_off_per_s") == pytest.approx(1 / 100)


def test_curves_and_tracks(evaluation: StateEvaluation, splits, models):
    test, seen = splits[1][0], splits[1][0].observed.numpy()
    for name, rows in evaluation.roc.groupby("model"):
        assert np.trapezoid(rows["tpr"], rows["fpr"]) == pytest.approx(
            number(evaluation.metrics, name, "auroc"), abs=2e-3
        )
        y, called = test.state.numpy()[seen], models[name].test[seen] >= rows["threshold"].iloc[60]
        assert rows["tpr"].iloc[60] == pytest.approx(called[y == 1].mean(), abs=1e-3)
    reliability = evaluation.reliability[evaluation.reliability["model"] == "network"]
    error = np.average(np.abs(reliability["observed"] - reliability["predicted"]), weights=reliability["count"])
    assert error == pytest.approx(number(evaluation.metrics, "network", "ece"), rel=1e-9)
    tracks = evaluation.per_track[evaluation.per_track["model"] == "network"]
    assert list(tracks["track_id"]) == test.track_ids[:-1]
    mean = np.average(tracks["accuracy"], weights=tracks["frames"])
    assert mean == pytest.approx(number(evaluation.metrics, "network", "accuracy"))


def test_missing_frames_count_for_nothing(evaluation: StateEvaluation, splits, models):
    test = splits[1][0]
    spoilt = {
        name: model._replace(test=np.where(test.observed.numpy(), model.test, np.nan)) for name, model in models.items()
    }
    turned = replace(test, state=torch.where(test.observed, test.state, 1 - test.state))
    again = score_states(splits[0][0], turned, spoilt, CONFIG, seed=3)
    for name in StateEvaluation.TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(evaluation, name))


def test_decoded_frames_are_in_step_with_the_batch(evaluation: StateEvaluation, splits, models):
    test, decoder = splits[1][0], evaluation.decoders["network"]
    table = decoded_frames(test, models["network"].test, decoder)
    seen = test.observed.numpy()
    np.testing.assert_array_equal(table["state"], test.state.numpy()[seen] == 1)
    np.testing.assert_array_equal(table["on"], models["network"].test[seen] >= decoder.threshold)
    expected = expit(decoder.recalibration(logit_of(models["network"].test[seen])))
    np.testing.assert_allclose(table["p_on"], expected)


def test_states_that_cannot_be_scored_are_refused(splits, models):
    calibration, test = splits[0][0], splits[1][0]
    with pytest.raises(InputError, match="test split have no known promoter state"):
        score_states(calibration, replace(test, state=None), models, CONFIG, seed=0)
    with pytest.raises(InputError, match="calibration split never switches"):
        score_states(replace(calibration, state=torch.zeros(TRACKS, FRAMES)), test, models, CONFIG, seed=0)


@pytest.mark.parametrize("change", [{"confidence": 1.5}, {"segment_bins": 0}, {"bootstrap_replicates": 0}])
def test_impossible_settings_are_refused(change: dict):
    with pytest.raises(ValueError, match=rf"StateEvaluationConfig\.{next(iter(change))}"):
        replace(CONFIG, **change)


@pytest.fixture(scope="module", params=[None, 0], ids=["distinct", "tied"])
def scored(request) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(SCORED_TRACKS), SCORED_FRAMES)
    logit = rng.normal(rng.normal(0, 1, SCORED_TRACKS)[track], 1.5)
    y = (rng.random(track.size) < expit(logit)).astype(float)
    return track, y, logit if request.param is None else np.round(logit, request.param) + 0.25


def test_every_replicate_scores_as_its_frames_do(scored):
    track, y, logit = scored
    metrics = state_metrics(track, y, logit, logit > 0, BINS)
    draws = np.vstack([np.ones(SCORED_TRACKS), resample_counts(SCORED_TRACKS, 5, seed=1)])
    expected = {name: score(draws[:, track]) for name, score in classification_scores(y, logit, BINS).items()}
    assert list(metrics) == list(expected)
    for name, metric in metrics.items():
        found = metric.value(draws @ metric.sums)
        tolerance = 1e-4 if name in ("auroc", "auprc") else 1e-9
        np.testing.assert_allclose(found, expected[name], atol=tolerance, err_msg=name)
        assert metric.estimate == pytest.approx(found[0], abs=1e-12), name


def test_decoded_states_are_scored_as_they_are_called(scored):
    track, y, logit = scored
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


def test_threshold_is_the_best_of_all(scored):
    _, y, logit = scored
    y, probability = y[::40], expit(logit)[::40]
    values = {t: balanced_accuracy_score(y, probability >= t) for t in np.unique(probability)}
    best = max(values.values())
    assert best_threshold(y, probability) == min(t for t, value in values.items() if value > best - 1e-12)


def test_bins_have_the_mean_of_their_frames(scored):
    track, y, logit = scored
    index = np.digitize(logit, [-1.0, 1.0])
    expected = [y[index == b].mean() for b in range(3)]
    np.testing.assert_allclose(binned(track, index, y).estimate, expected)
