"""The evaluation's tables against the plain metrics, on tracks whose signal is on or off."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from contactlens.calibration import metrics, scores
from contactlens.calibration.config import RecalibrationConfig
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import Driver, TrackSet
from contactlens.tracks.evaluation.ceiling import Ceiling, DrawnSignal
from contactlens.tracks.evaluation.config import SignalEvaluationConfig
from contactlens.tracks.evaluation.signal import (
    SignalEvaluation,
    SignalPredictions,
    gaussian_of,
    predicted_frames,
    score_signal,
)
from contactlens.tracks.evaluation.table import nested_metrics

CONFIG = SignalEvaluationConfig(
    bootstrap_replicates=200,
    confidence=0.95,
    coverage_levels=[0.5, 0.9],
    reliability_levels=19,
    pit_bins=10,
    ence_bins=6,
    recalibration=RecalibrationConfig(sd_bins=10, residual_bins=4, residual_groups=30),
)
TRACKS, FRAMES = 40, 150


Grids = tuple[np.ndarray, np.ndarray]


def on_off(seed: int) -> tuple[TrackBatch, Grids, Grids]:
    """Tracks, mean and sd of a network that knows the on-probability, and of a baseline that does not; with gaps."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, size=(TRACKS, FRAMES))
    on = rng.random(p.shape) < p
    signal = 5 * on + (0.5 + on) * rng.normal(size=p.shape)
    observed = rng.random(p.shape) > 0.2
    observed[:, 0] = True
    batch = TrackBatch(
        driver=torch.tensor(np.where(observed, 300 * (1 - p), 0), dtype=torch.float32)[:, None],
        signal=torch.tensor(np.where(observed, signal, 0), dtype=torch.float32),
        observed=torch.tensor(observed),
        track_ids=[f"t{i:02d}" for i in range(TRACKS)],
        groups=["g"] * TRACKS,
        frame_interval_s=30.0,
    )
    network = (5 * p, np.sqrt(25 * p * (1 - p) + 0.5))
    return batch, network, (np.full_like(p, 5 / 3), np.full_like(p, 2.6))


def predictions(calibration: TrackBatch, fitted: list[Grids], test: TrackBatch, predicted: list[Grids]):
    return {
        name: SignalPredictions(gaussian_of(before, calibration), gaussian_of(after, test))
        for name, before, after in zip(("network", "constant"), fitted, predicted, strict=True)
    }


def track_set_of(batch: TrackBatch) -> TrackSet:
    row, frame = np.nonzero(batch.observed.numpy())
    frames = pd.DataFrame(
        {
            "track_id": np.array(batch.track_ids)[row],
            "group": "g",
            "frame": frame,
            "time_s": 30.0 * frame,
            "ep_distance_nm": batch.driver[:, 0].numpy()[row, frame],
            "ms2": batch.signal.numpy()[row, frame],
        }
    )
    return TrackSet(frames, 30.0, Driver("distance", "distance", "nm"), "a.u.", "test")


@pytest.fixture(scope="module")
def splits():
    return on_off(0), on_off(1)


@pytest.fixture(scope="module")
def evaluation(splits) -> SignalEvaluation:
    (calibration_batch, *fitted), (test, *predicted) = splits
    models = predictions(calibration_batch, fitted, test, predicted)
    return score_signal(calibration_batch, test, models, CONFIG, seed=5)


def number(evaluation: SignalEvaluation, model: str, metric: str, column: str = "estimate") -> float:
    rows = evaluation.metrics.set_index(["model", "metric"])
    return float(rows.loc[(model, metric), column])


def test_rows(evaluation: SignalEvaluation):
    models = ["network", "network_recalibrated", "constant", "constant_recalibrated"]
    assert list(evaluation.metrics.columns) == ["model", "metric", "estimate", "low", "high", "over"]
    assert list(evaluation.metrics["model"].drop_duplicates()) == models
    assert not evaluation.metrics.duplicated(["model", "metric"]).any()
    assert np.isfinite(evaluation.metrics[["estimate", "low", "high"]].to_numpy()).all()
    assert (evaluation.metrics["low"] <= evaluation.metrics["high"]).all()


def test_estimates_are_the_plain_metrics_of_observed_frames(evaluation: SignalEvaluation, splits):
    _, (test, network, _) = splits
    seen = test.observed.numpy()
    y, mean, sd = test.signal.numpy()[seen].astype(float), network[0][seen], network[1][seen]
    pits = metrics.pit(y, mean, sd)
    expected = {
        "nll": scores.gaussian_nll(y, mean, sd).mean(),
        "crps": scores.gaussian_crps(y, mean, sd).mean(),
        "mace": metrics.mace(pits, metrics.quantile_levels(19)),
        "coverage_90": metrics.coverage(pits, 0.9),
        "ence": metrics.ence(y, mean, sd, 6),
        "r2": metrics.r2(y, mean),
    }
    for metric, value in expected.items():
        assert number(evaluation, "network", metric) == pytest.approx(value, rel=1e-9), metric


def test_recalibration_helps_and_meets_its_limits(evaluation: SignalEvaluation):
    new = "network_recalibrated"
    assert number(evaluation, "network", "mace") > 0.02
    assert number(evaluation, new, "mace") < 0.02
    assert number(evaluation, new, "ence") < 0.1
    assert 0.88 < number(evaluation, new, "coverage_90") < 0.92
    assert number(evaluation, new, "nll") < number(evaluation, "network", "nll")


