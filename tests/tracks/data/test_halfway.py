"""The distance half way between frames, against the midpoint of the vectors themselves."""

import numpy as np
import torch

from contactlens.tracks.data.halfway import LEAST_NM, halfway_distance


def driver_of(vector: np.ndarray) -> torch.Tensor:
    """(N, 3, T) -> x, y, z and distance."""
    return torch.from_numpy(np.concatenate([vector, np.linalg.norm(vector, axis=1, keepdims=True)], axis=1))


def test_it_is_the_length_of_the_midpoint() -> None:
    vector = np.random.default_rng(0).normal(scale=150, size=(5, 3, 40))
    found = halfway_distance(driver_of(vector), torch.ones(5, 40, dtype=torch.bool)).numpy()
    middle = np.linalg.norm((vector[:, :, 1:] + vector[:, :, :-1]) / 2, axis=1)
    np.testing.assert_allclose(found[:, 1:], middle, rtol=1e-9)
    np.testing.assert_allclose(found[:, 0], np.linalg.norm(vector[:, :, 0], axis=1))


def test_after_a_gap_it_is_the_distance_of_the_frame() -> None:
    vector = np.random.default_rng(1).normal(scale=150, size=(1, 3, 6))
    observed = torch.tensor([[True, False, True, True, False, True]])
    driver = driver_of(vector) * observed[:, None]
    found = halfway_distance(driver, observed)
    for frame in (0, 2, 5):
        assert found[0, frame] == driver[0, 3, frame]
    assert found[0, 3] != driver[0, 3, 3]


def test_a_step_through_the_other_locus_has_a_length_and_a_finite_gradient() -> None:
    vector = np.array([[[100.0, -100.0], [0.0, 0.0], [0.0, 0.0]]])
    driver = driver_of(vector).requires_grad_()
    found = halfway_distance(driver, torch.ones(1, 2, dtype=torch.bool))
    assert found[0, 1] == LEAST_NM
    found.sum().backward()
    assert driver.grad is not None and torch.isfinite(driver.grad).all()


def test_far_without_a_direction_is_far_half_way() -> None:
    driver = torch.zeros(1, 4, 5)
    driver[:, 3] = 800.0
    torch.testing.assert_close(halfway_distance(driver, torch.ones(1, 5, dtype=torch.bool)), torch.full((1, 5), 800.0))
