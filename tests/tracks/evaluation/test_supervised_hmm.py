"""HMMs of known states against the model that drew them, and against all paths summed by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import comparable_baselines
from contactlens.tracks.evaluation.baselines.compound_em import CompoundModel
from contactlens.tracks.evaluation.baselines.compound_hmm import CompoundHmm
from contactlens.tracks.evaluation.baselines.frames import Frames
from contactlens.tracks.evaluation.baselines.memory_kernel import MemoryKernel
from contactlens.tracks.evaluation.baselines.supervised_hmm import DriverSwitching, InputOutputHmm, supervised_hmm
from contactlens.tracks.models.tasks import task_named

KERNEL = MemoryKernel(np.array([4.0, 10.0, 7.0]), np.array([2.0, 8.0, 6.0]), 20.0)
NEAR, FAR, P_OFF = 0.35, 0.01, 0.2
TRUTH = CompoundModel(KERNEL, 0.1, P_OFF, 0.2, 1.0, 0.3, 6.0, 0.4)


def switching(distance: np.ndarray) -> np.ndarray:
    """Chance to switch on within the step that ends at each frame."""
    return np.where(distance < 100, NEAR, FAR)


def tracks(n: int, frames: int, seed: int) -> TrackBatch:
    """Distances that stay for some frames, a promoter that they switch on, and its signal, one frame of ten missing."""
    rng = np.random.default_rng(seed)
    distance = np.repeat(rng.uniform(20, 400, size=(n, frames // 5 + 1)), 5, axis=1)[:, :frames]
    state = np.zeros((n, frames))
    for t in range(1, frames):
        chance = np.where(state[:, t - 1] == 1, 1 - P_OFF, switching(distance[:, t]))
        state[:, t] = rng.random(n) < chance
    history = np.pad(state, ((0, 0), (len(KERNEL.mean) - 1, 0)))
    mean, square = (
        np.stack([np.convolve(track, weights, "valid") for track in history])
        for weights in (KERNEL.mean, KERNEL.square)
    )
    sd = np.sqrt(TRUTH.noise_variance + TRUTH.loading_variance * square)
    signal = TRUTH.background + TRUTH.rate * mean + sd * rng.normal(size=mean.shape)
    observed = rng.random(signal.shape) < 0.9
    return TrackBatch(
        driver=torch.tensor((distance * observed)[:, None]),
        signal=torch.tensor(signal * observed),
        observed=torch.tensor(observed),
        track_ids=[f"t{i}" for i in range(n)],
        groups=["g"] * n,
        frame_interval_s=20.0,
        state=torch.tensor(state, dtype=torch.float32),
    )


@pytest.fixture(scope="module")
def train() -> TrackBatch:
    return tracks(150, 120, seed=0)


@pytest.fixture(scope="module")
def hmm(train: TrackBatch) -> CompoundHmm:
    return supervised_hmm(train, KERNEL)


def test_rates_and_levels_are_those_that_drew_the_tracks(hmm: CompoundHmm, train: TrackBatch) -> None:
    model, state = hmm.model, train.state.numpy() > 0.5
    off = ~state[:, 1:-1]  # the steps after the first two frames, which the first compound state remembers
    assert model.p_off == pytest.approx(P_OFF, rel=0.05)
    assert model.p_on == pytest.approx((off & state[:, 2:]).sum() / off.sum(), rel=0.05)
    for name, tolerance in (("rate", 0.03), ("noise_variance", 0.05), ("loading_variance", 0.15)):
        assert getattr(model, name) == pytest.approx(getattr(TRUTH, name), rel=tolerance), name
    assert model.background == pytest.approx(TRUTH.background, abs=0.1)


def test_the_chance_to_switch_on_is_found_at_each_distance(train: TrackBatch) -> None:
    """Within an interval of equal distances, where the frames around tell the same."""
    fitted = DriverSwitching.fit(train)
    held_out = tracks(60, 120, seed=1)
    frames, state = Frames.of(held_out), held_out.state.numpy() > 0.5
    chance = fitted(frames)
    was_off = np.pad(~state[:, :-1], ((0, 0), (1, 0))) & frames.observed
    was_off[:, 0] = False
    for near in (True, False):
        at = was_off & ((frames.distance < 100) == near)
        assert chance[at].mean() == pytest.approx(state[at].mean(), abs=0.03)
    assert chance[was_off & (frames.distance < 80)].mean() > 5 * chance[was_off & (frames.distance > 150)].mean()
    assert np.isfinite(chance).all()


def test_decoding_with_a_chance_of_each_frame_is_the_sum_over_all_paths(hmm: CompoundHmm, train: TrackBatch) -> None:
    few = tracks(2, 7, seed=2)
    found = InputOutputHmm.of(hmm, train)
    chance, model = found.switching_on(few), hmm.model
    assert chance is not None
    posterior = found.posterior(few, seed=0)
    for track in range(2):
        on, up, total = np.zeros(7), np.zeros(6), 0.0
        for path in product((0, 1), repeat=9):
            weight = model.first_on if path[0] else 1 - model.first_on
            for step in range(1, 9):
                p_on = model.p_on if step < 3 else chance[track, step - 2]
                moved = (
                    (1 - model.p_off, model.p_off)[path[step] == 0] if path[step - 1] else (1 - p_on, p_on)[path[step]]
                )
                weight *= moved
            for t in np.flatnonzero(few.observed[track]):
                recent = np.array(path[t : t + 3])[::-1]
                sd = np.sqrt(model.noise_variance + model.loading_variance * recent @ KERNEL.square)
                weight *= norm.pdf(
                    float(few.signal[track, t]), model.background + model.rate * recent @ KERNEL.mean, sd
                )
            total += weight
            on += weight * np.array(path[2:])
            up += weight * (np.diff(path[2:]) == 1)
        np.testing.assert_allclose(found.probability(few)[track], on / total, rtol=1e-8)
        np.testing.assert_allclose(posterior.up[track], up / total, rtol=1e-8)


def test_the_driver_helps_to_decode_about_as_much_as_the_true_chances_would(
    hmm: CompoundHmm, train: TrackBatch
) -> None:
    test = tracks(60, 120, seed=3)
    frames, y = Frames.of(test), test.state.numpy()[test.observed.numpy()]
    distance = np.where(frames.observed, frames.distance, 250.0)  # a frame that was missed tells little
    best = CompoundHmm(TRUTH, ()).decode(frames.signal, frames.observed, switching(distance))
    decoded = (hmm.probability(test), InputOutputHmm.of(hmm, train).probability(test), best)
    alone, both, most = (roc_auc_score(y, one[frames.observed]) for one in decoded)
    assert most > alone + 0.005
    assert both > alone + 0.8 * (most - alone)


def test_they_are_compared_where_the_task_sees_as_much() -> None:
    names = ["supervised_hmm_recalibrated", "input_output_hmm_recalibrated"]
    for task, expected in (("epms2_to_states", names), ("ms2_to_states", names[:1]), ("ep_to_states", [])):
        assert list(comparable_baselines(task_named(task), names)) == expected


def test_bad_input_is_refused(train: TrackBatch) -> None:
    with pytest.raises(InputError, match="known"):
        supervised_hmm(replace(train, state=None), KERNEL)
    with pytest.raises(InputError, match="more than 3 frames"):
        supervised_hmm(tracks(4, 3, seed=0), KERNEL)
    with pytest.raises(InputError, match="switches on"):
        DriverSwitching.fit(replace(train, state=torch.zeros_like(train.signal)))
