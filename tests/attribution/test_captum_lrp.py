"""Relevance against the definition: R_i = sum over j of a_i w_ij R_j / z_j, handed from layer to layer."""

import pytest
import torch
from torch import Tensor, nn

from contactlens.attribution import captum_lrp
from contactlens.attribution.captum_methods import METHODS, MethodSettings

SETTINGS = MethodSettings(1, 1, torch.ones(3), 1, 0, 16)


@pytest.fixture
def unbiased(strided):
    """Convolutions without biases between a pooling, an interpolation and a concatenation."""
    for module in strided.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.zeros_(module.bias)
    return strided


def relevance(model: nn.Module, x: Tensor, targets, *extra: Tensor) -> Tensor:
    return METHODS["lrp"](model, x, x, targets, extra, SETTINGS)


def test_relevance_is_conserved_through_pooling_interpolation_and_concatenation(monkeypatch, unbiased, x, observed):
    monkeypatch.setattr(captum_lrp, "EPSILON", 0.0)
    found = relevance(unbiased, x, [(0, 9), (1, 20)], observed)
    output = unbiased(x, observed)
    torch.testing.assert_close(found.sum(dim=(1, 2)), torch.stack([output[0, 0, 9], output[1, 1, 20]]))


def test_epsilon_only_takes_relevance_away(unbiased, x, observed):
    output = unbiased(x, observed)[0, 0, 9]
    kept = relevance(unbiased, x, (0, 9), observed)[0].sum() / output
    assert 0.3 < kept < 1


class Dense(nn.Module):
    """Two layers over the channels of a frame."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.relu, self.second = nn.Conv1d(3, 5, 1), nn.ReLU(), nn.Conv1d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.relu(self.first(x)))


def handed_back(inputs: Tensor, layer: nn.Conv1d, relevance: Tensor, scale: Tensor) -> Tensor:
    """The epsilon rule as it is written down, for one frame: inputs (I,), relevance (J,) -> (I,)."""
    weight = layer.weight[:, :, 0]  # (J, I)
    z = weight @ inputs + layer.bias
    return (inputs * weight / (z + z.sign() * captum_lrp.EPSILON * scale)[:, None] * relevance[:, None]).sum(dim=0)


def test_epsilon_rule_as_it_is_defined():
    model, x = Dense(), torch.randn(1, 3, 1)
    hidden = model.first(x)
    scales = [value.square().mean().sqrt() for value in (hidden, model(x))]
    start = model(x)[0, :, 0] * torch.tensor([1.0, 0.0])
    middle = handed_back(torch.relu(hidden)[0, :, 0], model.second, start, scales[1])
    expected = handed_back(x[0, :, 0], model.first, middle, scales[0])
    torch.testing.assert_close(relevance(model, x, (0, 0))[0, :, 0], expected)


def test_the_model_is_left_alone(unbiased, x, observed):
    before = {name: value.clone() for name, value in unbiased.state_dict().items()}
    relevance(unbiased, x, (0, 9), observed)
    assert all(torch.equal(value, before[name]) for name, value in unbiased.state_dict().items())
    assert not any(hasattr(module, "rule") for module in unbiased.modules())
    assert type(unbiased.relu1) is nn.ReLU
