"""The compound-state HMM against all paths summed by hand, and against promoters whose rates are known."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import compound_em
from contactlens.tracks.evaluation.baselines.compound_em import CompoundModel
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm
from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel, memory_kernel
from contactlens.tracks.evaluation.config import CompoundHmmConfig
from contactlens.tracks.simulation.ms2 import signal_of
from contactlens.tracks.simulation.promoter import load_polymerases, poisson_events, switch

CONFIG = CompoundHmmConfig(restarts=1, max_iterations=100, tolerance=1e-6, max_tracks=200)
SHORT = memory_kernel(ramp_s=20.0, dwell_s=60.0, frame_interval_s=20.0)
TRUTH = CompoundModel(
    SHORT,
    p_on=0.06,
    p_off=0.2,
    first_on=0.06 / 0.26,
    background=1.0,
    rate=0.2,
    noise_variance=2.0,
    loading_variance=0.05,
)


def draw(model: CompoundModel, tracks: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """State and signal (tracks, frames) of the model, step by step."""
    rng = np.random.default_rng(seed)
    memory = len(model.kernel.mean)
    state = np.zeros((tracks, frames + memory - 1))
    state[:, 0] = rng.random(tracks) < model.first_on
    for t in range(1, state.shape[1]):
        on = np.where(state[:, t - 1] == 1, 1 - model.p_off, model.p_on)
        state[:, t] = rng.random(tracks) < on
    mean, square = (
        np.stack([np.convolve(track, weights, "valid") for track in state])
        for weights in (model.kernel.mean, model.kernel.square)
    )
    sd = np.sqrt(model.noise_variance + model.loading_variance * square)
    return state[:, memory - 1 :], model.background + model.rate * mean + sd * rng.normal(size=mean.shape)


def every_path(model: CompoundModel, signal: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, float]:
    """P(on) per frame and log-likelihood of one track, by the sum over all histories of the promoter."""
    weights = path_weights(model, signal, observed)
    likelihood = sum(weights.values())
    on = sum(weight * np.array(path) for path, weight in weights.items())
    return on / likelihood, float(np.log(likelihood))


def path_weights(model: CompoundModel, signal: np.ndarray, observed: np.ndarray) -> dict[tuple[int, ...], float]:
    """Probability, up to a factor, of each path over the frames of one track."""
    memory, weights = len(model.kernel.mean), {}
    step = {(0, 0): 1 - model.p_on, (0, 1): model.p_on, (1, 0): model.p_off, (1, 1): 1 - model.p_off}
    for path in product((0, 1), repeat=len(signal) + memory - 1):
        probability = model.first_on if path[0] else 1 - model.first_on
        for pair in pairwise(path):
            probability *= step[pair]
        for t in np.flatnonzero(observed):
            recent = np.array(path[t : t + memory])[::-1]
            sd = np.sqrt(model.noise_variance + model.loading_variance * recent @ model.kernel.square)
            probability *= norm.pdf(signal[t], model.background + model.rate * recent @ model.kernel.mean, sd)
        weights[path[memory - 1 :]] = weights.get(path[memory - 1 :], 0.0) + probability
    return weights


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State, signal and mask of observed frames, nine of ten."""
    state, signal = draw(TRUTH, tracks=120, frames=150, seed=1)
    observed = np.random.default_rng(2).random(signal.shape) < 0.9
    return state, signal * observed, observed


@pytest.fixture(scope="module")
def fitted(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> CompoundHmm:
    return CompoundHmm.fit(*drawn[1:], SHORT, CONFIG, seed=0)


def test_decoding_is_the_sum_over_all_paths():
    kernel = MemoryKernel(np.array([4.0, 10.0, 7.0]), np.array([2.0, 8.0, 6.0]), 10.0)
    model = replace(TRUTH, kernel=kernel, p_on=0.3, first_on=0.1)
    signal = draw(model, tracks=3, frames=7, seed=3)[1]
    observed = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0]], dtype=bool)
    hmm = CompoundHmm(model, ())
    probability, log_likelihood = hmm.decode(signal, observed), hmm.log_likelihood(signal, observed)
    for track in range(3):
        expected, nats = every_path(model, signal[track], observed[track])
        np.testing.assert_allclose(probability[track], expected, rtol=1e-9)
        assert log_likelihood[track] == pytest.approx(nats, abs=1e-9)