def test_differences_are_paired_and_have_the_sign_of_network_minus_baseline(evaluation: SignalEvaluation):
    for suffix in ("", "_recalibrated"):
        network, baseline = "network" + suffix, "constant" + suffix
        for score in ("nll", "crps"):
            name = f"{score}_minus_{baseline}"
            gap = number(evaluation, network, score) - number(evaluation, baseline, score)
            assert number(evaluation, network, name) == pytest.approx(gap, abs=1e-12)
            assert number(evaluation, network, name, "high") < 0


def test_the_ceiling_is_of_some_tracks_and_compared_on_them_alone(splits):
    (calibration_batch, *fitted), (test, *predicted) = splits
    models = predictions(calibration_batch, fitted, test, predicted)
    rows, rng = np.arange(1, 37, 3), np.random.default_rng(0)
    few = test.observed.numpy()[rows]
    ceiling = Ceiling(rows, DrawnSignal.of(rng.normal(2, 3, size=(50, int(few.sum()))), 1.0))
    found = score_signal(calibration_batch, test, models, CONFIG, seed=5, ceiling=ceiling)
    y = test.signal.numpy()[rows][few].astype(float)
    assert number(found, "ceiling", "nll") == pytest.approx(ceiling.form.nll(y).mean(), rel=1e-12)
    for model, grids in zip(("network", "constant"), predicted, strict=True):
        own = scores.gaussian_nll(y, *(grid[rows][few] for grid in grids)).mean()
        gap = number(found, model, "nll_minus_ceiling")
        assert gap == pytest.approx(own - ceiling.form.nll(y).mean(), rel=1e-9)
        assert number(found, model, "nll_minus_ceiling", "low") < gap
    over = found.metrics.set_index(["model", "metric"])["over"]
    assert over["ceiling", "nll"] == over["network", "nll_minus_ceiling"] == "12 tracks"
    assert over["network", "nll"] == "40 tracks"


def test_reliability_pit_and_bins(evaluation: SignalEvaluation):
    reliability = evaluation.reliability
    assert list(reliability.columns) == ["model", "level", "expected", "observed", "low", "high"]
    raw = reliability[reliability["model"] == "network"]
    error = np.abs(raw["observed"] - raw["expected"]).mean()
    assert error == pytest.approx(number(evaluation, "network", "mace"), rel=1e-9)
    for _, rows in evaluation.pit.groupby("model"):
        assert (rows["density"] * (rows["bin_right"] - rows["bin_left"])).sum() == pytest.approx(1)
    new = evaluation.pit[evaluation.pit["model"] == "network_recalibrated"]
    np.testing.assert_allclose(new["density"], 1, atol=0.2)
    bins = evaluation.ence_bins[evaluation.ence_bins["model"] == "network"]
    ence = np.mean(np.abs(bins["rmv"] - bins["rmse"]) / bins["rmv"])
    assert ence == pytest.approx(number(evaluation, "network", "ence"), rel=1e-9)


def test_missing_frames_count_for_nothing(evaluation: SignalEvaluation, splits):
    (calibration_batch, *fitted), (test, *predicted) = splits
    spoilt = [tuple(np.where(test.observed.numpy(), values, 1e9) for values in grids) for grids in predicted]
    models = predictions(calibration_batch, fitted, test, spoilt)
    noisy = replace(test, signal=test.signal.masked_fill(~test.observed, 1e9))
    again = score_signal(calibration_batch, noisy, models, CONFIG, seed=5)
    pd.testing.assert_frame_equal(again.metrics, evaluation.metrics)


def test_predicted_frames_are_those_observed_and_their_band_holds(evaluation: SignalEvaluation, splits):
    _, (test, network, _) = splits
    signal, form = test.signal[test.observed].numpy().astype(float), gaussian_of(network, test)
    table = predicted_frames(signal, evaluation.served, form)
    pd.testing.assert_frame_equal(table, predicted_frames(signal, evaluation.recalibration.of(form), form))
    assert list(table.columns) == ["mean", "sd", "low90", "high90", "frame_nll"]
    assert len(table) == int(test.observed.sum())
    assert table["frame_nll"].mean() == pytest.approx(number(evaluation, "network_recalibrated", "nll"))
    assert ((signal >= table["low90"]) & (signal <= table["high90"])).mean() == pytest.approx(0.9, abs=0.02)


def test_a_number_that_could_not_be_had_is_null(evaluation: SignalEvaluation):
    spoilt = evaluation.metrics.copy()
    spoilt.loc[0, "low"] = np.nan
    row = spoilt.loc[0]
    nested = nested_metrics(spoilt)
    assert nested[row["model"]][row["metric"]] == {"estimate": row["estimate"], "low": None, "high": row["high"]}


@pytest.mark.parametrize("change", [{"confidence": 1.5}, {"pit_bins": 0}, {"coverage_levels": [0.5, 90]}])
def test_impossible_settings_are_refused(change: dict):
    with pytest.raises(ValueError, match=rf"SignalEvaluationConfig\.{next(iter(change))}"):
        replace(CONFIG, **change)
