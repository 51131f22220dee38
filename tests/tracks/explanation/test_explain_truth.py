import numpy as np
import pytest
from track_inputs import track_set

from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.explanation.truth import Response, true_causes, true_contact, true_memories
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.simulation.config import RandomWalkConfig
from contactlens.tracks.simulation.simulate import SimulationConfig, contact_kernel, simulate
from contactlens.tracks.simulation.simulate_toy import simulate_toy

CONFIG = SimulationConfig(
    n_tracks=6, n_frames=50, localisation_noise_nm=(0.0, 0.0, 0.0), missing_fraction=0.3, contact_radius_nm=200.0
)


@pytest.fixture(scope="module")
def tracks():
    return simulate(CONFIG, 0)


def test_true_contact_is_laid_out_as_the_batch(tracks):
    """Without localisation noise the observed distance is the true one; tracks that lack their first frames too."""
    batch = batch_of(tracks)
    found = true_contact(tracks, batch.track_ids, batch.observed.size(1), 200.0)
    seen = batch.observed.numpy()
    assert (tracks.frames.groupby("track_id")["frame"].min() > 0).any()
    assert np.array_equal(found[seen], (batch.driver[:, -1] < 200.0).numpy()[seen])
    assert 0.1 < found.mean() < 0.9


def test_what_a_contact_causes_depends_on_the_target(tracks):
    arguments = (["t000000"], 50, 600.0)
    signal = true_causes(tracks, TASKS["ep_to_ms2"], *arguments)
    np.testing.assert_array_equal(signal.response.kernel, contact_kernel(CONFIG, signal.response.lag_s))
    state = true_causes(tracks, TASKS["epms2_to_states"], *arguments)
    assert state.response.at(np.array([-30.0, 0.0, 180.0])).tolist() == pytest.approx([0, 1, np.exp(-1)])
    assert state.response.memory_s == np.floor(180 * np.log(10))
    assert true_causes(tracks, TASKS["ms2_to_states"], *arguments) is None
    assert true_causes(track_set(), TASKS["ep_to_ms2"], *arguments) is None
    with pytest.raises(ValueError, match="without a truth"):
        true_contact(track_set(), ["t0"], 12, 100.0)


def test_random_walks_are_felt_in_their_own_frame_alone(tracks):
    """The truth is the lag profile of the rule itself, "1 while the distance is short"."""
    walks = simulate_toy(RandomWalkConfig(n_tracks=1, n_frames=50), 0)
    toy = true_causes(walks, TASKS["toy"], ["t000000"], 50, 600.0)
    lags = np.arange(-3.0, 4.0)
    assert toy.response.at(lags).tolist() == (lags == 0).tolist() and toy.response.memory_s == 0
    assert toy.profile_known and toy.contact is None
    assert true_causes(track_set(), TASKS["toy"], ["t0"], 12, 600.0) is None


def test_memories_are_how_long_a_polymerase_is_seen_and_how_long_the_target_answers(tracks):
    signal, state = (true_memories(tracks, TASKS[name], 900.0) for name in ("ep_to_ms2", "epms2_to_states"))
    lags = np.arange(0.0, 901)
    felt = contact_kernel(CONFIG, lags) >= 0.1 * contact_kernel(CONFIG, lags).max()
    assert signal == {"ms2": CONFIG.ms2_dwell_s, "response": lags[felt][-1]}
    assert state == {"response": np.floor(180 * np.log(10))}
    assert true_memories(track_set(), TASKS["ep_to_ms2"], 900.0) == {}


def test_a_lag_profile_has_a_truth_only_where_the_model_sees_no_ms2(tracks):
    known = {name: true_causes(tracks, TASKS[name], ["t000000"], 50, 600.0) for name in ("ep_to_ms2", "epms2_to_ms2")}
    assert known["ep_to_ms2"].profile_known and not known["epms2_to_ms2"].profile_known


def test_memory_ends_with_a_tenth_of_the_largest_response():
    assert Response(np.arange(5.0), np.array([0.0, 2.0, 20.0, 2.0, 1.9])).memory_s == 3.0
