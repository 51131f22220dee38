import pytest
import torch

from contactlens.attribution.captum_methods import METHODS, MethodSettings

SETTINGS = MethodSettings(
    ig_steps=20,
    noise_samples=5,
    noise_sd=torch.tensor([1.0, 30.0], dtype=torch.float64),
    occlusion_window=1,
    seed=0,
    rows_per_pass=8,
)
TARGET = (1, 12)


@pytest.fixture
def kernel_row(fir):
    """d output (1, 12) / d x in closed form, (C, T)."""
    row = torch.zeros(2, 30, dtype=torch.float64)
    for lag in range(6):
        row[:, 12 - lag] = 2 * fir.kernel[:, lag]
    return row


@pytest.fixture
def inputs():
    torch.manual_seed(4)
    return torch.randn(3, 2, 30, dtype=torch.float64), torch.full((1, 2, 30), 0.5, dtype=torch.float64)


@pytest.mark.parametrize("name", ["saliency", "noise_tunnel"])
def test_gradient_methods_are_signed_and_exact_on_a_filter(fir, kernel_row, inputs, name):
    x, baseline = inputs
    result = METHODS[name](fir, x, baseline, TARGET, (), SETTINGS)
    torch.testing.assert_close(result, kernel_row.expand(3, -1, -1))
    assert (result < 0).any() and (result > 0).any()


def test_shares_of_a_filter_in_closed_form(fir, kernel_row, inputs):
    x, baseline = inputs
    integrated = METHODS["integrated_gradients"](fir, x, baseline, TARGET, (), SETTINGS)
    torch.testing.assert_close(integrated, kernel_row * (x - baseline))
    torch.testing.assert_close(METHODS["input_x_gradient"](fir, x, baseline, TARGET, (), SETTINGS), kernel_row * x)
    occluded = METHODS["occlusion"](fir, x, baseline, TARGET, (), SETTINGS)
    torch.testing.assert_close(occluded.sum(dim=1), integrated.sum(dim=1), rtol=0, atol=1e-6)


def test_integrated_gradients_are_complete(strided, x, observed):
    settings = MethodSettings(300, 1, torch.ones(3), 4, 0, 512)
    baseline = torch.zeros_like(x[:1])
    result = METHODS["integrated_gradients"](strided, x, baseline, [(0, 9), (1, 20)], (observed,), settings)
    change = strided(x, observed) - strided(baseline.expand_as(x), observed)
    torch.testing.assert_close(
        result.sum(dim=(1, 2)), torch.stack([change[0, 0, 9], change[1, 1, 20]]), rtol=0, atol=1e-3
    )


def test_noise_is_seeded_and_leaves_the_global_state(strided, x, observed):
    settings = MethodSettings(5, 4, torch.full((3,), 0.5, dtype=torch.float64), 4, 7, 512)
    before = torch.random.get_rng_state()
    first, second = (METHODS["noise_tunnel"](strided, x, x, (0, 9), (observed,), settings) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, METHODS["saliency"](strided, x, x, (0, 9), (observed,), settings))
    assert torch.equal(before, torch.random.get_rng_state())
