"""What a model says of every frame: one interface for whatever head, recalibration or ensemble stands behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contactlens.base.errors import InputError
from contactlens.calibration.scores import Predictive
from contactlens.tracks.training.predictive import spread_parts

Array = np.ndarray
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class PredictedSignal:
    """The predictive distribution of the signal at n frames, and what its spread is made of.

    form: mean, sd, quantiles, cdf in the signal's unit
    aleatoric, epistemic: (n,) standard deviations in that unit; the squares of both add up to that of `form.sd`.
        One network can't tell how unsure it is of itself: without an ensemble, epistemic is NaN and aleatoric is all.
        Of an ensemble they are the mean of its members' variances and the variance between their means.
    """

    form: Predictive
    aleatoric: Array
    epistemic: Array

    @classmethod
    def of(cls, form: Predictive, before: Predictive) -> "PredictedSignal":
        """before: the prediction before it was recalibrated, `form` itself where it was not."""
        parts = spread_parts(form, before)
        return cls(form, *((form.sd, np.full_like(form.sd, np.nan)) if parts is None else parts))

    def columns(self, levels: Sequence[float] = LEVELS) -> dict[str, Array]:
        """mean, sd, a quantile for each level (q05, ...), aleatoric, epistemic."""
        quantiles = {quantile_name(level): self.form.quantile(level) for level in levels}
        parts = {"aleatoric": self.aleatoric, "epistemic": self.epistemic}
        return {"mean": self.form.mean, "sd": self.form.sd, **quantiles, **parts}


@dataclass(frozen=True)
class PredictedState:
    """Whether the promoter is on, at n frames.

    p_on: (n,) probability; on: (n,) bool, the decoded state
    epistemic: (n,) standard deviation of p_on between the networks of an ensemble; NaN for one network
    """

    p_on: Array
    on: Array
    epistemic: Array

    @classmethod
    def of_one_network(cls, p_on: Array, on: Array) -> "PredictedState":
        return cls(p_on, on, np.full_like(p_on, np.nan))

    def columns(self) -> dict[str, Array]:
        """p_on, on, aleatoric (the state's standard deviation, sqrt(p (1 - p))), epistemic."""
        return {
            "p_on": self.p_on,
            "on": self.on,
            "aleatoric": np.sqrt(self.p_on * (1 - self.p_on)),
            "epistemic": self.epistemic,
        }


def quantile_name(level: float) -> str:
    """Column of a quantile: 0.05 as q05, 0.975 as q97.5. InputError for what is no level."""
    if not 0 < level < 1:
        raise InputError(f"quantile levels lie between 0 and 1, got {level}")
    percent = f"{100 * level:.4f}".rstrip("0").rstrip(".")
    return f"q{percent.zfill(2) if '.' not in percent else percent}"


def on_intervals(frames: pd.DataFrame, frame_interval_s: float) -> pd.DataFrame:
    """Stretches of one decoded state: track_id, on, start_s, end_s, frames, p_on (mean), cut.

    frames: track_id, frame, time_s, on, p_on, as predicted. A stretch ends half an interval after its last frame, and
    at a missing frame; `cut` says whether its start or its end was not seen, so that it lasted at least as long.
    """
    track = frames["track_id"].to_numpy()
    frame, on = frames["frame"].to_numpy(), frames["on"].to_numpy()
    same_track = np.append(False, track[1:] == track[:-1])
    joined = same_track & np.append(False, np.diff(frame) == 1)
    switched = joined & np.append(False, on[1:] != on[:-1])
    number = np.cumsum(~joined | switched)
    grouped = frames.groupby(number, sort=False)
    table = grouped.agg(
        track_id=("track_id", "first"),
        on=("on", "first"),
        start_s=("time_s", "first"),
        end_s=("time_s", "last"),
        frames=("frame", "size"),
        p_on=("p_on", "mean"),
    )
    starts = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
    seen_start = switched[starts]
    seen_end = np.append(switched[starts[1:]], False)
    half = frame_interval_s / 2
    table["start_s"] -= half
    table["end_s"] += half
    return table.assign(cut=~(seen_start & seen_end)).reset_index(drop=True)
