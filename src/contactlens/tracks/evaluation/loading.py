"""How well found loading times agree with the true ones: one-to-one matches within a tolerance, against controls.

A found time is right where a true one lies within the tolerance and is not taken by another found time. The controls
have as many times as the network on each track: drawn uniformly (`rate_matched_random`), or the network's own, turned
around the track by a random time (`circular_shift`), which keeps their bursts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from contactlens.calibration.bootstrap import Metric, Resamples, difference
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.promoter_truth import observed_span
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.evaluation.baselines.deconvolution import Deconvolution
from contactlens.tracks.evaluation.baselines.gated_deconvolution import GatedDeconvolution
from contactlens.tracks.evaluation.config import EvaluationConfig, LoadingEvaluationConfig
from contactlens.tracks.evaluation.signal import evaluate_signal
from contactlens.tracks.evaluation.table import NETWORK, TRUTH, EvaluatedModel, TaskEvaluation, interval_table
from contactlens.tracks.models.tasks import model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.promoter import Events

ONE = 0.5  # posterior probability above which a bin holds a polymerase
LEAST_TURN = 0.1  # of a track: a smaller turn would leave the control nearly aligned
SCORES = ("precision", "recall", "f1")
Ints = NDArray[np.int64]


def evaluate_loading(evaluated: EvaluatedModel, config: EvaluationConfig, seed: int) -> TaskEvaluation:
    """See `evaluate_task`: the reconstruction, and where loading times are known, how well the latents agree with them
    beside a deconvolution, the same gated, and both controls."""
    reconstruction = evaluate_signal(evaluated, config, seed)
    if evaluated.tracks.truth is None:
        return reconstruction
    validation, test = _loading_times(evaluated, config, seed)
    alignment = score_loading(validation, test, evaluated.test.frame_interval_s, config.loading, seed, evaluated.groups)
    tables = {f"loading_{name}": getattr(alignment, name) for name in LoadingAlignment.TABLES if name != "metrics"}
    names = evaluated.test.track_ids
    tables["loading_events"] = event_table(test, names, observed_span(evaluated.tracks, names)[0])
    return replace(
        reconstruction,
        metrics=pd.concat([reconstruction.metrics, alignment.metrics], ignore_index=True),
        tables={**reconstruction.tables, **tables},
    )


class LoadingTimes(NamedTuple):
    """true: loading times of the tracks, s after each one's frame 0; found: those of each model, by its name
    duration_s: (N,) time of each track's last frame; times outside [0, duration] don't count."""

    true: Events
    found: Mapping[str, Events]
    duration_s: NDArray[np.float64]

    @classmethod
    def of(cls, track_set: TrackSet, batch: TrackBatch, found: Mapping[str, Events]) -> "LoadingTimes":
        """Raises ValueError where the track set has no truth."""
        true, duration_s = true_loading(track_set, batch.track_ids)
        return cls(true, found, duration_s)


@dataclass(frozen=True)
class LoadingAlignment:
    """metrics: model, metric, estimate, low, high. Metrics are `f1_within_30s`, precision and recall alike, and for the
    network `<metric>_minus_<other model>`.
    per_track: model, track, true, found, matched (within the main tolerance).
    lags: model, lag_s, f1 on the validation split within the main tolerance.
    lag_s: by model, the smallest delay with the highest f1 there, by which its test times were moved. It is known to
        about the tolerance.
    """

    metrics: pd.DataFrame
    per_track: pd.DataFrame
    lags: pd.DataFrame
    lag_s: dict[str, float]

    TABLES = ("metrics", "per_track", "lags")


def true_loading(track_set: TrackSet, track_ids: Sequence[str]) -> tuple[Events, NDArray[np.float64]]:
    """Loading times of the named tracks, in s after each one's frame 0, and the time (N,) of each one's last frame.

    Raises ValueError where the track set has no truth.
    """
    if track_set.truth is None:
        raise ValueError("these tracks have no true loading times")
    start, end = observed_span(track_set, track_ids)
    table = track_set.truth.pol2_loading
    track = pd.Index(track_ids).get_indexer(pd.Index(table["track_id"]))
    kept = track >= 0
    time = table["time_s"].to_numpy(dtype=np.float64)[kept] - start[track[kept]]
    return _within(Events(track[kept], time), end - start), end - start


def matched(found: Events, true: Events, tolerance_s: float, n_tracks: int) -> Ints:
    """(n_tracks,) largest number of one-to-one matches no further apart than the tolerance.

    Both are sorted by track and time. Taking the earliest pair that fits is optimal, as all tolerances are equal; all
    tracks walk along their times together.
    """
    rows = np.arange(n_tracks)
    i, j = (np.searchsorted(events.track, rows) for events in (found, true))
    i_end, j_end = (np.searchsorted(events.track, rows, side="right") for events in (found, true))
    matches = np.zeros(n_tracks, dtype=np.int64)
    while (alive := rows[(i < i_end) & (j < j_end)]).size:
        late = found.time_s[i[alive]] - true.time_s[j[alive]]
        hit = np.abs(late) <= tolerance_s
        matches[alive] += hit
        i[alive] += hit | (late < 0)
        j[alive] += hit | (late > 0)
    return matches


def rate_matched_random(events: Events, duration_s: NDArray[np.float64], rng: np.random.Generator) -> Events:
    """As many times on each track, uniform over it."""
    return _sorted(Events(events.track, rng.uniform(0, duration_s[events.track])))


def circular_shift(events: Events, duration_s: NDArray[np.float64], rng: np.random.Generator) -> Events:
    """Each track's times turned around the track by a random time."""
    turn = rng.uniform(LEAST_TURN, 1 - LEAST_TURN, size=duration_s.size) * duration_s
    return _sorted(Events(events.track, (events.time_s + turn[events.track]) % duration_s[events.track]))


