"""The network beside its baselines on the test split, before and after recalibration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside, write_json
from contactlens.base.progress import counted
from contactlens.calibration.bootstrap import ConfidenceInterval, resample_counts
from contactlens.calibration.classification import Platt, Score, classification_scores, probability_bins, ratio_score
from contactlens.dna.data.clusters import window_clusters
from contactlens.dna.data.names import NETWORK, RECALIBRATED
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.evaluation.config import EvaluateConfig

Array = np.ndarray
INTERVAL = ["estimate", "low", "high"]
COMPARED = ("auroc", "auprc", "nll", "brier")
CELLS = 4_000_000  # of the weights made at once: bounds memory


class SplitLogits(NamedTuple):
    """Log odds of label 1 on the split that recalibrates a model, and on the test split; (N,) each."""

    calibration: Array
    test: Array


@dataclass(frozen=True)
class Evaluation:
    """metrics: model, metric, estimate, low, high. Difference rows of the network are named `auroc_minus_<baseline>`.
    roc: model, threshold, fpr, tpr. pr: model, threshold, recall, precision. Thresholds are probabilities; a curve's
        end at which nothing is called positive has threshold infinity.
    reliability: model, bin, predicted, observed, low, high, count; bins of equal counts of predicted probability.
    predictions: window_id, chrom, cluster, label, distance_bp (pairs), and each model's probability in its column.
    clusters: how many clusters of windows the intervals resample.
    recalibration: the network's.
    """

    metrics: pd.DataFrame
    roc: pd.DataFrame
    pr: pd.DataFrame
    reliability: pd.DataFrame
    predictions: pd.DataFrame
    clusters: int
    recalibration: Platt

    TABLES = ("metrics", "roc", "pr", "reliability")


def evaluate(
    calibration: WindowSet, test: WindowSet, models: Mapping[str, SplitLogits], config: EvaluateConfig, seed: int
) -> Evaluation:
    """Score every model, as it is and recalibrated (`<model>_recalibrated`), on the test windows.

    models: by name, `network` among them; the others are its baselines. All share one set of resampled clusters
    (`window_clusters`). The network is compared with a baseline as it is, the recalibrated network with the
    recalibrated baseline, both on the same resamples.

    Raises InputError where a split has windows of one label only.
    """
    y_calibration, test_split = _labels(calibration, "calibration"), _TestSplit.of(test, config, seed)
    platts = {name: Platt.fit(y_calibration, model.calibration) for name, model in models.items()}
    raw = {name: model.test for name, model in models.items()}
    logits = {form: logit for name in raw for form, logit in _forms(name, raw[name], platts[name])}
    replicates = {name: test_split.replicates(logit) for name, logit in counted(logits.items(), "models bootstrapped")}
    for baseline in (name for name in models if name != NETWORK):
        for suffix in ("", RECALIBRATED):
            replicates[NETWORK + suffix] |= _differences(replicates, suffix, baseline)
    shown = {name: logits[name] for name in (NETWORK, NETWORK + RECALIBRATED)}
    return Evaluation(
        metrics=_stack(replicates, test_split.intervals),
        roc=_stack(raw, test_split.roc),
        pr=_stack(raw, test_split.pr),
        reliability=_stack(shown, test_split.reliability),
        predictions=test_split.predictions(test, logits),
        clusters=test_split.counts.shape[1],
        recalibration=platts[NETWORK],
    )


def write_evaluation(evaluation: Evaluation, folder: Path | str) -> None:
    """Write metrics.json, the tables as CSV and predictions.parquet into `folder`."""
    folder = Path(folder)
    for name in Evaluation.TABLES:
        with write_aside(folder / f"{name}.csv") as aside:
            getattr(evaluation, name).to_csv(aside, index=False, lineterminator="\n")
    with write_aside(folder / "predictions.parquet") as aside:
        evaluation.predictions.to_parquet(aside, index=False)
    write_json(folder / "metrics.json", nested_metrics(evaluation.metrics))


def roc_by_epoch(validation: WindowSet, logits: Array) -> pd.DataFrame:
    """The ROC curve after each epoch of training: epoch (from 1), threshold (probability), fpr, tpr, auroc.

    logits: (epochs, N) in the order of the validation windows.
    """
    from sklearn.metrics import roc_auc_score

    y = _labels(validation, "validation")
    curves = {epoch: roc_table(y, logit).assign(auroc=roc_auc_score(y, logit)) for epoch, logit in enumerate(logits, 1)}
    return pd.concat(curves, names=["epoch", None]).reset_index(level="epoch").reset_index(drop=True)


def roc_table(y: Array, logit: Array) -> pd.DataFrame:
    """threshold (probability; infinity where nothing is called positive), fpr, tpr."""
    from sklearn.metrics import roc_curve

    fpr, tpr, threshold = roc_curve(y, logit)
    return pd.DataFrame({"threshold": _probability(threshold), "fpr": fpr, "tpr": tpr})


def nested_metrics(metrics: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """{model: {metric: {estimate, low, high}}} of the long table."""
    nested: dict[str, dict[str, dict[str, float]]] = {}
    for model, metric, *numbers in metrics[["model", "metric", *INTERVAL]].itertuples(index=False):
        nested.setdefault(model, {})[metric] = dict(zip(INTERVAL, numbers, strict=True))
    return nested


@dataclass(frozen=True)
class _TestSplit:
    """Test labels y (n,), the cluster of each window (n,) and how often each replicate draws each cluster (R, K)."""

    y: Array
    cluster: Array
    counts: Array
    config: EvaluateConfig

    @classmethod
    def of(cls, test: WindowSet, config: EvaluateConfig, seed: int) -> "_TestSplit":
        cluster = window_clusters(test)
        counts = resample_counts(int(cluster.max()) + 1, config.bootstrap_replicates, seed)
        return cls(_labels(test, "test"), cluster, counts, config)

    def values(self, scores: Mapping[str, Score]) -> dict[str, Array]:
        """Each score with unit weights, then of each replicate: (1 + R,)."""
        counts = np.vstack([np.ones(self.counts.shape[1]), self.counts])
        parts = max(1, counts.shape[0] * self.y.size // CELLS)
        found: dict[str, list[Array]] = {name: [] for name in scores}
        for part in np.array_split(counts, parts):
            weights = part[:, self.cluster]
            for name, score in scores.items():
                found[name].append(score(weights))
        return {name: np.concatenate(values) for name, values in found.items()}

    def replicates(self, logit: Array) -> dict[str, Array]:
        return self.values(classification_scores(self.y, logit, self.config.calibration_bins))

    def interval(self, values: Array) -> ConfidenceInterval:
        """Percentile interval; replicates without a value (they drew one class) do not count."""
        tail = (1 - self.config.confidence) / 2
        return ConfidenceInterval(values[0], *np.nanquantile(values, [tail, 1 - tail]))

    def intervals(self, replicates: Mapping[str, Array]) -> pd.DataFrame:
        rows = [(name, *map(float, self.interval(values))) for name, values in replicates.items()]
        return pd.DataFrame(rows, columns=["metric", *INTERVAL])

    def roc(self, logit: Array) -> pd.DataFrame:
        return roc_table(self.y, logit)

    def pr(self, logit: Array) -> pd.DataFrame:
        from sklearn.metrics import precision_recall_curve

        precision, recall, threshold = precision_recall_curve(self.y, logit, drop_intermediate=True)
        threshold = _probability(np.append(threshold, np.inf))
        return pd.DataFrame({"threshold": threshold, "recall": recall, "precision": precision})

    def reliability(self, logit: Array) -> pd.DataFrame:
        probability = expit(logit)
        index = probability_bins(probability, self.config.calibration_bins)
        inside = [index == b for b in range(index.max() + 1)]
        observed = self.values(
            {str(b): ratio_score(self.y * rows, rows.astype(np.float64)) for b, rows in enumerate(inside)}
        )
        rows = [
            (b + 1, probability[rows].mean(), *self.interval(observed[str(b)]), rows.sum())
            for b, rows in enumerate(inside)
        ]
        return pd.DataFrame(rows, columns=["bin", "predicted", "observed", "low", "high", "count"])

    def predictions(self, test: WindowSet, logits: Mapping[str, Array]) -> pd.DataFrame:
        table = test.windows[["window_id", "chrom"]].reset_index(drop=True)
        table = table.assign(cluster=self.cluster, label=self.y.astype(np.int64))
        if test.task == "pair":
            table["distance_bp"] = test.distances()
        return table.assign(**{name: expit(logit) for name, logit in logits.items()})


def _labels(windows: WindowSet, split: str) -> Array:
    y = windows.windows["label"].to_numpy(dtype=np.float64)
    if np.unique(y).size < 2:
        raise InputError(f"{windows.source}: the {split} split has windows of one label only; both are needed to score")
    return y


def _forms(name: str, logit: Array, platt: Platt) -> list[tuple[str, Array]]:
    return [(name, logit), (name + RECALIBRATED, platt(logit))]


def _differences(replicates: Mapping[str, Mapping[str, Array]], suffix: str, baseline: str) -> dict[str, Array]:
    own, other = replicates[NETWORK + suffix], replicates[baseline + suffix]
    return {f"{score}_minus_{baseline}{suffix}": own[score] - other[score] for score in COMPARED}


def _probability(threshold: Array) -> Array:
    """Thresholds on log odds as probabilities; infinity stays, since no probability is above it."""
    return np.where(np.isinf(threshold), threshold, expit(threshold))


def _stack(keyed: Mapping[str, Any], table: Callable[[Any], pd.DataFrame]) -> pd.DataFrame:
    """The tables of several models under each other, the model's name in front."""
    tables = {name: table(item) for name, item in keyed.items()}
    return pd.concat(tables, names=["model", None]).reset_index(level="model").reset_index(drop=True)
