"""Decoded promoter states beside the truth on the test split: the network, its baselines, and each recalibrated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.calibration import Metric, difference
from contactlens.calibration.classification import Platt, logit_of
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.evaluate import NETWORK, RECALIBRATED
from contactlens.tracks.evaluation.state_judge import StateEvaluateConfig, StateFrames, StateJudge
from contactlens.tracks.evaluation.state_lengths import TRUTH, StateLengths
from contactlens.tracks.evaluation.state_metrics import best_threshold
from contactlens.tracks.evaluation.state_segments import DwellCounts

Array = np.ndarray
COMPARED = ("balanced_accuracy", "auroc", "auprc", "f1", "nll", "brier")


class StatePredictions(NamedTuple):
    """A model's P(on) of the split that calibrates it and of the split that judges it, (N, T) each."""

    calibration: Array
    test: Array


class Decoder(NamedTuple):
    """What the calibration split decides of a model: from which P(on) a frame is called on, and its recalibration."""

    threshold: float
    recalibration: Platt

    @classmethod
    def fit(cls, frames: StateFrames, probability: Array) -> "Decoder":
        """The threshold of the largest balanced accuracy on the observed frames; probability (N, T)."""
        y, seen = frames.seen(frames.state), frames.seen(probability)
        return cls(best_threshold(y, seen), Platt.fit(y, logit_of(seen)))

    def called(self, probability: Array) -> Array:
        """The decoded state, bool in the shape of `probability`."""
        return probability >= self.threshold


@dataclass(frozen=True)
class StateEvaluation:
    """metrics: model, metric, estimate, low, high. Difference rows of the network are named `auroc_minus_<baseline>`.
    roc: model, threshold, fpr, tpr; at most 200 points, the first calls nothing on and has threshold infinity.
    reliability: model, bin, predicted, observed, low, high, count; bins of equal counts of predicted probability.
    segments: model (`truth` among them), state, left_s, right_s, density (1/s), low, high.
    dwell: model, quantity, estimate, low, high; `truth` holds the true state of each frame, `truth_exact` the true
        switching times where they are given. Rows of a model named `k_on_per_s_minus_truth` are its difference from
        `truth`; `length_distance_on` is the largest difference between its distribution of lengths and that of `truth`.
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


def evaluate_states(
    calibration: TrackBatch,
    test: TrackBatch,
    models: Mapping[str, StatePredictions],
    config: StateEvaluateConfig,
    seed: int,
    exact: DwellCounts | None = None,
) -> StateEvaluation:
    """Score every model, as it is and recalibrated (`<model>_recalibrated`), on the observed test frames.

    models: by name, `network` among them; the others are its baselines. All share one set of resampled tracks. Frames
    are called on from the model's threshold on the calibration split, and recalibration leaves these calls.
    exact: dwell of the test tracks from their true switching times (`interval_dwell`), in the order of the tracks.

    Raises InputError where the true state is not known, or the observed frames of a split are all in one.
    """
    judge = StateJudge.of(StateFrames.of(test, "test"), config, seed)
    frames, fitted = judge.frames, StateFrames.of(calibration, "calibration")
    decoders = {name: Decoder.fit(fitted, model.calibration[fitted.rows]) for name, model in models.items()}
    probability = {name: model.test[frames.rows] for name, model in models.items()}
    called = {name: decoders[name].called(grid) for name, grid in probability.items()}
    logits: dict[str, Array] = {}
    for name, grid in probability.items():
        raw = logit_of(frames.seen(grid))
        logits |= {name: raw, name + RECALIBRATED: decoders[name].recalibration(raw)}
    metrics = {form: judge.metrics(logits[form], called[form.removesuffix(RECALIBRATED)]) for form in logits}
    for baseline in (name for name in models if name != NETWORK):
        for suffix in ("", RECALIBRATED):
            metrics[NETWORK + suffix] |= _differences(metrics[NETWORK + suffix], metrics, baseline + suffix)
    lengths = StateLengths.of(judge, {TRUTH: frames.state > 0.5, **called})
    return StateEvaluation(
        metrics=judge.table(metrics, "metric"),
        roc=pd.concat([judge.roc(name, logits[name]) for name in models], ignore_index=True),
        reliability=pd.concat(
            [judge.reliability(name, logits[name]) for name in (NETWORK, NETWORK + RECALIBRATED)], ignore_index=True
        ),
        segments=lengths.distribution(),
        dwell=judge.table(lengths.dwell(exact), "quantity"),
        per_track=pd.concat([judge.per_track(name, values) for name, values in called.items()], ignore_index=True),
        decoders=decoders,
    )


def decoded_frames(test: TrackBatch, probability: Array, decoder: Decoder) -> pd.DataFrame:
    """One row per observed test frame, track after track: state (truth), p_on (recalibrated), on (decoded).

    probability: (N, T) a model's P(on)
    """
    frames = StateFrames.of(test, "test")
    seen = frames.seen(probability[frames.rows])
    p_on = expit(decoder.recalibration(logit_of(seen)))
    return pd.DataFrame({"state": frames.seen(frames.state) > 0.5, "p_on": p_on, "on": decoder.called(seen)})


def _differences(
    own: Mapping[str, Metric], metrics: Mapping[str, Mapping[str, Metric]], baseline: str
) -> dict[str, Metric]:
    return {f"{score}_minus_{baseline}": difference(own[score], metrics[baseline][score]) for score in COMPARED}