def score_loading(
    validation: LoadingTimes,
    test: LoadingTimes,
    frame_interval_s: float,
    config: LoadingEvaluationConfig,
    seed: int,
    groups: Sequence[str] | None = None,
) -> LoadingAlignment:
    """Score the network, the other models and the controls on the test tracks.

    Every model's times, those of `network` among them, are first moved by the delay that fits best on the validation
    tracks. All share one set of resampled tracks.
    """
    lags = _lag_table(validation, frame_interval_s, config)
    best = lags.loc[lags.groupby("model", sort=False)["f1"].idxmax()]
    lag_s = dict(zip(best["model"], best["lag_s"].astype(float), strict=True))
    found = {name: _moved(events, lag_s[name], test.duration_s) for name, events in test.found.items()}
    rng = np.random.default_rng(seed)
    for control in (rate_matched_random, circular_shift):
        found[control.__name__] = control(found[NETWORK], test.duration_s, rng)
    counts = {
        tolerance: {name: _counts(events, test, tolerance * frame_interval_s) for name, events in found.items()}
        for tolerance in config.tolerance_frames
    }
    metrics: dict[str, dict[str, Metric]] = {name: {} for name in found}
    for tolerance, tables in counts.items():
        for name, table in tables.items():
            metrics[name] |= _scores(table, f"within_{tolerance * frame_interval_s:g}s")
    for other in (name for name in found if name != NETWORK):
        metrics[NETWORK] |= {
            f"{score}_minus_{other}": difference(metrics[NETWORK][score], metric)
            for score, metric in metrics[other].items()
        }
    resamples = Resamples.draw(test.duration_s.size, config.bootstrap_replicates, config.confidence, seed, groups)
    return LoadingAlignment(
        metrics=interval_table(metrics, resamples),
        per_track=_per_track(counts[config.tolerance_frames[0]]),
        lags=lags,
        lag_s=lag_s,
    )


def event_table(times: LoadingTimes, track_ids: Sequence[str], start_s: NDArray[np.float64]) -> pd.DataFrame:
    """model (`truth` first), track_id, time_s on the clock of the track set, to the millisecond.

    start_s: (N,) time of each track's frame 0, from which `times` count
    """
    names = np.asarray(track_ids, dtype=object)
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "track_id": names[events.track],
                "time_s": (start_s[events.track] + events.time_s).round(3),
            }
        )
        for model, events in {TRUTH: times.true, **times.found}.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _loading_times(evaluated: EvaluatedModel, config: EvaluationConfig, seed: int) -> tuple[LoadingTimes, LoadingTimes]:
    """True and found loading times of the validation and of the test split."""
    validation, test = evaluated.batches["validation"], evaluated.test
    grid = evaluated.model.grid
    known = LoadingTimes.of(evaluated.tracks, validation, {})
    tolerance_s = config.loading.tolerance_frames[0] * validation.frame_interval_s

    def f1(events: Events) -> float:
        inside = _within(events, known.duration_s)
        return float(_f1(_counts(inside, known, tolerance_s).sum(axis=0)))

    baselines: dict[str, Deconvolution | GatedDeconvolution] = {
        "deconvolution": Deconvolution.fit(validation, grid, config.deconvolution, seed),
        "deconvolution_gated": GatedDeconvolution.fit(validation, grid, config.deconvolution, f1),
    }

    def times(batch: TrackBatch) -> LoadingTimes:
        found = {NETWORK: placed(evaluated.model, batch, evaluated.batch_size)}
        found |= {name: one.events(batch) for name, one in baselines.items()}
        return LoadingTimes.of(evaluated.tracks, batch, found)

    return times(validation), times(test)


