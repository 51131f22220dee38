"""Logistic regression on the driver, on promoters that are on while contact was recent; and all baselines together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines import fit_state_baselines
from contactlens.tracks.evaluation.baselines.contact_state import ContactState
from contactlens.tracks.evaluation.baselines.memory_kernel import memory_kernel
from contactlens.tracks.evaluation.config import (
    CompoundHmmConfig,
    ContactStateConfig,
    FeatureConfig,
    StateBaselineConfig,
)

RADIUS = 120.0
CONFIG = ContactStateConfig(
    FeatureConfig(lag_frames=[0, 1, 2, 3], window_frames=[4, 8], contact_quantiles=[0.1, 0.2]),
    inverse_penalties=[1e-4, 1e-2, 1.0],
    max_rows=5_000,
)


def contact_states(seed: int, tracks: int = 60, frames: int = 120) -> tuple[TrackBatch, np.ndarray]:
    """Tracks whose promoter is on with a probability that rises with the contacts of the last four frames, which is
    returned beside them (N, T); MS2 is the state's moving sum."""
    rng = np.random.default_rng(seed)
    wander = lfilter([np.sqrt(1 - 0.7**2)], [1, -0.7], rng.normal(size=(tracks, 20 + frames)))
    distance = 200 * np.exp(0.6 * wander)
    recent = lfilter(np.ones(4), [1.0], distance < RADIUS, axis=1)
    probability = expit(-4 + 2 * recent)
    state = (rng.random(recent.shape) < probability).astype(np.float64)
    signal = lfilter(np.full(4, 5.0), [1.0], state, axis=1) + rng.normal(size=state.shape)
    observed = rng.random((tracks, frames)) < 0.95
    distance, signal, state, probability = (part[:, 20:] for part in (distance, signal, state, probability))
    batch = TrackBatch(
        driver=torch.tensor(distance * observed, dtype=torch.float32)[:, None],
        signal=torch.tensor(signal * observed, dtype=torch.float32),
        observed=torch.tensor(observed),
        track_ids=[f"t{i}" for i in range(tracks)],
        groups=["g"] * tracks,
        frame_interval_s=30.0,
        state=torch.tensor(state, dtype=torch.float32),
    )
    return batch, probability


@pytest.fixture(scope="module")
def train() -> TrackBatch:
    return contact_states(0)[0]


@pytest.fixture(scope="module")
def validation() -> TrackBatch:
    return contact_states(1)[0]


@pytest.fixture(scope="module")
def fitted(train: TrackBatch, validation: TrackBatch) -> ContactState:
    return ContactState.fit(train, validation, CONFIG, seed=0)


def test_ranks_frames_nearly_as_the_law_that_drew_them(fitted: ContactState):
    batch, truth = contact_states(2, tracks=100)
    assert batch.state is not None
    seen, state = batch.observed.numpy(), batch.state.numpy()
    found = fitted.probability(batch)
    assert roc_auc_score(state[seen], found[seen]) > roc_auc_score(state[seen], truth[seen]) - 0.02
    assert found[seen].mean() == pytest.approx(state[seen].mean(), abs=0.02)
    assert np.abs(found - truth)[seen].mean() < 0.06


def test_neither_signal_nor_missing_frames_are_read(fitted: ContactState, validation: TrackBatch):
    spoilt = replace(
        validation,
        driver=validation.driver.masked_fill(~validation.observed[:, None], 1e6),
        signal=torch.zeros_like(validation.signal),
    )
    np.testing.assert_array_equal(fitted.probability(spoilt), fitted.probability(validation))


def test_validation_tracks_choose_the_penalty(train: TrackBatch):
    """Where the validation states are the opposite of what train teaches, the strongest penalty is the best."""
    assert train.state is not None
    flipped = replace(train, state=1 - train.state)
    same, opposite = (ContactState.fit(train, batch, CONFIG, seed=0).logistic[-1].C for batch in (train, flipped))
    assert opposite == 1e-4
    assert same > 1e-4


def test_same_seed_same_fit(fitted: ContactState, train: TrackBatch, validation: TrackBatch):
    again = ContactState.fit(train, validation, CONFIG, seed=0)
    np.testing.assert_array_equal(again.probability(validation), fitted.probability(validation))


def test_bad_input_is_refused(train: TrackBatch, validation: TrackBatch):
    with pytest.raises(InputError, match="known"):
        ContactState.fit(replace(train, state=None), validation, CONFIG, seed=0)
    with pytest.raises(InputError, match="both states"):
        ContactState.fit(train, replace(validation, state=torch.zeros_like(validation.signal)), CONFIG, seed=0)
    with pytest.raises(InputError, match="inverse_penalties"):
        replace(CONFIG, inverse_penalties=[])
    with pytest.raises(InputError, match="max_rows"):
        replace(CONFIG, max_rows=0)


def test_every_baseline_gives_a_probability_for_every_frame(train: TrackBatch, validation: TrackBatch):
    hmm = CompoundHmmConfig(restarts=1, max_iterations=5, tolerance=1e-5, max_tracks=30)
    kernel = memory_kernel(ramp_s=30.0, dwell_s=120.0, frame_interval_s=30.0)
    baselines = fit_state_baselines(train, validation, StateBaselineConfig(CONFIG, hmm), kernel, seed=0)
    assert list(baselines) == [
        "contact_logistic",
        "ms2_threshold",
        "compound_hmm",
        "supervised_hmm",
        "input_output_hmm",
    ]
    assert validation.state is not None
    for name, baseline in baselines.items():
        probability = baseline.probability(validation)
        assert probability.shape == validation.signal.shape
        assert ((probability >= 0) & (probability <= 1)).all()
        assert roc_auc_score(validation.state.numpy().ravel(), probability.ravel()) > 0.6, name
    with pytest.raises(InputError, match="known"):
        fit_state_baselines(replace(train, state=None), validation, StateBaselineConfig(CONFIG, hmm), kernel, seed=0)
