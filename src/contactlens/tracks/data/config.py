"""Settings of the checks and of the split; imports nothing heavy, so that reading params stays quick."""

from dataclasses import fields
from typing import Annotated

import numpy as np

from contactlens.base.settings import ClosedUnit, Field, NonNegativeFloat, PositiveFloat, PositiveInt, rule, settings

JITTER = 0.2  # of a frame: how far a time may lie from its frame before the grid is doubted


LARGEST_RATIO = 30.0


@settings
class CheckLimits:
    """What is plausible in the data at hand. The defaults are those of params.yaml.

    max_distance_nm: longest E-P distance (vector and distance drivers)
    min_median_distance_nm: what the median distance of at least half of the tracks exceeds
    max_scale_ratio: how many times smaller the median distance of a group may be than that of the middle group
    max_zero_distance_fraction: share of frames whose distance may be exactly 0
    max_missing_fraction: share of frames between its ends that may be missing, in at least half of the tracks
    driver_range: lowest and highest value of a scalar driver, in its unit; None for no limit
    signal_range: lowest and highest signal, in its unit; None for no limit
    min_frames_per_track: fewest observed frames of a track
    max_time_jitter_fraction: how far, in frames, a time may lie from its frame's place on the grid
    distance_tolerance_nm: how far the distance may differ from the norm of the vector
    max_dead_fraction: share of tracks whose signal may be constant throughout
    max_saturated_fraction: share of frames whose signal may equal the largest of the data set
    """

    max_distance_nm: PositiveFloat = 5000.0
    driver_range: tuple[float, float] | None = None
    signal_range: tuple[float, float] | None = None
    min_frames_per_track: PositiveInt = 50
    max_time_jitter_fraction: NonNegativeFloat = JITTER
    distance_tolerance_nm: NonNegativeFloat = 0.1
    max_dead_fraction: ClosedUnit = 0.2
    max_saturated_fraction: ClosedUnit = 0.01
    min_median_distance_nm: NonNegativeFloat = 5.0
    max_scale_ratio: Annotated[float, Field(ge=1)] = LARGEST_RATIO
    max_zero_distance_fraction: ClosedUnit = 0.01
    max_missing_fraction: ClosedUnit = 0.8


SPLITS = ("train", "validation", "calibration", "test")


@settings
class SplitConfig:
    """Fractions of the groups (of the tracks, where a set has no more than one group) in each split.

    train: for training
    validation: for what is chosen: the epoch, the trial
    calibration: for recalibration alone
    test: for the scores
    """

    train: float
    validation: float
    calibration: float
    test: float

    @rule
    def _fractions_sum_to_one(self) -> None:
        shares = [getattr(self, f.name) for f in fields(self)]
        if min(shares) <= 0 or not np.isclose(sum(shares), 1.0):
            raise ValueError(f"the four fractions must be positive and sum to 1, got {shares}")
