import pytest
import torch
from torch import Tensor, nn

from contactlens.attribution.captum_methods import METHODS, MethodSettings, method_named
from contactlens.attribution.method_names import SIMPLE_METHODS, check_methods, is_gradient
from contactlens.attribution.reach import temporal_reach

SETTINGS = MethodSettings(
    ig_steps=20,
    noise_samples=5,
    noise_sd=torch.tensor([1.0, 30.0], dtype=torch.float64),
    occlusion_window=1,
    seed=0,
    rows_per_pass=8,
)
QUIET = MethodSettings(20, 5, torch.full((3,), 1e-9, dtype=torch.float64), 4, 0, 8)
TARGET = (1, 12)
WITHOUT_CHANCE = [name for name in SIMPLE_METHODS if name not in ("attention_rollout", "gradient_shap")]


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


@pytest.mark.parametrize("name", ["saliency", "noise_tunnel(saliency)"])
def test_gradient_methods_are_signed_and_exact_on_a_filter(fir, kernel_row, inputs, name):
    x, baseline = inputs
    result = method_named(name)(fir, x, baseline, TARGET, (), SETTINGS)
    torch.testing.assert_close(result, kernel_row.expand(3, -1, -1))
    assert (result < 0).any() and (result > 0).any()


def test_shares_of_a_filter_in_closed_form(fir, kernel_row, inputs):
    x, baseline = inputs
    integrated = METHODS["integrated_gradients"](fir, x, baseline, TARGET, (), SETTINGS)
    torch.testing.assert_close(integrated, kernel_row * (x - baseline))
    torch.testing.assert_close(METHODS["input_x_gradient"](fir, x, baseline, TARGET, (), SETTINGS), kernel_row * x)
    torch.testing.assert_close(METHODS["deep_lift"](fir, x, baseline, TARGET, (), SETTINGS), integrated)
    for name in ("occlusion", "feature_ablation"):
        removed = METHODS[name](fir, x, baseline, TARGET, (), SETTINGS)
        torch.testing.assert_close(removed.sum(dim=1), integrated.sum(dim=1), rtol=0, atol=1e-6)


def test_gradient_shap_of_a_filter_is_that_of_inputs_with_noise_of_each_channels_size(fir, kernel_row, inputs):
    """kernel x (x + mean noise - baseline): the mean of 5 draws, within 6 standard errors of none."""
    x, baseline = inputs
    shares = METHODS["gradient_shap"](fir, x, baseline, TARGET, (), SETTINGS)
    off = (shares - kernel_row * (x - baseline)).abs()
    assert (off <= 6 * kernel_row.abs() * SETTINGS.noise_sd[:, None] / 5**0.5).all()
    assert (off[:, :, 7:13] > 0).all()


def test_integrated_gradients_are_complete(strided, x, observed):
    settings = MethodSettings(300, 1, torch.ones(3), 4, 0, 512)
    baseline = torch.zeros_like(x[:1])
    targets = [(0, 9), (1, 20)]
    change = strided(x, observed) - strided(baseline.expand_as(x), observed)
    expected = torch.stack([change[0, 0, 9], change[1, 1, 20]])
    for name, atol in (("integrated_gradients", 1e-3), ("deep_lift", 1e-9)):
        result = METHODS[name](strided, x, baseline, targets, (observed,), settings)
        torch.testing.assert_close(result.sum(dim=(1, 2)), expected, rtol=0, atol=atol)


class OneRectifier(nn.Module):
    """relu(x0 - 2 x1) - relu(x0 + x1) at each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv1d(2, 2, 1, bias=False)
        self.mix.weight.data = torch.tensor([[1.0, -2.0], [1.0, 1.0]])[..., None]
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.relu(self.mix(x)).unbind(dim=1)
        return (first - second)[:, None]


def test_rules_in_closed_form_on_one_rectifier():
    x = torch.tensor([[[3.0], [1.0]]])
    start = torch.tensor([[[0.0], [1.0]]])
    # relu(1) - relu(4) against relu(-2) - relu(1): slopes 1/3 and 1 on the way
    lift = METHODS["deep_lift"](OneRectifier(), x, start, (0, 0), (), QUIET)
    torch.testing.assert_close(lift, torch.tensor([[[3 * (1 / 3 - 1)], [0.0]]]))
    # the second unit's gradient is negative and doesn't pass its rectifier
    guided = METHODS["guided_backprop"](OneRectifier(), x, start, (0, 0), (), QUIET)
    torch.testing.assert_close(guided, torch.tensor([[[1.0], [-2.0]]]))


@pytest.mark.parametrize("name", WITHOUT_CHANCE)
def test_noise_tunnel_goes_on_top_of_any_method_and_changes_nothing_without_noise(strided, x, observed, name):
    arguments = (strided, x, torch.zeros_like(x[:1]), [(0, 9), (1, 20)], (observed,))
    plain = METHODS[name](*arguments, QUIET)
    torch.testing.assert_close(method_named(f"noise_tunnel({name})")(*arguments, QUIET), plain, rtol=1e-5, atol=1e-6)
    assert is_gradient(f"noise_tunnel({name})") == is_gradient(name)


@pytest.mark.parametrize("name", ["noise_tunnel(saliency)", "noise_tunnel(deep_lift)", "gradient_shap"])
def test_noise_is_seeded_and_leaves_the_global_state(strided, x, observed, name):
    settings = MethodSettings(5, 4, torch.full((3,), 0.5, dtype=torch.float64), 4, 7, 512)
    before = torch.random.get_rng_state()
    start = torch.zeros_like(x[:1])
    first, second = (method_named(name)(strided, x, start, (0, 9), (observed,), settings) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, METHODS["saliency"](strided, x, start, (0, 9), (observed,), settings))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("window", [1, 2, 3])
def test_occlusion_within_reach_equals_that_of_all_frames(strided, x, observed, window):
    reach = temporal_reach(strided, x[:1], (torch.ones_like(observed[:1]),), 16)
    arguments = (strided, x, torch.full_like(x[:1], 0.3), [(0, 20), (1, 22)], (observed,))
    everywhere = MethodSettings(1, 1, torch.ones(3), window, 0, 16)
    within = MethodSettings(1, 1, torch.ones(3), window, 0, 16, reach)
    assert reach.width + 4 * window < x.size(-1)
    torch.testing.assert_close(METHODS["occlusion"](*arguments, within), METHODS["occlusion"](*arguments, everywhere))


def test_names():
    assert list(METHODS) == list(SIMPLE_METHODS)
    check_methods(["lrp", "noise_tunnel(lrp)"])
    for wrong in ("noise_tunnel", "noise_tunnel(noise)", "saliency)"):
        with pytest.raises(ValueError, match="unknown attribution method"):
            check_methods([wrong])
