"""Lag profiles of attributions, compared with the true response."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contactlens.attribution.lag import acausal_share, correlation, lag_sums, mean_lag, peak
from contactlens.calibration.bootstrap import (
    ConfidenceInterval,
    percentile_interval,
    ratio,
    ratio_interval,
    resampled_ratio,
)
from contactlens.tracks.explanation.config import INTEGRATED
from contactlens.tracks.explanation.explainer import RANDOM, Explainer
from contactlens.tracks.explanation.truth import TRUE_KERNEL, Response

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class LagSums:
    """Weighted sums of one method's attributions per track and lag, (P, L) each; lags (L,) in seconds."""

    attribution: Floats
    weight: Floats
    lags: Floats

    @classmethod
    def of(
        cls, explainer: Explainer, scores: Tensor, weight: Tensor, lag_max_s: float, frame_interval_s: float
    ) -> "LagSums":
        max_lag = round(lag_max_s / frame_interval_s)
        frames = explainer.frames.cpu().numpy()
        tracks = zip(
            scores.double().cpu().numpy(),
            weight.double().cpu().numpy(),
            explainer.observed.cpu().numpy(),
            strict=True,
        )
        sums = [lag_sums(track, frames, weights, valid, max_lag) for track, weights, valid in tracks]
        attribution, weights = (np.stack(part) for part in zip(*sums, strict=True))
        lags = frame_interval_s * np.arange(-max_lag, max_lag + 1, dtype=np.float64)
        return cls(attribution, weights, lags)

    def profile(self, draws: Floats, level: float) -> ConfidenceInterval:
        return ratio_interval(self.attribution, self.weight, draws, level)

    def summary(self, measure: Callable[[Floats], Floats], draws: Floats, level: float) -> ConfidenceInterval:
        """`measure` of the mean profile, with its interval; lags without any weight count as 0."""
        pooled = np.nan_to_num(ratio(self.attribution.sum(axis=0), self.weight.sum(axis=0)))
        replicates = np.nan_to_num(resampled_ratio(self.attribution, self.weight, draws))
        return percentile_interval(measure(pooled), measure(replicates), level)


def profile_rows(method: str, output: str, lags: Floats, profile: ConfidenceInterval, scale: float) -> Rows:
    return [
        {
            "method": method,
            "output": output,
            "lag_s": lag,
            "attribution": profile.estimate[i] / scale,
            "low": profile.low[i] / scale,
            "high": profile.high[i] / scale,
            "peak": scale,
        }
        for i, lag in enumerate(lags.tolist())
    ]


def metric_row(method: str, output: str, metric: str, value: ConfidenceInterval) -> dict[str, Any]:
    return {
        "method": method,
        "output": output,
        "metric": metric,
        "estimate": float(value.estimate),
        "low": float(value.low),
        "high": float(value.high),
    }


def lag_profiles(
    explainer: Explainer,
    output: str,
    attributions: dict[str, Tensor],
    *,
    lag_max_s: float,
    frame_interval_s: float,
    response: Response | None,
    draws: Floats,
    level: float,
) -> tuple[Rows, Rows]:
    """Rows of lag_profile.csv and of faithfulness.csv for one output.

    attributions: (P, F, C, T) by method, the random control after the method that it shuffles
    Every profile is divided by its peak; the control by that of integrated gradients. The control's correlation with
    the response need not be 0: frames of a row that holds a response have larger attributions to shuffle, and all are
    weighted alike. A measure that a profile does not have (a mean lag without a positive part) is left out.
    """
    rows: Rows = []
    metrics: Rows = []
    scales: dict[str, float] = {}
    for method, values in attributions.items():
        scores = explainer.frame_scores(method, values, explainer.profile_channels)
        sums = LagSums.of(explainer, scores, explainer.contact, lag_max_s, frame_interval_s)
        profile = sums.profile(draws, level)
        scales[method] = float(np.nanmax(np.abs(profile.estimate))) or 1.0
        scale = scales[INTEGRATED if method == RANDOM else method]
        rows += profile_rows(method, output, sums.lags, profile, scale)
        measures = _measures(sums.lags, response)
        summaries = {name: sums.summary(measure, draws, level) for name, measure in measures.items()}
        metrics += [
            metric_row(method, output, name, value) for name, value in summaries.items() if not np.isnan(value.estimate)
        ]
        if response is not None:
            every = LagSums.of(explainer, scores, torch.ones_like(explainer.contact), lag_max_s, frame_interval_s)
            unweighted = every.summary(measures["lag_correlation"], draws, level)
            metrics.append(metric_row(method, output, "lag_correlation_all_frames", unweighted))
    if response is not None:
        truth = response.at(sums.lags)
        rows += profile_rows(TRUE_KERNEL, output, sums.lags, ConfidenceInterval(truth, truth, truth), 1.0)
        for name in ("lag_peak_s", "lag_mean_s"):
            value = measures[name](truth)
            metrics.append(metric_row(TRUE_KERNEL, output, name, ConfidenceInterval(value, value, value)))
    return rows, metrics


def _measures(lags: Floats, response: Response | None) -> dict[str, Callable[[Floats], Floats]]:
    measures: dict[str, Callable[[Floats], Floats]] = {
        "lag_peak_s": lambda profile: peak(profile, lags),
        "lag_mean_s": lambda profile: mean_lag(profile, lags),
        "acausal_share": lambda profile: acausal_share(profile, lags),
    }
    if response is not None:
        truth = response.at(lags)
        measures["lag_correlation"] = lambda profile: correlation(profile, truth)
    return measures
