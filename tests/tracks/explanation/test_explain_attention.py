"""The attention that is stored is that of the explained frame of the explained track."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from contactlens.tracks.explanation.explain import attention_arrays


def study(weights: torch.Tensor | None) -> Any:
    """A study of as many tracks as `weights` (N, layers, heads, T, T) has; x numbers its tracks."""
    N, T = (2, 5) if weights is None else (weights.size(0), weights.size(-1))
    x = torch.arange(N, dtype=torch.float32)[:, None, None].expand(N, 1, T)
    model = SimpleNamespace(
        has_attention=weights is not None,
        attention=lambda x, observed: weights[x[:, 0, 0].long()] if weights is not None else None,
    )
    return SimpleNamespace(model=model, x=x, observed=torch.ones(N, T, dtype=torch.bool))


def test_weights_and_rollout_are_rows_of_the_asked_frame() -> None:
    torch.manual_seed(0)
    weights = torch.rand(3, 2, 2, 5, 5).softmax(dim=-1)
    arrays = attention_arrays(study(weights), track=1, frame=3)
    np.testing.assert_array_equal(arrays["attention"], weights[1, :, :, 3])
    first, second = ((layer.mean(dim=0) + torch.eye(5)) / 2 for layer in weights[1])
    np.testing.assert_allclose(arrays["attention_rollout"], (second @ first)[3], rtol=1e-6)


def test_a_model_without_attention_adds_nothing() -> None:
    assert attention_arrays(study(None), track=0, frame=0) == {}
