from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.attribution.applicability import refusal
from contactlens.attribution.captum_methods import MethodSettings
from contactlens.attribution.method_names import RULE_METHODS, SIMPLE_METHODS

SETTINGS = MethodSettings(1, 1, torch.ones(3), 1, 0, 16)


class Net(nn.Module):
    """Two convolutions with an activation of choice between them, called `times` times."""

    def __init__(self, activation: nn.Module, times: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv1d(3, 8, 3, padding=1), nn.Conv1d(8, 2, 3, padding=1)
        self.activation, self.times = activation, times

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        x = self.first(x)
        for _ in range(self.times):
            x = self.activation(x)
        return self.second(x)


class HalfHidden(Net):
    """A further activation that is no module."""

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return F.gelu(super().forward(x, observed))


def reason(name: str, model: nn.Module, x: Tensor, observed: Tensor) -> str | None:
    targets = [(0, 9), (1, 20)]
    return refusal(name, model.to(x.dtype), x, torch.zeros_like(x[:1]), targets, (observed,), SETTINGS)


@pytest.mark.parametrize("name", [name for name in SIMPLE_METHODS if name != "attention_rollout"])
def test_everything_but_attention_is_allowed_on_a_rectifier_net(strided, x, observed, name):
    assert reason(name, strided, x, observed) is None
    assert reason(f"noise_tunnel({name})", strided, x, observed) is None
    assert reason("attention_rollout", strided, x, observed) == "the model has no attention"


@pytest.mark.parametrize("name", sorted(RULE_METHODS))
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Net(nn.SiLU()), "no rule for SiLU"),
        (Net(nn.Sequential(nn.LayerNorm(45), nn.ReLU())), "no rule for LayerNorm"),
        (Net(nn.ReLU(), times=2), "one ReLU is used 2 times"),
        (Net(nn.ReLU(), times=0), "no activation is a module"),
        (HalfHidden(nn.ReLU()), "an activation is not a module: DeepLift misses"),
    ],
)
def test_rule_methods_are_refused_where_a_rule_is_missing(x, observed, name, model, expected):
    assert reason(name, model, x, observed).startswith(expected)
    assert reason(f"noise_tunnel({name})", model, x, observed).startswith(expected)
    assert reason("integrated_gradients", model, x, observed) is None


def test_an_activation_may_suit_one_method_and_not_another(x, observed):
    assert reason("deep_lift", Net(nn.Tanh()), x, observed) is None
    assert reason("lrp", Net(nn.Tanh()), x, observed) == "no rule for Tanh"


class Rectified(Net):
    """A further rectifier that is no module."""

    def __init__(self, rectify: Callable[[Tensor], Tensor]) -> None:
        super().__init__(nn.ReLU())
        self.rectify = rectify

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return self.rectify(super().forward(x, observed))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Net(nn.ReLU()), None),
        (Net(nn.ReLU(inplace=True)), None),
        (Net(nn.Sequential(nn.LayerNorm(45), nn.ReLU(), nn.SiLU())), None),
        (HalfHidden(nn.ReLU()), None),
        (Rectified(lambda x: x.clamp(min=1e-6).sigmoid()), None),
        (Rectified(torch.relu), "a rectifier is not a module"),
        (Rectified(lambda x: x.clamp(min=0)), "a rectifier is not a module"),
        (Rectified(lambda x: x.clamp_min(0)), "a rectifier is not a module"),
        (Net(nn.Tanh()), "no rectifier is a module"),
        (Net(nn.ReLU(), times=0), "no rectifier is a module"),
        (Net(nn.ReLU(), times=2), "one ReLU is used 2 times"),
    ],
)
def test_guided_backprop_asks_of_rectifiers_alone_that_they_are_modules(x, observed, model, expected):
    assert reason("guided_backprop", model, x, observed) == expected
    assert reason("noise_tunnel(guided_backprop)", model, x, observed) == expected


class Clipped(Net):
    """Outputs bounded from above by a softplus, as a log-variance is."""

    def __init__(self) -> None:
        super().__init__(nn.ReLU())
        self.clip = nn.Softplus()

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return 4 - self.clip(4 - super().forward(x, observed))


@pytest.mark.parametrize("name", sorted(RULE_METHODS))
def test_a_soft_clip_is_allowed_beside_rectifiers_only(x, observed, name):
    assert reason(name, Clipped(), x, observed) is None
    if name != "deep_lift":
        assert reason(name, Net(nn.Softplus()), x, observed) == "no activation is a module"


def test_a_plain_function_has_no_modules(fir, x, observed):
    def function(x: Tensor, observed: Tensor) -> Tensor:
        return x[:, :2].relu()

    assert refusal("lrp", function, x, x[:1], [(0, 1), (0, 1)], (observed,), SETTINGS) == "no activation is a module"