@torch.no_grad()
def placed(model: TrackModel, batch: TrackBatch, batch_size: int) -> Events:
    """Times of the bins whose latent is more likely one than none."""
    x = model_input(model.task, batch)
    rows = torch.arange(len(batch)).split(batch_size)
    latent = torch.cat([model.latent(x[i], batch.observed[i]) for i in rows])
    return model.grid.place((latent > ONE).double().numpy())


def loading_f1(
    model: TrackModel,
    tracks: TrackSet,
    validation: TrackBatch,
    test: TrackBatch,
    batch_size: int,
    config: LoadingEvaluationConfig,
) -> float:
    """F1 of a model's latents on the test tracks within the main tolerance, as `score_loading` has it.

    Raises ValueError where the track set has no truth.
    """
    on_validation, on_test = (
        LoadingTimes.of(tracks, batch, {NETWORK: placed(model, batch, batch_size)}) for batch in (validation, test)
    )
    lags = _lag_table(on_validation, test.frame_interval_s, config)
    best = lags["lag_s"].to_numpy(dtype=np.float64)[int(lags["f1"].to_numpy().argmax())]
    moved = _moved(on_test.found[NETWORK], float(best), on_test.duration_s)
    return float(_f1(_counts(moved, on_test, config.tolerance_frames[0] * test.frame_interval_s).sum(axis=0)))


def _lag_table(validation: LoadingTimes, frame_interval_s: float, config: LoadingEvaluationConfig) -> pd.DataFrame:
    tolerance_s = config.tolerance_frames[0] * frame_interval_s
    rows = [
        (name, lag * frame_interval_s, _f1(_counts(moved, validation, tolerance_s).sum(axis=0)))
        for name, events in validation.found.items()
        for lag in config.lags
        for moved in [_moved(events, lag * frame_interval_s, validation.duration_s)]
    ]
    return pd.DataFrame(rows, columns=["model", "lag_s", "f1"])


def _counts(found: Events, times: LoadingTimes, tolerance_s: float) -> NDArray[np.float64]:
    """(N, 3) of each track: matches, found, true."""
    N = times.duration_s.size
    sizes = [np.bincount(events.track, minlength=N) for events in (found, times.true)]
    return np.stack([matched(found, times.true, tolerance_s, N), *sizes], axis=1).astype(np.float64)


def _f1(total: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * total[..., 0] / np.maximum(total[..., 1] + total[..., 2], 1)


def _scores(counts: NDArray[np.float64], suffix: str) -> dict[str, Metric]:
    """Precision, recall and F1 of all tracks' times together; 0 where there is nothing to count."""
    values = (
        lambda total: total[..., 0] / np.maximum(total[..., 1], 1),
        lambda total: total[..., 0] / np.maximum(total[..., 2], 1),
        _f1,
    )
    return {f"{score}_{suffix}": Metric(counts, value) for score, value in zip(SCORES, values, strict=True)}


def _per_track(counts: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    tables = {
        name: pd.DataFrame(table.astype(np.int64), columns=["matched", "found", "true"]).rename_axis("track")
        for name, table in counts.items()
    }
    return pd.concat(tables, names=["model"]).reset_index()[["model", "track", "true", "found", "matched"]]


def _moved(events: Events, lag_s: float, duration_s: NDArray[np.float64]) -> Events:
    return _within(Events(events.track, events.time_s + lag_s), duration_s)


def _within(events: Events, duration_s: NDArray[np.float64]) -> Events:
    return _sorted(events.keep((events.time_s >= 0) & (events.time_s <= duration_s[events.track])))


def _sorted(events: Events) -> Events:
    order = np.lexsort((events.time_s, events.track))
    return Events(events.track[order], events.time_s[order])
