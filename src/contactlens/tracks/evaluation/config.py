"""Settings of the evaluation: one class per kind of target, and all of them together."""

from dataclasses import dataclass

import numpy as np

from contactlens.calibration import RecalibrationConfig
from contactlens.tracks.evaluation.baselines import BaselineConfig, StateBaselineConfig
from contactlens.tracks.evaluation.baselines.deconvolution import DeconvolutionConfig
from contactlens.tracks.simulation.reporter import Reporter


@dataclass(frozen=True)
class SignalEvaluationConfig:
    """bootstrap_replicates, confidence: of the percentile intervals over tracks.
    coverage_levels: central bands whose coverage is reported.
    reliability_levels: equally spaced quantile levels of the reliability diagram and of MACE.
    pit_bins, ence_bins: bins of the PIT histogram, and of predicted variance for ENCE.
    """

    bootstrap_replicates: int
    confidence: float
    coverage_levels: list[float]
    reliability_levels: int
    pit_bins: int
    ence_bins: int
    recalibration: RecalibrationConfig

    def __post_init__(self) -> None:
        if not all(0 < level < 1 for level in (self.confidence, *self.coverage_levels)):
            raise ValueError("evaluate: confidence and coverage_levels must lie between 0 and 1")
        for name in ("bootstrap_replicates", "reliability_levels", "pit_bins", "ence_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class StateEvaluationConfig:
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


@dataclass(frozen=True)
class LoadingEvaluationConfig:
    """tolerance_frames: tolerances, the main one first
    max_lag_frames, lag_step_frames: delays that are tried on the validation split, both ways
    bootstrap_replicates, confidence: of the intervals, by track
    """

    tolerance_frames: tuple[float, ...] = (1.0, 0.5, 2.0)
    max_lag_frames: float = 2.0
    lag_step_frames: float = 0.25
    bootstrap_replicates: int = 1000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not self.tolerance_frames or min(self.tolerance_frames) <= 0:
            raise ValueError("alignment.tolerance_frames must be one or more positive numbers")
        if self.max_lag_frames < 0 or self.lag_step_frames <= 0:
            raise ValueError("alignment.max_lag_frames must not be negative, lag_step_frames must be positive")
        if self.bootstrap_replicates < 1 or not 0 < self.confidence < 1:
            raise ValueError("alignment: needs bootstrap_replicates of at least 1 and confidence in (0, 1)")

    @property
    def lags(self) -> list[float]:
        """Delays to try, in frames, from none outwards: of equal ones the smallest is taken."""
        steps = np.arange(1, int(self.max_lag_frames / self.lag_step_frames) + 1) * self.lag_step_frames
        return sorted([0.0, *steps, *-steps], key=abs)


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of every kind of target, of which a task uses its own; reporter: what decoders of MS2 assume."""

    baselines: BaselineConfig
    signal: SignalEvaluationConfig
    state_baselines: StateBaselineConfig
    states: StateEvaluationConfig
    deconvolution: DeconvolutionConfig
    loading: LoadingEvaluationConfig
    reporter: Reporter
