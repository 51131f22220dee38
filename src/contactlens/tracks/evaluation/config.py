"""Settings of the evaluation: one class per kind of target, and all of them together."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from contactlens.base.settings import Field, NonNegativeFloat, OpenUnit, PositiveFloat, PositiveInt, settings
from contactlens.calibration import RecalibrationConfig
from contactlens.tracks.evaluation.baselines import BaselineConfig, StateBaselineConfig
from contactlens.tracks.evaluation.baselines.deconvolution import DeconvolutionConfig
from contactlens.tracks.evaluation.ceiling import CeilingConfig
from contactlens.tracks.simulation.reporter import Reporter


@settings
class SignalEvaluationConfig:
    """bootstrap_replicates, confidence: of the percentile intervals over tracks.
    coverage_levels: central bands whose coverage is reported.
    reliability_levels: equally spaced quantile levels of the reliability diagram and of MACE.
    pit_bins, ence_bins: bins of the PIT histogram, and of predicted variance for ENCE.
    """

    bootstrap_replicates: PositiveInt
    confidence: OpenUnit
    coverage_levels: list[OpenUnit]
    reliability_levels: PositiveInt
    pit_bins: PositiveInt
    ence_bins: PositiveInt
    recalibration: RecalibrationConfig
    ceiling: CeilingConfig = CeilingConfig()


@settings
class StateEvaluationConfig:
    """bootstrap_replicates, confidence: of the percentile intervals over tracks.
    calibration_bins: bins of predicted probability, of the reliability diagram and of ECE.
    segment_bins: most bins of the distribution of segment lengths.
    """

    bootstrap_replicates: PositiveInt
    confidence: OpenUnit
    calibration_bins: PositiveInt
    segment_bins: PositiveInt


@settings
class LoadingEvaluationConfig:
    """tolerance_frames: tolerances, the main one first
    max_lag_frames, lag_step_frames: delays that are tried on the validation split, both ways
    bootstrap_replicates, confidence: of the intervals, by track
    """

    tolerance_frames: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0, 0.5, 2.0)
    max_lag_frames: NonNegativeFloat = 2.0
    lag_step_frames: PositiveFloat = 0.25
    bootstrap_replicates: PositiveInt = 1000
    confidence: OpenUnit = 0.95

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
