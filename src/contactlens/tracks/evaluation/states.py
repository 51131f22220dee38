"""Decoded promoter states beside the truth on the test split: the network, its baselines, and each recalibrated.

Scores are sums per track, so that a thousand resamples of tracks are a few matrix products. With every track drawn once
each score is the one that `contactlens.calibration.classification` gives the frames.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.base.errors import InputError
from contactlens.calibration.bootstrap import Metric, Resamples, mean_metric, ratio, sum_by_track
from contactlens.calibration.classification import (
    Platt,
    Score,
    auprc_score,
    auroc_score,
    logit_of,
    probability_bins,
)
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.promoter_truth import observed_span
from contactlens.tracks.evaluation.baselines import RECALIBRATED, PathBaseline, fit_state_baselines
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.evaluation.config import EvaluationConfig, StateEvaluationConfig
from contactlens.tracks.evaluation.dwell_times import DwellCounts, StateSegments, interval_dwell
from contactlens.tracks.evaluation.state_posterior import Coupling, StatePosterior
from contactlens.tracks.evaluation.table import (
    NETWORK,
    EvaluatedModel,
    TaskEvaluation,
    add_differences,
    interval_table,
)
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.training.fit import predict_state

Array = np.ndarray
COMPARED = ("balanced_accuracy", "auroc", "auprc", "f1", "nll", "brier")
RANKS = 2000  # classes of equal counts that frames are ranked in; AUROC and AUPRC are exact to about 1e-4
ROC_POINTS = 200


def evaluate_states(evaluated: EvaluatedModel, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """See `evaluate_task`. Predictions: the true state, p_on of the recalibrated network, and the decoded state."""
    model, batches = evaluated.model, evaluated.batches

    def network(batch: TrackBatch) -> Array:
        return predict_state(model, model_input(model.task, batch), batch.observed, evaluated.batch_size)

    kernel = memory_kernel(config.reporter.ramp_s, config.reporter.dwell_s, evaluated.test.frame_interval_s)
    baselines = fit_state_baselines(batches["train"], batches["validation"], config.state_baselines, kernel, seed)
    calibration, test = batches["calibration"], evaluated.test
    models = {NETWORK: StatePredictions(network(calibration), network(test))}
    for name, one in baselines.items():
        paths = one.posterior(test, seed) if isinstance(one, PathBaseline) else None
        models[name] = StatePredictions(one.probability(calibration), one.probability(test), paths)
    exact = _true_dwell(evaluated)
    evaluation = score_states(calibration, test, models, config.states, seed, exact, evaluated.groups)
    decoder = evaluation.decoders[NETWORK]
    decoded = decoded_frames(test, models[NETWORK].test, decoder)
    return TaskEvaluation(
        metrics=evaluation.metrics,
        tables={name: getattr(evaluation, name) for name in StateEvaluation.TABLES if name != "metrics"},
        predictions=evaluated.frames().join(decoded),
        recalibration={"threshold": float(decoder.threshold), "recalibration": decoder.recalibration.to_json()},
    )


class StatePredictions(NamedTuple):
    """A model's P(on) of the split that calibrates it and of the test split, (N, T) each.

    paths: its own posterior over the paths of the test tracks; None of a model that knows frames alone
    """

    calibration: Array
    test: Array
    paths: StatePosterior | None = None


class StateFrames(NamedTuple):
    """The tracks of a split that were observed at all: their rows in it, N names, state (N, T) 1 where the promoter is
    on, observed (N, T) bool, and the frame interval.
    """

    rows: Array
    track_ids: list[str]
    state: Array
    observed: Array
    frame_interval_s: float

    @classmethod
    def of(cls, batch: TrackBatch, split: str) -> "StateFrames":
        """Raises InputError where the state of the batch is not known, or is the same in all observed frames."""
        if batch.state is None:
            raise InputError(f"the tracks of the {split} split have no known promoter state; simulated tracks have")
        observed = batch.observed.cpu().numpy()
        rows = np.flatnonzero(observed.any(axis=1))
        state = batch.state.cpu().numpy()[rows]
        names = [batch.track_ids[row] for row in rows]
        frames = cls(rows, names, state, observed[rows], batch.frame_interval_s)
        if np.unique(frames.observed_values(state)).size < 2:
            raise InputError(f"the promoter of the {split} split never switches; both states are needed to score them")
        return frames

    def observed_values(self, grid: Array) -> Array:
        """The observed frames of a grid (N, T), (n,) float64."""
        return grid[self.observed].astype(np.float64)


class Decoder(NamedTuple):
    """What the calibration split decides of a model.

    threshold: P(on) from which a frame is called on, for balanced accuracy, accuracy and F1 alone
    coupling: how its recalibrated frames go together
    """

    threshold: float
    recalibration: Platt
    coupling: Coupling

    @classmethod
    def fit(cls, frames: StateFrames, probability: Array) -> "Decoder":
        """The threshold of the largest balanced accuracy on the observed frames; probability (N, T)."""
        y, p_on = frames.observed_values(frames.state), frames.observed_values(probability)
        platt = Platt.fit(y, logit_of(p_on))
        coupling = Coupling.fit(frames.state, _recalibrated(platt, probability, frames.observed), frames.observed)
        return cls(best_threshold(y, p_on), platt, coupling)

    def called(self, probability: Array) -> Array:
        """The decoded state, bool in the shape of `probability`."""
        return probability >= self.threshold

    def posterior(self, frames: StateFrames, probability: Array, rng: np.random.Generator) -> StatePosterior:
        """Over the paths of tracks whose frames have this P(on) (N, T), before recalibration."""
        recalibrated = _recalibrated(self.recalibration, probability, frames.observed)
        return self.coupling.posterior(recalibrated, frames.observed, rng)


@dataclass(frozen=True)
class StateEvaluation:
    """metrics: model, metric, estimate, low, high. Difference rows of the network are named `auroc_minus_<baseline>`.
    roc: model, threshold, fpr, tpr; at most 200 points, the first calls nothing on and has threshold infinity.
    reliability: model, bin, predicted, observed, low, high, count; bins of equal counts of predicted probability.
    segments: model (`truth` among them), state, left_s, right_s, density (1/s), low, high.
    dwell: model, quantity, estimate, low, high, as expected from a model's posterior over paths; `truth` holds the true
        state of each frame, `truth_exact` the true switching times where they are given. Rows of a model named
        `k_on_per_s_minus_truth` are its difference from `truth`; `length_distance_on` is the largest difference between
        its distribution of lengths and that of `truth`.
    per_track: model, track_id, frames, on_share, called_share, accuracy.
    decoders: by model.
    """

    metrics: pd.DataFrame
    roc: pd.DataFrame
    reliability: pd.DataFrame
    segments: pd.DataFrame
    dwell: pd.DataFrame
    per_track: pd.DataFrame
    decoders: dict[str, Decoder]

    TABLES = ("metrics", "roc", "reliability", "segments", "dwell", "per_track")


def score_states(
    calibration: TrackBatch,
    test: TrackBatch,
    models: Mapping[str, StatePredictions],
    config: StateEvaluationConfig,
    seed: int,
    exact: DwellCounts | None = None,
    groups: Sequence[str] | None = None,
) -> StateEvaluation:
    """Score every model, as it is and recalibrated (`<model>_recalibrated`), on the observed test frames.

    models: by name, `network` among them; the others are its baselines. All share one set of resampled tracks. Frames
    are called on from the model's threshold on the calibration split, and recalibration leaves these calls. Segments
    and dwell times are of the model's own posterior over paths, or of its recalibrated frames as `Decoder` couples
    them.
    exact: dwell of the test tracks from their true switching times (`interval_dwell`), in the order of the tracks.
    groups: of each test track, which are resampled before it

    Raises InputError where the true state is not known, or the observed frames of a split are all in one.
    """
    evaluator = StateEvaluator.of(StateFrames.of(test, "test"), config, seed, groups or test.track_ids)
    frames, fitted = evaluator.frames, StateFrames.of(calibration, "calibration")
    decoders = {name: Decoder.fit(fitted, model.calibration[fitted.rows]) for name, model in models.items()}
    probability = {name: model.test[frames.rows] for name, model in models.items()}
    called = {name: decoders[name].called(grid) for name, grid in probability.items()}
    logits: dict[str, Array] = {}
    for name, grid in probability.items():
        raw = logit_of(frames.observed_values(grid))
        logits |= {name: raw, name + RECALIBRATED: decoders[name].recalibration(raw)}
    metrics = {form: evaluator.metrics(logits[form], called[form.removesuffix(RECALIBRATED)]) for form in logits}
    add_differences(metrics, [name for name in models if name != NETWORK], COMPARED)
    posteriors = {
        name: decoders[name].posterior(frames, probability[name], np.random.default_rng(seed))
        if (paths := model.paths) is None
        else paths.of_tracks(frames.rows)
        for name, model in models.items()
    }
    truth, dt = frames.state > 0.5, frames.frame_interval_s
    segments = StateSegments.of(truth, posteriors, frames.observed, dt, evaluator.resamples)
    dwell = segments.dwell(None if exact is None else exact.of_tracks(frames.rows))
    return StateEvaluation(
        metrics=interval_table(metrics, evaluator.resamples),
        roc=pd.concat([evaluator.roc(name, logits[name]) for name in models], ignore_index=True),
        reliability=pd.concat(
            [evaluator.reliability(name, logits[name]) for name in (NETWORK, NETWORK + RECALIBRATED)], ignore_index=True
        ),
        segments=segments.length_table(config.segment_bins),
        dwell=interval_table(dwell, evaluator.resamples, "quantity"),
        per_track=pd.concat([evaluator.per_track(name, values) for name, values in called.items()], ignore_index=True),
        decoders=decoders,
    )


def decoded_frames(test: TrackBatch, probability: Array, decoder: Decoder) -> pd.DataFrame:
    """One row per observed test frame, track after track: state (truth), p_on (recalibrated), on (decoded).

    probability: (N, T) a model's P(on)
    """
    frames = StateFrames.of(test, "test")
    raw = frames.observed_values(probability[frames.rows])
    p_on = expit(decoder.recalibration(logit_of(raw)))
    return pd.DataFrame({"state": frames.observed_values(frames.state) > 0.5, "p_on": p_on, "on": decoder.called(raw)})


@dataclass(frozen=True)
class StateEvaluator:
    """The true states of the test split, and the resamples of its tracks."""

    frames: StateFrames
    resamples: Resamples
    config: StateEvaluationConfig

    @classmethod
    def of(
        cls, frames: StateFrames, config: StateEvaluationConfig, seed: int, groups: Sequence[str]
    ) -> "StateEvaluator":
        drawn = [groups[row] for row in frames.rows]
        resamples = Resamples.draw(frames.rows.size, config.bootstrap_replicates, config.confidence, seed, drawn)
        return cls(frames, resamples, config)

    @cached_property
    def track(self) -> Array:
        return np.nonzero(self.frames.observed)[0]

    @cached_property
    def y(self) -> Array:
        return self.frames.observed_values(self.frames.state)

    def metrics(self, logit: Array, called: Array) -> dict[str, Metric]:
        hits = called[self.frames.observed]
        return state_metrics(self.track, self.y, logit, hits, self.config.calibration_bins)

    def roc(self, name: str, logit: Array) -> pd.DataFrame:
        index = probability_bins(logit, ROC_POINTS)
        lowest = pd.Series(expit(logit)).groupby(index).min().to_numpy()[::-1]
        rates = [np.cumsum(np.bincount(index, values)[::-1]) / values.sum() for values in (1 - self.y, self.y)]
        fpr, tpr = (np.append(0, rate) for rate in rates)
        return pd.DataFrame({"model": name, "threshold": np.append(np.inf, lowest), "fpr": fpr, "tpr": tpr})

    def reliability(self, name: str, logit: Array) -> pd.DataFrame:
        probability = expit(logit)
        index = probability_bins(probability, self.config.calibration_bins)
        predicted = pd.Series(probability).groupby(index).agg(["mean", "size"])
        observed = self.resamples.interval(binned(self.track, index, self.y))
        columns = {"model": name, "bin": predicted.index + 1, "predicted": predicted["mean"].to_numpy()}
        columns |= {"observed": observed.estimate, "low": observed.low, "high": observed.high}
        return pd.DataFrame({**columns, "count": predicted["size"].to_numpy()})

    def per_track(self, name: str, called: Array) -> pd.DataFrame:
        hits = self.frames.observed_values(called)
        frames = pd.DataFrame({"on_share": self.y, "called_share": hits, "accuracy": hits == self.y})
        means = frames.astype(np.float64).groupby(self.track).mean()
        means.insert(0, "frames", self.frames.observed.sum(axis=1))
        means.insert(0, "track_id", self.frames.track_ids)
        means.insert(0, "model", name)
        return means


def best_threshold(y: Array, probability: Array) -> float:
    """The threshold of the largest balanced accuracy: y (n,) 0 or 1, called on where `probability` (n,) reaches it.

    The lowest such threshold, where several do as well.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, on = probability[order], y[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal probabilities are called together
    gain = np.cumsum(on) / on.sum() - np.cumsum(1 - on) / (1 - on).sum()
    best = np.flatnonzero(last & (gain == gain[last].max()))[-1]
    return float(ranked[best])


def state_metrics(track: Array, y: Array, logit: Array, called: Array, bins: int) -> dict[str, Metric]:
    """auroc, auprc, accuracy, balanced_accuracy, f1, nll, brier, ece.

    track: (n,) int codes from 0; y: (n,) 0 or 1; logit: (n,) log odds of on; called: (n,) bool, the decoded state;
    bins: of `ece`. A score that resampled tracks leave undefined (all in one state) is NaN.
    """
    probability = expit(logit)
    return {
        "auroc": _ranking_metric(track, y, logit, auroc_score),
        "auprc": _ranking_metric(track, y, logit, auprc_score),
        **_call_metrics(track, y, called),
        "nll": mean_metric(track, np.logaddexp(0, (1 - 2 * y) * logit)),
        "brier": mean_metric(track, (probability - y) ** 2),
        "ece": _ece_metric(track, y, probability, bins),
    }


def binned(track: Array, index: Array, values: Array) -> Metric:
    """Mean of values (n,) over the frames of each bin, (bins,): index (n,) int from 0 without gaps."""
    sums = np.concatenate([_by_bin(track, index, values), _by_bin(track, index, np.ones(values.size))], axis=1)
    width = sums.shape[1] // 2
    return Metric(sums, lambda total: ratio(total[..., :width], total[..., width:]))


def _recalibrated(platt: Platt, probability: Array, observed: Array) -> Array:
    """P(on) (N, T) of the observed frames, recalibrated; 0 elsewhere."""
    found = np.zeros(observed.shape)
    found[observed] = expit(platt(logit_of(probability[observed].astype(np.float64))))
    return found


def _call_metrics(track: Array, y: Array, called: Array) -> dict[str, Metric]:
    hit = called.astype(np.float64)
    sums = sum_by_track(track, np.stack([y * hit, (1 - y) * (1 - hit), y, 1 - y, hit], axis=1))

    def balanced(total: Array) -> Array:
        return (ratio(total[..., 0], total[..., 2]) + ratio(total[..., 1], total[..., 3])) / 2

    return {
        "accuracy": Metric(sums, lambda total: (total[..., 0] + total[..., 1]) / (total[..., 2] + total[..., 3])),
        "balanced_accuracy": Metric(sums, balanced),
        "f1": Metric(sums, lambda total: ratio(2 * total[..., 0], total[..., 2] + total[..., 4])),
    }


def _ranking_metric(track: Array, y: Array, logit: Array, score_of: Callable[[Array, Array], Score]) -> Metric:
    """A score of the order of frames, with frames of one rank and state taken together as one weighted case."""
    rank = probability_bins(logit, RANKS)
    ranks = int(rank.max()) + 1
    cases = _by_bin(track, rank + ranks * y.astype(np.int64), np.ones(y.size), 2 * ranks)
    score = score_of(np.repeat([0.0, 1.0], ranks), np.tile(np.arange(ranks), 2))
    return Metric(cases, lambda total: score(np.atleast_2d(total)).reshape(total.shape[:-1]))


def _ece_metric(track: Array, y: Array, probability: Array, bins: int) -> Metric:
    gaps = _by_bin(track, probability_bins(probability, bins), y - probability)
    sums = np.column_stack([gaps, np.bincount(track)])
    return Metric(sums, lambda total: np.abs(total[..., :-1]).sum(axis=-1) / total[..., -1])


def _by_bin(track: Array, index: Array, values: Array, bins: int | None = None) -> Array:
    """Sums of values (n,) over each track's frames in each bin, (tracks, bins)."""
    width = bins or int(index.max()) + 1
    size = (int(track.max()) + 1) * width
    return np.bincount(track * width + index, values, minlength=size).reshape(-1, width)


def _true_dwell(evaluated: EvaluatedModel) -> DwellCounts | None:
    truth, names = evaluated.tracks.truth, evaluated.test.track_ids
    if truth is None:
        return None
    return interval_dwell(truth.promoter_state, names, *observed_span(evaluated.tracks, names))
