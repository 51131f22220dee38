"""The evaluation against scikit-learn, against repeated experiments and against models whose quality is known."""

import json
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from contactlens.base.errors import InputError
from contactlens.calibration.classification import logit_of
from contactlens.dna.data.clusters import window_clusters
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.config import EvaluateConfig
from contactlens.dna.evaluation.evaluate import Evaluation, SplitLogits, evaluate, roc_by_epoch, write_evaluation

CONFIG = EvaluateConfig(bootstrap_replicates=400, confidence=0.95, calibration_bins=8)
LENGTH = 200


def pairs(label: np.ndarray, start: np.ndarray | None = None, prefix: str = "w") -> WindowSet:
    n = len(label)
    start = np.arange(n) * LENGTH if start is None else start
    table = pd.DataFrame(
        {
            "window_id": [f"{prefix}{i}" for i in range(n)],
            "chrom": "sim1",
            "win_start": start,
            "win_end": start + LENGTH,
            "enh_rel_start": 10,
            "enh_rel_end": 30,
            "prom_rel_start": np.arange(n) % 50 + 100,
            "prom_rel_end": np.arange(n) % 50 + 140,
            "label": np.asarray(label, dtype=np.int64),
            "record": "sim1",
            "record_start": 0,
        }
    )
    return WindowSet("pair", table, Genome.of({}), "toy", {}, None)


def regions(windows: WindowSet) -> WindowSet:
    table = windows.windows.drop(columns=[name for name in windows.windows if "_rel_" in name])
    return replace(windows, task="region", windows=table)


