"""Baselines on tracks whose law is known: what they recover, what they may not see."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from contactlens.calibration.scores import gaussian_crps, gaussian_nll
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import HIDDEN, SignalView, boosted_trees
from contactlens.tracks.evaluation.baselines.boosted_trees import BoostedTrees
from contactlens.tracks.evaluation.baselines.constant import ConstantGaussian
from contactlens.tracks.evaluation.baselines.contact_filter import ContactFilter
from contactlens.tracks.evaluation.baselines.features import windowed_features
from contactlens.tracks.evaluation.baselines.frames import Frames
from contactlens.tracks.evaluation.config import BoostedTreesConfig, ContactFilterConfig, FeatureConfig

RADIUS, NOISE, FRAMES = 120.0, 0.5, 200
TAPS = np.array([0.0, 1.0, 3.0, 2.0, 1.0, 0.5])
FEATURES = FeatureConfig(lag_frames=[-1, 0, 1, 2, 3, 4, 5], window_frames=[3, 6], contact_quantiles=[0.1, 0.3])
TREES = BoostedTreesConfig(
    FEATURES,
    max_rows=8_000,
    folds=2,
    max_trees=60,
    max_leaves=[15],
    min_leaf_frames=[40],
    search_rows=4_000,
    learning_rate=0.15,
    patience=8,
)
FILTER = ContactFilterConfig(
    threshold_quantiles=[0.05, 0.1, 0.2, 0.3, 0.4, 0.6], filter_frames=8, ridge=[1e-4, 1e-2], sd_bins=8
)


def linear_tracks(seed: int, tracks: int, growing_noise: float = 0.0, missing: float = 0.1) -> TrackBatch:
    """MS2 = 1 + causal filter of (distance < RADIUS) + noise, already running when the tracks start."""
    rng = np.random.default_rng(seed)
    wander = lfilter([np.sqrt(1 - 0.7**2)], [1, -0.7], rng.normal(size=(tracks, 50 + FRAMES)))
    distance = 200 * np.exp(0.6 * wander)
    mean = 1 + lfilter(TAPS, [1.0], distance < RADIUS, axis=1)[:, 50:]
    distance = distance[:, 50:]
    signal = mean + (NOISE + growing_noise * mean) * rng.normal(size=mean.shape)
    observed = rng.random(mean.shape) >= missing
    return TrackBatch(
        driver=torch.tensor(distance * observed, dtype=torch.float32)[:, None],
        signal=torch.tensor(signal * observed, dtype=torch.float32),
        observed=torch.tensor(observed),
        track_ids=[f"t{i}" for i in range(tracks)],
        groups=["g"] * tracks,
        frame_interval_s=30.0,
    )


def nll(predicted: tuple[np.ndarray, np.ndarray], batch: TrackBatch) -> float:
    seen = batch.observed.numpy()
    return float(gaussian_nll(batch.signal.numpy(), *predicted)[seen].mean())


def with_signal(batch: TrackBatch, signal: torch.Tensor) -> TrackBatch:
    return replace(batch, signal=signal)


@pytest.fixture(scope="module")
def train() -> TrackBatch:
    return linear_tracks(0, 80)


@pytest.fixture(scope="module")
def validation() -> TrackBatch:
    return linear_tracks(1, 40)


@pytest.fixture(scope="module")
def held_out() -> TrackBatch:
    return linear_tracks(2, 40)


@pytest.fixture(scope="module")
def contact_filter(train: TrackBatch, validation: TrackBatch) -> ContactFilter:
    return ContactFilter.fit(train, validation, FILTER)


@pytest.fixture(scope="module")
def trees(train: TrackBatch, validation: TrackBatch) -> BoostedTrees:
    return BoostedTrees.fit(train, validation, TREES, seed=3, view=HIDDEN)


def test_constant_gaussian_has_the_reference_nll(train: TrackBatch):
    fitted = ConstantGaussian.fit(train)
    sd = train.signal[train.observed].double().std(correction=0).item()
    assert nll(fitted.predict(train), train) == pytest.approx(0.5 * np.log(2 * np.pi * np.e) + np.log(sd), abs=1e-5)


def test_filter_recovers_the_response():
    """With no frame missing and the true radius among the candidates, the taps are the truth."""
    train, validation = (linear_tracks(seed, 80, missing=0.0) for seed in (11, 12))
    quantile = float((train.driver < RADIUS).float().mean())
    config = replace(FILTER, threshold_quantiles=[quantile / 2, quantile, 2 * quantile])
    fitted = ContactFilter.fit(train, validation, config)
    assert fitted.threshold == pytest.approx(RADIUS, rel=0.01)
    np.testing.assert_allclose(fitted.taps, [*TAPS, 0, 0], atol=0.1)
    assert fitted.intercept == pytest.approx(1 + TAPS.sum() * fitted.occupancy, abs=0.05)
    # Not in every bin: what happened before a track's first frame is unknown and scatters, too.
    assert np.median(fitted.sd) == pytest.approx(NOISE, rel=0.1)


def test_filter_prefers_the_threshold_nearest_the_truth(contact_filter: ContactFilter, train: TrackBatch):
    candidates = np.quantile(train.driver[:, 0][train.observed].numpy(), FILTER.threshold_quantiles)
    assert contact_filter.threshold == pytest.approx(candidates[np.argmin(np.abs(candidates - RADIUS))], rel=1e-5)


def test_filter_is_causal(contact_filter: ContactFilter, held_out: TrackBatch):
    driver = held_out.driver.clone()
    driver[:, :, 100] = 10.0
    before, after = (contact_filter.predict(replace(held_out, driver=d))[0] for d in (held_out.driver, driver))
    np.testing.assert_array_equal(before[:, :100], after[:, :100])
    assert np.abs(before[:, 100:108] - after[:, 100:108]).max() > 1


def test_filter_knows_that_noise_grows_with_the_mean():
    train, validation, test = (linear_tracks(seed, 60, growing_noise=0.4) for seed in (5, 6, 7))
    fitted = ContactFilter.fit(train, validation, FILTER)
    assert fitted.sd[-1] > 2 * fitted.sd[0]
    constant = replace(fitted, sd=np.full_like(fitted.sd, np.sqrt(np.mean(fitted.sd**2))))
    assert nll(fitted.predict(test), test) < nll(constant.predict(test), test) - 0.02


def test_baselines_order_as_they_know(
    contact_filter: ContactFilter, trees: BoostedTrees, train: TrackBatch, held_out: TrackBatch
):
    constant = nll(ConstantGaussian.fit(train).predict(held_out), held_out)
    assert nll(contact_filter.predict(held_out), held_out) < constant - 0.3
    assert nll(trees.predict(held_out), held_out) < constant - 0.3


def test_trees_come_out_the_same_twice(
    trees: BoostedTrees, train: TrackBatch, validation: TrackBatch, held_out: TrackBatch
):
    again = BoostedTrees.fit(train, validation, TREES, seed=3, view=HIDDEN)
    for first, second in zip(trees.predict(held_out), again.predict(held_out), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(trees.distribution(held_out).weights, again.distribution(held_out).weights)


def test_trees_have_a_distribution_of_their_own(trees: BoostedTrees, held_out: TrackBatch):
    """Its mean and spread are about those of the Gaussian, which it is compared with in `test_leaf_distribution`."""
    form, seen = trees.distribution(held_out), held_out.observed.numpy()
    y, (mean, sd) = held_out.signal.numpy()[seen].astype(float), (grid[seen] for grid in trees.predict(held_out))
    assert form.weights.shape[0] == y.size
    assert np.corrcoef(form.mean, mean)[0, 1] > 0.9
    assert np.mean(form.sd) == pytest.approx(np.mean(sd), rel=0.15)
    assert form.crps(y).mean() < gaussian_crps(y, mean, sd).mean() + 0.02 * y.std()


def test_the_size_of_the_trees_is_searched_on_validation_tracks(train: TrackBatch, validation: TrackBatch):
    """Two leaves can't follow the response, and neither can a leaf of a third of the frames."""
    third = 8_000 // 3
    few = replace(TREES, max_leaves=[2, 15], min_leaf_frames=[third, 40], max_trees=40)
    fitted = BoostedTrees.fit(train, validation, few, seed=3, view=HIDDEN)
    assert fitted.size == (15, 40)


