"""Drift: what comes from the training set's own distribution passes as often as said, what is shifted does not."""

import numpy as np
import pytest

from contactlens.expectations.drift import Quantity


def tracks_of(rng: np.random.Generator, n: int, shift: float = 0.0) -> list[np.ndarray]:
    """Tracks whose levels differ more than their frames do: frames of one track are no independent draws."""
    return [rng.normal(rng.normal(100 + shift, 20), 10, 60) for _ in range(n)]


@pytest.fixture(scope="module")
def quantity() -> Quantity:
    rng = np.random.default_rng(0)
    return Quantity.of("distance", "nm", tracks_of(rng, 300), tracks_of(rng, 200), seed=1)


def measured(quantity: Quantity, tracks: list[np.ndarray]) -> dict[str, tuple[float, float]]:
    rows = quantity.compare(np.concatenate(tracks), len(tracks))
    return {measure: (new, expected) for measure, _, new, expected in rows}


@pytest.mark.parametrize("n", [1, 5, 40])
def test_tracks_like_the_training_set_are_rarely_called_different(quantity: Quantity, n: int) -> None:
    rng = np.random.default_rng(n)
    found = [measured(quantity, tracks_of(rng, n)) for _ in range(200)]
    for distance in ("wasserstein", "ks"):
        share = np.mean([one[distance][0] > one[distance][1] for one in found])
        assert 0.005 <= share <= 0.11  # 5 %, of 200 draws and a limit that was itself drawn


def test_a_shift_is_the_wasserstein_distance(quantity: Quantity) -> None:
    found = measured(quantity, tracks_of(np.random.default_rng(7), 200, shift=60.0))
    distance, expected = found["wasserstein"]
    assert distance == pytest.approx(60, abs=4) and expected < 6
    assert found["ks"][0] > 0.5 > found["ks"][1]
    assert found["q50"][0] == pytest.approx(160, abs=5)
