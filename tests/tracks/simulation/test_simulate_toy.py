import numpy as np
import pytest
from scipy import stats

from contactlens.base.errors import InputError
from contactlens.tracks.simulation.config import RandomWalkConfig
from contactlens.tracks.simulation.simulate_toy import simulate_toy


def test_walks_fill_the_unit_interval_evenly_and_move_by_the_step() -> None:
    """Reflection keeps the uniform distribution; a step that is not reflected is Gaussian with the asked SD."""
    config = RandomWalkConfig(n_tracks=2000, n_frames=50, step=0.02)
    frames = simulate_toy(config, seed=0).frames
    distance = frames["driver"].to_numpy().reshape(2000, 50)
    assert stats.kstest(distance[:, -1], "uniform").pvalue > 0.01
    inside = np.abs(distance[:, :-1] - 0.5) < 0.4
    assert np.diff(distance, axis=1)[inside].std() == pytest.approx(0.02, rel=0.02)


def test_signal_is_the_contact_indicator_with_the_asked_noise() -> None:
    frames = simulate_toy(RandomWalkConfig(contact_distance=0.2, signal_noise=0.3), seed=2).frames
    residual = frames["ms2"] - (frames["driver"] < 0.2)
    assert residual.mean() == pytest.approx(0, abs=0.01)
    assert residual.std() == pytest.approx(0.3, rel=0.02)


def test_same_seed_gives_the_same_tracks() -> None:
    first, again, other = (simulate_toy(RandomWalkConfig(n_tracks=3), seed).frames for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("change", [{"n_tracks": 0}, {"step": 0.0}, {"contact_distance": 1.0}, {"signal_noise": -1.0}])
def test_nonsense_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match="RandomWalkConfig"):
        RandomWalkConfig(**change)