def experiment(seed: int, n: int = 400) -> tuple[WindowSet, WindowSet, dict[str, SplitLogits]]:
    """Labels made from known log odds. The network is too sure of them by a factor of 3, the baseline sees half of
    them, and the constant sees nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, (2, n))
    label = rng.random((2, n)) < expit(truth)
    models = {
        "network": SplitLogits(*(3 * truth)),
        "half": SplitLogits(*np.where(np.arange(n) % 2, truth, 0.0)),
        "constant": SplitLogits(*np.full((2, n), 0.2)),
    }
    return pairs(label[0], prefix="c"), pairs(label[1]), models


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(*experiment(0), CONFIG, seed=3)


def number(evaluation: Evaluation, model: str, metric: str, column: str = "estimate") -> float:
    rows = evaluation.metrics.query("model == @model and metric == @metric")
    assert len(rows) == 1
    return float(rows[column].iloc[0])


def test_estimates_are_those_of_scikit_learn(evaluation: Evaluation):
    _, test, models = experiment(0)
    y, p = test.windows["label"], expit(models["network"].test)
    expected = {
        "auroc": sk.roc_auc_score(y, p),
        "auprc": sk.average_precision_score(y, p),
        "accuracy": sk.accuracy_score(y, p > 0.5),
        "balanced_accuracy": sk.balanced_accuracy_score(y, p > 0.5),
        "f1": sk.f1_score(y, p > 0.5),
        "nll": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p),
    }
    for metric, value in expected.items():
        assert number(evaluation, "network", metric) == pytest.approx(value, rel=1e-9)
        low, high = (number(evaluation, "network", metric, column) for column in ("low", "high"))
        assert low < value < high


def test_recalibration_makes_the_network_honest_and_leaves_its_ranking(evaluation: Evaluation):
    assert evaluation.recalibration.slope == pytest.approx(1 / 3, rel=0.25)
    for metric in ("nll", "brier", "ece"):
        assert number(evaluation, "network_recalibrated", metric) < number(evaluation, "network", metric)
    for metric in ("auroc", "auprc"):
        assert number(evaluation, "network_recalibrated", metric) == number(evaluation, "network", metric)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    """AUROC of the data-generating model, known from a large sample, over 100 experiments."""
    _, test, models = experiment(99, n=200_000)
    truth = sk.roc_auc_score(test.windows["label"], models["network"].test)
    covered, short = [], replace(CONFIG, bootstrap_replicates=100)
    for seed in range(100):
        found = evaluate(*experiment(seed, n=120), short, seed)
        covered.append(number(found, "network", "auroc", "low") <= truth <= number(found, "network", "auroc", "high"))
    assert 0.88 <= np.mean(covered) <= 0.99


def test_differences_are_paired(evaluation: Evaluation):
    """The interval of a difference is narrower than that of two independent estimates, and of a model with itself 0."""
    for suffix in ("", "_recalibrated"):
        own, other = (number(evaluation, f"{model}{suffix}", "auroc") for model in ("network", "half"))
        assert number(evaluation, f"network{suffix}", f"auroc_minus_half{suffix}") == pytest.approx(own - other)
    calibration, test, models = experiment(0)
    twin = evaluate(calibration, test, models | {"twin": models["network"]}, CONFIG, seed=3)
    assert {number(twin, "network", "auroc_minus_twin", column) for column in ("estimate", "low", "high")} == {0.0}
    assert number(evaluation, "network", "auroc_minus_constant", "low") > 0


def test_a_constant_model_scores_as_one(evaluation: Evaluation):
    _, test, _ = experiment(0)
    prevalence = test.windows["label"].mean()
    assert number(evaluation, "constant", "auroc") == 0.5
    assert number(evaluation, "constant", "auprc") == pytest.approx(prevalence)
    assert number(evaluation, "constant", "ece") == pytest.approx(abs(prevalence - expit(0.2)))


def test_curves_have_the_area_that_the_table_says(evaluation: Evaluation):
    for model, rows in evaluation.roc.groupby("model"):
        assert np.trapezoid(rows["tpr"], rows["fpr"]) == pytest.approx(number(evaluation, str(model), "auroc"))
    for model, rows in evaluation.pr.groupby("model"):
        area = -np.sum(np.diff(rows["recall"]) * rows["precision"].to_numpy()[:-1])
        assert area == pytest.approx(number(evaluation, str(model), "auprc"))
    assert set(evaluation.roc["model"]) == {"network", "half", "constant"}


def test_roc_of_each_epoch():
    _, test, models = experiment(4)
    epochs = np.stack([models["half"].test, models["network"].test])
    table = roc_by_epoch(test, epochs)
    assert list(table["epoch"].unique()) == [1, 2]
    for (epoch, rows), logit in zip(table.groupby("epoch"), epochs, strict=True):
        area = sk.roc_auc_score(test.windows["label"], logit)
        assert np.trapezoid(rows["tpr"], rows["fpr"]) == pytest.approx(area) == rows["auroc"].iloc[0], epoch


def test_reliability_bins_hold_every_window_once_and_make_up_the_ece(evaluation: Evaluation):
    for model, rows in evaluation.reliability.groupby("model"):
        assert rows["count"].sum() == 400
        ece = np.sum(np.abs(rows["observed"] - rows["predicted"]) * rows["count"]) / 400
        assert ece == pytest.approx(number(evaluation, str(model), "ece"))
        assert (rows["low"] <= rows["observed"]).all() and (rows["observed"] <= rows["high"]).all()
        assert rows["predicted"].is_monotonic_increasing


def test_predictions_are_in_step_with_the_windows(evaluation: Evaluation):
    _, test, models = experiment(0)
    table = evaluation.predictions
    assert list(table.columns[:5]) == ["window_id", "chrom", "cluster", "label", "distance_bp"]
    pd.testing.assert_series_equal(table["window_id"], test.windows["window_id"])
    np.testing.assert_allclose(table["distance_bp"], test.distances())
    np.testing.assert_allclose(table["network"], expit(models["network"].test))
    recalibrated = evaluation.recalibration(models["network"].test)
    np.testing.assert_allclose(table["network_recalibrated"], expit(recalibrated))


def test_windows_that_share_an_element_are_resampled_together():
    """Each window five times over: the estimate stays, and so does the width of its interval."""
    calibration, test, models = experiment(1)
    table = test.windows
    often = table.loc[np.repeat(table.index, 5)].assign(window_id=lambda t: [f"r{i}" for i in range(len(t))])
    repeated = replace(test, windows=often.reset_index(drop=True))
    copies = {name: SplitLogits(m.calibration, np.repeat(m.test, 5)) for name, m in models.items()}
    once, five = (evaluate(calibration, *pair, CONFIG, seed=0) for pair in ((test, models), (repeated, copies)))
    assert once.clusters == five.clusters == 400
    compared = ["estimate", "low", "high"]
    rows = ~once.metrics["metric"].isin(["ece"])  # its bins may fall otherwise
    pd.testing.assert_frame_equal(once.metrics[rows][compared], five.metrics[rows][compared], rtol=1e-9)


def clusters_by_hand(windows: WindowSet) -> list[set[int]]:
    """Merge overlapping windows pair by pair until nothing changes."""
    rows = windows.windows
    if windows.task == "region":
        kinds = [[(c, s, e) for c, s, e in zip(rows["chrom"], rows["win_start"], rows["win_end"], strict=True)]]
    else:
        kinds = [
            [
                (c, w + s, w + e)
                for c, w, s, e in zip(
                    rows["chrom"], rows["win_start"], rows[f"{k}_rel_start"], rows[f"{k}_rel_end"], strict=True
                )
            ]
            for k in ("enh", "prom")
        ]
    group = list(range(len(rows)))
    for i, j in list(combinations(range(len(rows)), 2)) * 8:
        if any(k[i][0] == k[j][0] and k[i][1] < k[j][2] and k[j][1] < k[i][2] for k in kinds):
            group[i] = group[j] = min(group[i], group[j])
    return [{i for i, g in enumerate(group) if g == one} for one in set(group)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("task", ["pair", "region"])
def test_clusters_equal_those_found_pair_by_pair(task: str, seed: int):
    rng = np.random.default_rng(seed)
    n = 60
    windows = pairs(np.zeros(n), rng.integers(0, 4000 if task == "pair" else 12000, n))
    windows.windows["chrom"] = rng.choice(["chr2", "chr1"], n)
    windows = regions(windows) if task == "region" else windows
    found = window_clusters(windows)
    assert set(found) == set(range(found.max() + 1))
    expected = clusters_by_hand(windows)
    assert {frozenset(np.flatnonzero(found == c)) for c in set(found)} == {frozenset(c) for c in expected}
    assert 2 < len(expected) < n


def test_windows_that_only_touch_are_not_connected():
    assert len(set(window_clusters(regions(pairs(np.zeros(10)))))) == 10
    assert len(set(window_clusters(pairs(np.zeros(10))))) == 10


def test_region_task_has_no_distance():
    calibration, test, models = experiment(2)
    table = evaluate(regions(calibration), regions(test), models, CONFIG, seed=0).predictions
    assert "distance_bp" not in table


@pytest.mark.parametrize("split", ["calibration", "test"])
def test_a_split_of_one_class_is_named(split: str):
    calibration, test, models = experiment(2)
    chosen = calibration if split == "calibration" else test
    chosen.windows["label"] = 0
    with pytest.raises(InputError, match=f"toy: the {split} split has windows of one label only"):
        evaluate(calibration, test, models, CONFIG, seed=0)


def test_rare_positives_leave_finite_intervals():
    """Some replicates draw no positive at all; they have no AUROC and don't count."""
    rng = np.random.default_rng(5)
    label = np.zeros(60)
    label[:2] = 1
    models = {"network": SplitLogits(rng.normal(size=60), rng.normal(size=60))}
    found = evaluate(pairs(label), pairs(label), models, CONFIG, seed=0)
    assert np.isfinite(found.metrics[["estimate", "low", "high"]].to_numpy()).all()