def test_without_a_limit_all_observed_frames_are_used(train: TrackBatch, validation: TrackBatch, monkeypatch):
    rows = []
    grow = boosted_trees._grow
    monkeypatch.setattr(boosted_trees, "_grow", lambda x, *rest: rows.append(len(x)) or grow(x, *rest))
    BoostedTrees.fit(train, validation, replace(TREES, max_rows=None, max_trees=2), seed=3, view=HIDDEN)
    assert rows[-1] == int(train.observed.sum()) and sum(rows[:2]) == rows[-1]


def test_trees_sd_is_calibrated_and_follows_the_noise():
    train, validation, test = (linear_tracks(seed, 60, growing_noise=0.4) for seed in (8, 9, 10))
    mean, sd = BoostedTrees.fit(train, validation, TREES, seed=0, view=HIDDEN).predict(test)
    seen = test.observed.numpy()
    z = ((test.signal.numpy() - mean) / sd)[seen]
    assert np.mean(z**2) == pytest.approx(1, abs=0.1)
    high = (mean > np.quantile(mean[seen], 0.8)) & seen
    low = (mean < np.quantile(mean[seen], 0.2)) & seen
    assert sd[high].mean() > 1.8 * sd[low].mean()


def test_predictions_do_not_read_the_signal(contact_filter: ContactFilter, trees: BoostedTrees, held_out: TrackBatch):
    silent = with_signal(held_out, torch.zeros_like(held_out.signal))
    for baseline in (contact_filter, trees):
        np.testing.assert_array_equal(baseline.predict(silent)[0], baseline.predict(held_out)[0])


