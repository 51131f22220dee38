"""Settings of the evaluation: of the baselines, of each kind of target, and all of them together.

Imports nothing heavy, so that reading params stays quick.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from contactlens.base.settings import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    OpenUnit,
    PositiveFloat,
    PositiveInt,
    settings,
)
from contactlens.calibration.config import RecalibrationConfig
from contactlens.tracks.simulation.reporter import Reporter


@settings
class FeatureConfig:
    """lag_frames: offsets at which the distance itself is read, positive into the past, negative into the
    future.
    window_frames: lengths of the windows before (with the present frame) and after each frame.
    contact_quantiles: quantiles of the driver below which a frame counts as contact.
    """

    lag_frames: list[int]
    window_frames: list[PositiveInt]
    contact_quantiles: list[OpenUnit]


@settings
class ContactFilterConfig:
    """threshold_quantiles: candidate thresholds as quantiles of the driver, each in (0, 1).
    filter_frames: taps of the filter, the present frame among them.
    ridge: candidate penalties, relative to the mean square of a tap's input.
    sd_bins: equal-count bins of predicted mean in which the residual's sd is measured.
    """

    threshold_quantiles: Annotated[list[OpenUnit], Field(min_length=1)]
    filter_frames: PositiveInt
    ridge: Annotated[list[NonNegativeFloat], Field(min_length=1)]
    sd_bins: PositiveInt


LeafCount = Annotated[int, Field(ge=2)]


@settings
class BoostedTreesConfig:
    """max_rows: frames drawn for training (and as many for early stopping); null: all, as the network has them.
    folds: the mean is the average of this many ensembles, each of which left out one fold of the tracks.
    max_trees: of an ensemble.
    learning_rate: share of each tree that counts.
    max_leaves, min_leaf_frames: sizes of a tree that are tried against each other.
    search_rows: frames drawn to try them.
    patience: trees without a gain on validation tracks before an ensemble stops.
    """

    features: FeatureConfig
    max_rows: PositiveInt | None
    folds: Annotated[int, Field(ge=2)]
    max_trees: PositiveInt
    max_leaves: Annotated[list[LeafCount], Field(min_length=1)]
    min_leaf_frames: Annotated[list[PositiveInt], Field(min_length=1)]
    search_rows: PositiveInt
    learning_rate: PositiveFloat
    patience: PositiveInt


@settings
class BaselineConfig:
    contact_filter: ContactFilterConfig
    boosted_trees: BoostedTreesConfig


@settings
class ContactStateConfig:
    """inverse_penalties: candidates for scikit-learn's C, of which validation tracks choose one.
    max_rows: frames drawn from each split.
    """

    features: FeatureConfig
    inverse_penalties: Annotated[list[PositiveFloat], Field(min_length=1)]
    max_rows: PositiveInt


@settings
class CompoundHmmConfig:
    """restarts: starting points of EM, of which the likeliest fit is kept.
    max_iterations: of EM from each.
    tolerance: gain in nats per observed frame below which EM stops.
    max_tracks: tracks drawn for the fit.
    """

    restarts: PositiveInt
    max_iterations: PositiveInt
    tolerance: PositiveFloat
    max_tracks: PositiveInt


@settings
class StateBaselineConfig:
    contact_state: ContactStateConfig
    compound_hmm: CompoundHmmConfig


@settings
class DeconvolutionConfig:
    """penalties: candidate L1 penalties, in units of one polymerase's signal
    max_per_bin: most polymerases in a bin; none where null
    iterations: of the accelerated projected gradient
    held_out_share: share of the validation frames that are hidden to choose the penalty
    gate_frames: frames around a bin whose mean loading decides whether the gated deconvolution keeps the bin's
    gate_candidates: thresholds of that mean that are tried
    """

    penalties: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    max_per_bin: PositiveFloat | None = 1.0
    iterations: PositiveInt = 300
    held_out_share: OpenUnit = 0.1
    gate_frames: PositiveInt = 2
    gate_candidates: PositiveInt = 50


@settings
class CeilingConfig:
    """tracks: test tracks, evenly from all, that the ceiling is computed on; 0: none, and no ceiling.
    samples: draws of the signal of each.
    """

    tracks: NonNegativeInt = 40
    samples: PositiveInt = 500


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
