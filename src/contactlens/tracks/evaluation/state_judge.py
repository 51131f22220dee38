"""Tables of a decoded promoter against the truth, every number with its interval over resampled tracks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from contactlens.base.errors import InputError
from contactlens.calibration import ConfidenceInterval, Metric, interval, resample_counts
from contactlens.calibration.classification import probability_bins
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.evaluate import INTERVAL
from contactlens.tracks.evaluation.state_metrics import binned, state_metrics

Array = np.ndarray
ROC_POINTS = 200


@dataclass(frozen=True)
class StateEvaluateConfig:
    """bootstrap_replicates, confidence: of the percentile intervals over tracks.
    calibration_bins: bins of predicted probability, of the reliability diagram and of ECE.
    segment_bins: most bins of the distribution of segment lengths.
    """

    bootstrap_replicates: int
    confidence: float
    calibration_bins: int
    segment_bins: int

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"evaluate.confidence must lie between 0 and 1, got {self.confidence}")
        for name in ("bootstrap_replicates", "calibration_bins", "segment_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} must be at least 1, got {getattr(self, name)}")


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
        if np.unique(frames.seen(state)).size < 2:
            raise InputError(f"the promoter of the {split} split never switches; both states are needed to score them")
        return frames

    def seen(self, grid: Array) -> Array:
        """The observed frames of a grid (N, T), (n,) float64."""
        return grid[self.observed].astype(np.float64)


@dataclass(frozen=True)
class StateJudge:
    """The truth of the test split, and how often each resample draws each of its tracks (R, N)."""

    frames: StateFrames
    counts: Array
    config: StateEvaluateConfig

    @classmethod
    def of(cls, frames: StateFrames, config: StateEvaluateConfig, seed: int) -> "StateJudge":
        return cls(frames, resample_counts(frames.rows.size, config.bootstrap_replicates, seed), config)

    @cached_property
    def track(self) -> Array:
        return np.nonzero(self.frames.observed)[0]

    @cached_property
    def y(self) -> Array:
        return self.frames.seen(self.frames.state)

    def metrics(self, logit: Array, called: Array) -> dict[str, Metric]:
        hits = called[self.frames.observed]
        return state_metrics(self.track, self.y, logit, hits, self.config.calibration_bins)

    def interval(self, metric: Metric) -> ConfidenceInterval:
        """Percentile interval; resamples without a value (they drew one state) do not count."""
        return interval(metric, self.counts, self.config.confidence)

    def table(self, metrics: Mapping[str, Mapping[str, Metric]], what: str) -> pd.DataFrame:
        rows = [
            (model, name, *map(float, self.interval(metric)))
            for model, of_model in metrics.items()
            for name, metric in of_model.items()
        ]
        return pd.DataFrame(rows, columns=["model", what, *INTERVAL])

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
        observed = self.interval(binned(self.track, index, self.y))
        columns = {"model": name, "bin": predicted.index + 1, "predicted": predicted["mean"].to_numpy()}
        columns |= {"observed": observed.estimate, "low": observed.low, "high": observed.high}
        return pd.DataFrame({**columns, "count": predicted["size"].to_numpy()})

    def per_track(self, name: str, called: Array) -> pd.DataFrame:
        hits = self.frames.seen(called)
        frames = pd.DataFrame({"on_share": self.y, "called_share": hits, "accuracy": hits == self.y})
        means = frames.astype(np.float64).groupby(self.track).mean()
        means.insert(0, "frames", self.frames.observed.sum(axis=1))
        means.insert(0, "track_id", self.frames.track_ids)
        means.insert(0, "model", name)
        return means