def test_predictions_do_not_read_missing_frames(
    contact_filter: ContactFilter, trees: BoostedTrees, held_out: TrackBatch
):
    garbage = held_out.driver.masked_fill(~held_out.observed[:, None], 1e6)
    for baseline in (contact_filter, trees):
        spoilt = baseline.predict(replace(held_out, driver=garbage))
        np.testing.assert_array_equal(spoilt[0], baseline.predict(held_out)[0])


def test_trees_see_the_signal_within_the_radius_only(train: TrackBatch, validation: TrackBatch, held_out: TrackBatch):
    few = replace(TREES, max_trees=15)
    fitted = BoostedTrees.fit(train, validation, few, seed=0, view=SignalView(radius=RADIUS))
    outside = held_out.driver[:, -1] >= RADIUS
    hidden = with_signal(held_out, held_out.signal.masked_fill(outside, 1e3))
    np.testing.assert_array_equal(fitted.predict(hidden)[0], fitted.predict(held_out)[0])
    shown = with_signal(held_out, held_out.signal.masked_fill(~outside, 1e3))
    assert np.abs(fitted.predict(shown)[0] - fitted.predict(held_out)[0]).max() > 0.5


def test_features_are_what_loops_give():
    """Every column recomputed frame by frame with NumPy's nan functions."""
    rng = np.random.default_rng(4)
    distance = rng.uniform(50, 300, size=(2, 12))
    distance[0, 4], distance[1, :2] = np.nan, np.nan
    signal = rng.normal(size=distance.shape)
    frames = Frames(distance, signal, ~np.isnan(distance))
    config = FeatureConfig(lag_frames=[0, 2, -1], window_frames=[3], contact_quantiles=[])
    found = windowed_features(frames, config, np.array([150.0]), SignalView(radius=200.0)).reshape(2, 12, -1)
    for track in range(2):
        for t in range(12):
            expected = _features_by_hand(distance[track], signal[track], t)
            np.testing.assert_allclose(found[track, t], expected, rtol=1e-5, err_msg=f"track {track} frame {t}")


def _features_by_hand(distance: np.ndarray, signal: np.ndarray, t: int) -> list[float]:
    def at(frame: int) -> float:
        return distance[frame] if 0 <= frame < distance.size else np.nan

    def summary(function, values: np.ndarray) -> float:
        seen = values[~np.isnan(values)]
        return float(function(seen)) if seen.size else np.nan

    seen = np.where(distance < 200, signal, np.nan)
    past = [f for f in range(t, -1, -1) if not np.isnan(seen[f])]
    ahead = [f for f in range(t, distance.size) if not np.isnan(seen[f])]
    nearest = [value for found in (past, ahead) for value in _value_and_age(seen, found, t)]
    before, after = slice(max(0, t - 2), t + 1), slice(t + 1, t + 4)
    contact = np.where(np.isnan(distance), np.nan, distance < 150)
    means = [summary(np.mean, series[part]) for series in (distance, contact, seen) for part in (before, after)]
    minima = [summary(np.min, distance[part]) for part in (before, after)]
    return [at(t), at(t - 2), at(t + 1), seen[t], *nearest, *means, *minima]


def _value_and_age(seen: np.ndarray, found: list[int], t: int) -> tuple[float, float]:
    return (seen[found[0]], abs(t - found[0])) if found else (np.nan, np.nan)


def test_trees_see_of_a_hidden_signal_the_means_of_its_parts_alone():
    """Swapping values inside a part changes no column; moving them to another part changes its means."""
    rng = np.random.default_rng(9)
    distance, signal = rng.uniform(50, 300, size=(3, 20)), rng.normal(size=(3, 20))
    observed = np.ones_like(signal, dtype=bool)
    observed[1, :5] = False
    config = FeatureConfig(lag_frames=[], window_frames=[], contact_quantiles=[])

    def columns(values: np.ndarray) -> np.ndarray:
        found = windowed_features(Frames(distance, values, observed), config, np.array([]), SignalView(parts=4))
        return found.reshape(3, 20, 4)

    found = columns(signal)
    parts = (np.s_[5:10], np.s_[:5], np.s_[10:15], np.s_[:])  # a frame's own, the one before, the one after, all
    np.testing.assert_allclose(found[0, 7], [signal[0, part].mean() for part in parts], rtol=1e-5)
    assert np.isnan(found[1, 0, 0]) and np.isnan(found[0, 0, 1]) and np.isnan(found[0, -1, 2])
    np.testing.assert_allclose(columns(signal[:, [*range(4, -1, -1), *range(5, 20)]]), found, rtol=1e-4, atol=1e-6)
    assert np.nanmax(np.abs(columns(np.roll(signal, 5, axis=1))[0] - found[0])) > 0.1
