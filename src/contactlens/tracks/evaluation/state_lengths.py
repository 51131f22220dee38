"""Segments of the decoded states beside those of the truth: lengths, dwell times and rates of every model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from contactlens.calibration import Metric, difference
from contactlens.tracks.evaluation.state_judge import StateJudge
from contactlens.tracks.evaluation.state_segments import (
    STATES,
    DwellCounts,
    dwell_metrics,
    frame_dwell,
    length_distance,
    length_edges,
    length_metric,
    segments,
    survival_metric,
)

Array = np.ndarray
TRUTH = "truth"
EXACT = "truth_exact"


@dataclass(frozen=True)
class StateLengths:
    """Segments of the truth and of each model (`segments`, by name)."""

    judge: StateJudge
    found: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, judge: StateJudge, states: Mapping[str, Array]) -> "StateLengths":
        return cls(judge, {name: segments(state, judge.frames.observed) for name, state in states.items()})

    @property
    def n_tracks(self) -> int:
        return self.judge.frames.rows.size

    @cached_property
    def longest(self) -> int:
        return max(int(found["frames"].max()) for found in self.found.values())

    @cached_property
    def survival(self) -> dict[tuple[str, str], Metric]:
        return {
            (name, state): survival_metric(found, self.n_tracks, code, self.longest)
            for name, found in self.found.items()
            for code, state in enumerate(STATES)
        }

    def distribution(self) -> pd.DataFrame:
        """model, state, left_s, right_s, density (1/s), low, high."""
        dt = self.judge.frames.frame_interval_s
        edges = length_edges(self.longest, self.judge.config.segment_bins)
        sides_s = (edges - 0.5) * dt  # a segment of n frames lasted n frames on average, give or take one
        tables = []
        for (name, state), survival in self.survival.items():
            density = self.judge.interval(length_metric(survival, edges, dt))
            columns = {"model": name, "state": state, "left_s": sides_s[:-1], "right_s": sides_s[1:]}
            columns |= {"density": density.estimate, "low": density.low, "high": density.high}
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)

    def dwell(self, exact: DwellCounts | None) -> dict[str, dict[str, Metric]]:
        """`dwell_metrics` of the truth, of each model beside it, and of the true switching times where given."""
        dt = self.judge.frames.frame_interval_s
        metrics = {name: dwell_metrics(frame_dwell(found, self.n_tracks, dt)) for name, found in self.found.items()}
        truth = metrics[TRUTH]
        for name in (name for name in self.found if name != TRUTH):
            own = metrics[name]
            distances = {
                f"length_distance_{state}": length_distance(self.survival[name, state], self.survival[TRUTH, state])
                for state in STATES
            }
            metrics[name] = own | {f"{key}_minus_{TRUTH}": difference(own[key], truth[key]) for key in own} | distances
        if exact is not None:
            rows = self.judge.frames.rows
            metrics[EXACT] = dwell_metrics(exact._replace(time_s=exact.time_s[rows], ends=exact.ends[rows]))
        return metrics