def test_written_files_hold_the_tables_and_come_out_the_same_twice(evaluation: Evaluation, tmp_path: Path):
    write_evaluation(evaluation, tmp_path / "one")
    write_evaluation(evaluate(*experiment(0), CONFIG, seed=3), tmp_path / "two")
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert set(one) == {"metrics.json", "metrics.csv", "roc.csv", "pr.csv", "reliability.csv", "predictions.parquet"}
    nested = json.loads(one["metrics.json"])
    assert nested["network"]["auroc"]["low"] == number(evaluation, "network", "auroc", "low")
    assert set(nested["network"]["auroc"]) == {"estimate", "low", "high"}


def test_a_thousand_replicates_of_many_models_take_seconds():
    calibration, test, models = experiment(7, n=600)
    many = {"network": models["network"]} | {f"m{i}": models["half"] for i in range(5)}
    started = time.process_time()
    evaluate(calibration, test, many, replace(CONFIG, bootstrap_replicates=1000), seed=0)
    assert time.process_time() - started < 15


def test_probabilities_of_zero_and_one_can_be_scored():
    calibration, test, _ = experiment(8)
    sure = logit_of(np.where(np.arange(400) % 3 == 0, 0.0, 1.0))
    found = evaluate(calibration, test, {"network": SplitLogits(sure, sure)}, CONFIG, seed=0)
    assert np.isfinite(found.metrics["estimate"]).all()


@pytest.mark.parametrize("change", [{"confidence": 1.0}, {"calibration_bins": 0}, {"bootstrap_replicates": 0}])
def test_impossible_settings_are_refused(change: dict):
    with pytest.raises(ValueError, match="EvaluateConfig"):
        replace(CONFIG, **change)
