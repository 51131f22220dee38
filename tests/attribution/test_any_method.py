import pytest
import torch
from torch import Tensor, nn

from contactlens.attribution.any_method import method_matrix
from contactlens.attribution.captum_methods import METHODS, MethodSettings, method_named
from contactlens.attribution.captum_methods.attention_map import rollout_matrix
from contactlens.attribution.reach import FrameReach, temporal_reach

SETTINGS = MethodSettings(5, 3, torch.full((3,), 1e-9, dtype=torch.float64), 4, 0, 16)


@pytest.mark.parametrize(
    "name", ["deep_lift", "guided_backprop", "lrp", "gradient_shap", "noise_tunnel(lrp)", "input_x_gradient"]
)
@pytest.mark.parametrize("rows", [1, 16])
def test_shared_calls_give_what_a_call_for_each_frame_gives(strided, x, observed, name, rows):
    settings = MethodSettings(5, 3, SETTINGS.noise_sd, 4, 0, rows)
    reach = temporal_reach(strided, x[:1], (torch.ones_like(observed[:1]),), 16)
    frames = torch.arange(1, x.size(-1), 3)
    method, start = method_named(name), torch.full_like(x[:1], 0.3)
    together = method_matrix(method, strided, x, start, 1, settings, extra=(observed,), reach=reach, frames=frames)
    assert together.shape == (2, len(frames), 3, x.size(-1))
    for row, t in enumerate(frames.tolist()):
        alone = [method(strided, x[i : i + 1], start, (1, t), (observed[i : i + 1],), settings) for i in range(2)]
        # the random points of gradient SHAP are drawn for each call
        if name == "gradient_shap" and rows > 1:
            alone = [method(strided, x, start, (1, t), (observed,), settings)]
        torch.testing.assert_close(together[:, row], torch.cat(alone), rtol=1e-4, atol=1e-6)


class Attentive(nn.Module):
    """Two layers whose heads look at the same fixed frames, whatever the input."""

    has_attention = True

    def attention(self, x: Tensor, observed: Tensor) -> Tensor:
        T = x.size(-1)
        torch.manual_seed(5)
        return torch.rand(1, 2, 3, T, T, dtype=x.dtype).softmax(dim=-1).expand(len(x), -1, -1, -1, -1)

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return x[:, :1]


def test_rollout_is_the_same_by_frame_at_once_and_in_groups(x, observed):
    model, frames = Attentive(), torch.arange(0, x.size(-1), 7)
    at_once = rollout_matrix(model, x, (observed,), frames)
    torch.testing.assert_close(at_once.sum(dim=(2, 3)), torch.ones(2, len(frames), dtype=x.dtype))
    everything = FrameReach.everything(x.size(-1), x.device)
    arguments = (METHODS["attention_rollout"], model, x, x[:1], 0, SETTINGS)
    grouped = method_matrix(*arguments, extra=(observed,), reach=everything, frames=frames)
    torch.testing.assert_close(grouped, at_once)
    for row, t in enumerate(frames.tolist()):
        alone = METHODS["attention_rollout"](model, x, x[:1], (0, t), (observed,), SETTINGS)
        torch.testing.assert_close(alone, at_once[:, row])
