from itertools import product
from math import comb

import pytest
import torch

from contactlens.attribution.attention import attention_rollout


def test_rollout_is_the_sum_over_all_paths():
    layers, T = 3, 4
    attention = torch.rand(1, layers, 2, T, T, dtype=torch.float64).softmax(dim=-1)
    step = 0.5 * attention[0].mean(dim=1) + 0.5 * torch.eye(T)
    expected = torch.zeros(T, T, dtype=torch.float64)
    for last, second, first, source in product(range(T), repeat=4):
        expected[last, source] += step[2, last, second] * step[1, second, first] * step[0, first, source]
    torch.testing.assert_close(attention_rollout(attention)[0], expected)


def test_looking_one_frame_back_gives_binomial_lags():
    layers, T = 4, 12
    back = torch.diag(torch.ones(T - 1), -1)
    back[0, 0] = 1
    rollout = attention_rollout(back.expand(2, layers, 3, T, T))
    lags = torch.tensor([comb(layers, lag) / 2**layers for lag in range(layers + 1)])
    torch.testing.assert_close(rollout[1, T - 1, T - 1 - layers :], lags.flip(0))
    assert rollout[:, T - 1, : T - 1 - layers].abs().max() == 0


def test_uniform_attention_leaves_half_of_the_frame_itself_per_layer():
    layers, T = 3, 8
    rollout = attention_rollout(torch.full((1, layers, 2, T, T), 1 / T))[0]
    kept = 0.5**layers
    torch.testing.assert_close(rollout, kept * torch.eye(T) + (1 - kept) / T)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 3, 4, 8, 7)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="layers, heads, T, T"):
        attention_rollout(torch.ones(shape))


def test_scores_that_are_no_weights_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        attention_rollout(torch.ones(1, 2, 2, 5, 5))
