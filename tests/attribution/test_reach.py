import pytest
import torch
from torch import nn

from contactlens.attribution.reach import FrameReach, share_passes, temporal_reach

ROWS = 16


def gradient_support(model, x, extra):
    """Union over many inputs of the non-zero gradients: (T_out, T_in), the independent measurement."""
    T = x.size(-1)
    support = torch.zeros(T, T, dtype=torch.bool)
    for seed in range(5):
        point = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        output = model(point, *extra).sum(dim=1)[0]
        for t in range(T):
            (gradient,) = torch.autograd.grad(output[t], point, retain_graph=True)
            support[t] |= (gradient[0] != 0).any(dim=0)
    return support


def test_reach_of_a_filter_is_its_length(fir):
    reach = temporal_reach(fir, torch.randn(1, 2, 20, dtype=torch.float64), (), ROWS)
    assert reach.last.tolist() == list(range(20))
    assert reach.first.tolist() == [max(0, t - 5) for t in range(20)]
    assert reach.width == 6


def test_reach_is_the_support_of_gradients_over_many_inputs(strided, x, observed):
    extra = (observed[:1],)
    reach = temporal_reach(strided, x[:1], extra, ROWS)
    support = gradient_support(strided, x[:1], extra)
    frames = torch.arange(x.size(-1))
    missed = support & ~reach.mask(frames)
    assert not missed.any()
    needless = (torch.where(support, frames, 999).amin(dim=1) - reach.first) + (
        reach.last - torch.where(support, frames, -1).amax(dim=1)
    )
    assert needless.sum() <= 2  # an interpolation weight of exactly 0, halfway along the track


def test_reach_sees_through_units_that_are_off():
    model = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), nn.ReLU())
    nn.init.constant_(model[0].bias, -100.0)  # never active at any ordinary input
    reach = temporal_reach(model, torch.randn(1, 1, 12), (), ROWS)
    assert reach.width == 3


def test_global_dependence_reaches_everything(pooled, x, observed):
    reach = temporal_reach(pooled, x[:1], (observed[:1],), ROWS)
    assert (reach.first == 0).all() and (reach.last == x.size(-1) - 1).all()


def test_a_model_that_hides_nan_is_taken_as_global():
    def hides(x):
        return nn.functional.avg_pool1d(torch.nan_to_num(x), 3, stride=1, padding=1)

    reach = temporal_reach(hides, torch.randn(1, 2, 15), (), ROWS)
    assert reach.width == 15


def test_output_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        temporal_reach(torch.log, -torch.ones(1, 1, 5), (), ROWS)


def test_groups_never_overlap_and_are_as_few_as_possible():
    T = 40
    frames = torch.arange(T)
    reach = FrameReach((frames - 4).clamp_min(0), (frames + 3).clamp_max(T - 1))
    group = share_passes(reach, frames)
    mask = reach.mask(frames)
    for number in group.unique():
        assert mask[group == number].sum(dim=0).max() == 1
    assert int(group.max()) + 1 == int(mask.sum(dim=0).max())