def test_paths_are_those_of_the_sum_over_all_histories():
    """Expected switches, and how often each path of six frames is drawn."""
    kernel = MemoryKernel(np.array([4.0, 10.0, 7.0]), np.array([2.0, 8.0, 6.0]), 10.0)
    model = replace(TRUTH, kernel=kernel, p_on=0.3, first_on=0.1)
    signal = draw(model, tracks=1, frames=6, seed=3)[1]
    observed = np.array([[1, 1, 0, 1, 1, 1]], dtype=bool)
    weights = path_weights(model, signal[0], observed[0])
    up, down = (
        sum(weight * (np.diff(path) == way) for path, weight in weights.items()) / sum(weights.values())
        for way in (1, -1)
    )
    many = 20_000
    batch = TrackBatch(
        driver=torch.zeros(many, 1, 6),
        signal=torch.tensor(np.tile(signal, (many, 1))),
        observed=torch.tensor(np.tile(observed, (many, 1))),
        track_ids=[str(i) for i in range(many)],
        groups=["g"] * many,
        frame_interval_s=10.0,
    )
    found = CompoundHmm(model, ()).posterior(batch, seed=1)
    np.testing.assert_allclose(found.up[0], up, rtol=1e-9)
    np.testing.assert_allclose(found.down[0], down, rtol=1e-9)
    np.testing.assert_allclose(found.on, CompoundHmm(model, ()).probability(batch), rtol=1e-9)
    drawn = found.path @ (1 << np.arange(6))
    for path, weight in weights.items():
        share = (drawn == np.array(path) @ (1 << np.arange(6))).mean()
        assert share == pytest.approx(weight / sum(weights.values()), abs=0.015), path


def test_likelihood_never_falls(fitted: CompoundHmm):
    assert len(fitted.history) > 5
    assert np.diff(fitted.history).min() > -1e-6


def test_fit_recovers_what_drew_the_tracks(fitted: CompoundHmm, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    model = fitted.model
    for name, tolerance in (("p_on", 0.1), ("p_off", 0.1), ("rate", 0.05), ("noise_variance", 0.1)):
        assert getattr(model, name) == pytest.approx(getattr(TRUTH, name), rel=tolerance), name
    assert model.background == pytest.approx(TRUTH.background, abs=0.1)
    assert model.loading_variance == pytest.approx(TRUTH.loading_variance, abs=0.03)
    assert fitted.log_likelihood(*drawn[1:]).sum() >= CompoundHmm(TRUTH, ()).log_likelihood(*drawn[1:]).sum()


def test_probabilities_mean_what_they_say(fitted: CompoundHmm, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    state, signal, observed = drawn
    probability = fitted.decode(signal, observed)
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 0.95), (0.95, 1.0)):
        inside = (probability >= low) & (probability <= high)
        assert state[inside].mean() == pytest.approx(probability[inside].mean(), abs=0.05)


@pytest.mark.parametrize(("loading_per_s", "tolerance"), [(2.0, 0.1), (0.2, 0.4)])
def test_rates_of_a_promoter_in_continuous_time(loading_per_s: float, tolerance: float):
    """Polymerases loaded one by one in bursts of 5 min. Where they are few, their noise is taken for switching."""
    rng, tracks, frames, interval_s, ramp_s, dwell_s = np.random.default_rng(4), 100, 200, 30.0, 20.0, 90.0
    k_on, k_off = 1 / 600, 1 / 300
    candidates = poisson_events(k_on, tracks, -6000.0, frames * interval_s, rng)
    bursts = switch(candidates, np.ones(candidates.time_s.size, dtype=bool), k_off, tracks, rng)
    loading = load_polymerases(bursts, loading_per_s, frames * interval_s, rng)
    signal = signal_of(loading, tracks, frames, interval_s, ramp_s, dwell_s) + rng.normal(size=(tracks, frames))
    kernel = memory_kernel(ramp_s, dwell_s, interval_s)
    hmm = CompoundHmm.fit(signal, np.ones(signal.shape, dtype=bool), kernel, CONFIG, seed=0)
    assert hmm.k_on_per_s == pytest.approx(k_on, rel=tolerance)
    assert hmm.k_off_per_s == pytest.approx(k_off, rel=tolerance)
    assert hmm.model.rate == pytest.approx(loading_per_s, rel=0.05)


