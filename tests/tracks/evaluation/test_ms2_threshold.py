"""The MS2 threshold against thresholds tried by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from contactlens.base.errors import InputError
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.evaluation.baselines.ms2_threshold import Ms2Threshold


def noisy_states(seed: int, tracks: int = 20, frames: int = 60) -> TrackBatch:
    """On a quarter of the time; MS2 of mean 1,000 a.u. off and 1,600 a.u. on, sd 300 a.u.; a tenth missing."""
    rng = np.random.default_rng(seed)
    state = (rng.random((tracks, frames)) < 0.25).astype(np.float32)
    observed = rng.random(state.shape) < 0.9
    signal = (1000 + 600 * state + 300 * rng.normal(size=state.shape)) * observed
    return TrackBatch(
        driver=torch.zeros(tracks, 1, frames),
        signal=torch.tensor(signal, dtype=torch.float32),
        observed=torch.tensor(observed),
        track_ids=[f"t{i}" for i in range(tracks)],
        groups=["g"] * tracks,
        frame_interval_s=30.0,
        state=torch.tensor(state),
    )


@pytest.fixture(scope="module")
def batch() -> TrackBatch:
    return noisy_states(0)


@pytest.fixture(scope="module")
def arrays(batch: TrackBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert batch.state is not None
    return batch.signal.numpy(), batch.state.numpy(), batch.observed.numpy()


@pytest.fixture(scope="module")
def fitted(arrays: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Ms2Threshold:
    return Ms2Threshold.fit(*arrays)


def test_no_threshold_does_better(
    fitted: Ms2Threshold, batch: TrackBatch, arrays: tuple[np.ndarray, np.ndarray, np.ndarray]
):
    signal, state, seen = arrays
    reached = balanced_accuracy_score(state[seen], fitted.states(batch)[seen])
    others = [
        balanced_accuracy_score(state[seen], signal[seen] >= threshold) for threshold in np.unique(signal[seen])[::3]
    ]
    assert reached >= max(others)
    assert fitted.threshold == pytest.approx(1300, abs=100)


def test_probability_ranks_as_the_signal_and_is_calibrated(fitted: Ms2Threshold):
    held_out = noisy_states(1, tracks=100)
    assert held_out.state is not None
    seen, state = held_out.observed.numpy(), held_out.state.numpy()
    probability = fitted.probability(held_out)
    assert roc_auc_score(state[seen], probability[seen]) == pytest.approx(
        roc_auc_score(state[seen], held_out.signal.numpy()[seen])
    )
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        inside = seen & (probability >= low) & (probability < high)
        assert state[inside].mean() == pytest.approx(probability[inside].mean(), abs=0.06)


def test_missing_frames_get_the_occupancy_whatever_they_hold(fitted: Ms2Threshold, batch: TrackBatch):
    spoilt = replace(batch, signal=batch.signal.masked_fill(~batch.observed, 1e6))
    probability, seen = fitted.probability(spoilt), batch.observed.numpy()
    assert batch.state is not None
    assert np.unique(probability[~seen]) == pytest.approx(batch.state.numpy()[seen].mean())
    assert not fitted.states(spoilt)[~seen].any()


def test_one_state_alone_is_refused(arrays: tuple[np.ndarray, np.ndarray, np.ndarray]):
    signal, state, observed = arrays
    with pytest.raises(InputError, match="both states"):
        Ms2Threshold.fit(signal, np.zeros_like(state), observed)