def test_fitted_parameters_decode_as_well_as_the_true_ones():
    """20 s frames, on a fifth of the time, switching faster than the memory: the signal itself ranks states poorly."""
    kernel = memory_kernel(ramp_s=28.0, dwell_s=140.0, frame_interval_s=20.0)
    truth = replace(TRUTH, kernel=kernel, p_on=0.085, p_off=0.34, first_on=0.2, rate=0.17, noise_variance=9.0)
    state, signal = draw(truth, tracks=60, frames=120, seed=5)
    observed = np.ones(signal.shape, dtype=bool)
    config = replace(CONFIG, max_iterations=25, tolerance=1e-5, max_tracks=15)
    fitted = CompoundHmm.fit(signal, observed, kernel, config, seed=0)
    y, raw = state.ravel(), roc_auc_score(state.ravel(), signal.ravel())
    found, best = (hmm.decode(signal, observed).ravel() for hmm in (fitted, CompoundHmm(truth, ())))
    assert raw < 0.75
    assert roc_auc_score(y, found) > 0.95
    for score in (roc_auc_score, average_precision_score):
        assert score(y, found) == pytest.approx(score(y, best), abs=0.01)
    assert f1_score(y, found > 0.5) == pytest.approx(f1_score(y, best > 0.5), abs=0.03)


def test_unobserved_frames_are_not_read(fitted: CompoundHmm, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, signal, observed = drawn
    spoilt = np.where(observed, signal, 1e6)
    np.testing.assert_array_equal(fitted.decode(spoilt, observed), fitted.decode(signal, observed))


def test_padding_behind_a_track_changes_nothing(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, signal, observed = drawn
    padded = [np.pad(values, ((0, 0), (0, 40))) for values in (signal, observed)]
    config = replace(CONFIG, max_iterations=5)
    short, long = (CompoundHmm.fit(*data, SHORT, config, seed=0) for data in ((signal, observed), padded))
    np.testing.assert_allclose(long.history, short.history, rtol=1e-9)
    np.testing.assert_allclose(long.decode(*padded)[:, :150], short.decode(signal, observed), atol=1e-6)


def test_chunks_of_tracks_are_invisible(
    fitted: CompoundHmm, drawn: tuple[np.ndarray, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    whole = fitted.decode(*drawn[1:])
    monkeypatch.setattr(compound_em, "CHUNK", 7 * drawn[1].shape[1] * 16)
    np.testing.assert_allclose(fitted.decode(*drawn[1:]), whole, atol=1e-12)


def test_an_outlier_does_not_break_the_track(fitted: CompoundHmm, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, signal, observed = (values[:1].copy() for values in drawn)
    signal[0, 70], observed[0, 70] = 1e6, True
    probability = fitted.decode(signal, observed)
    assert np.isfinite(probability).all()
    far = np.r_[0:40, 100:150]
    np.testing.assert_allclose(probability[0, far], fitted.decode(*(v[:1] for v in drawn[1:]))[0, far], atol=1e-3)


def test_same_seed_same_fit(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    config = replace(CONFIG, restarts=2, max_iterations=5, max_tracks=30)
    first, second = (CompoundHmm.fit(*drawn[1:], SHORT, config, seed=9) for _ in range(2))
    assert first.history == second.history
    assert first.model.rate == second.model.rate


def test_restarts_keep_the_likeliest(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    config = replace(CONFIG, max_iterations=2, max_tracks=30)
    one, four = (CompoundHmm.fit(*drawn[1:], SHORT, replace(config, restarts=n), seed=9).history[-1] for n in (1, 4))
    assert four > one


def test_bad_input_is_refused(fitted: CompoundHmm, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, signal, observed = drawn
    with pytest.raises(InputError, match="varies"):
        CompoundHmm.fit(np.ones_like(signal), observed, SHORT, CONFIG, seed=0)
    with pytest.raises(InputError, match="varies"):
        CompoundHmm.fit(signal, np.zeros_like(observed), SHORT, CONFIG, seed=0)
    with pytest.raises(InputError, match="compound states"):
        CompoundHmm.fit(signal, observed, memory_kernel(28.0, 400.0, 20.0), CONFIG, seed=0)
    with pytest.raises(InputError, match="tolerance"):
        replace(CONFIG, tolerance=0.0)
    batch = TrackBatch(
        driver=torch.zeros(len(signal), 1, signal.shape[1]),
        signal=torch.tensor(signal),
        observed=torch.tensor(observed),
        track_ids=[f"t{i}" for i in range(len(signal))],
        groups=["g"] * len(signal),
        frame_interval_s=20.0,
    )
    np.testing.assert_array_equal(fitted.probability(batch), fitted.decode(signal, observed))
    with pytest.raises(InputError, match="not of 30"):
        fitted.probability(replace(batch, frame_interval_s=30.0))
