import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contactlens.attribution.reach import temporal_reach
from contactlens.tracks.models.transformer import Transformer, rotate

C, T, LAYERS, HEADS = 5, 43, 2, 3
WINDOWS = [None, 1, 6, 100]


class Features(nn.Module):
    """A backbone's features alone, for what takes a model that gives a tensor."""

    def __init__(self, backbone: Transformer) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        return self.backbone(x, observed).features


def transformer(window: int | None) -> Transformer:
    torch.manual_seed(0)
    return Transformer(C, 12, LAYERS, HEADS, window).double().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, C, T, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def observed() -> Tensor:
    mask = torch.rand(2, T, generator=torch.Generator().manual_seed(2)) > 0.3
    mask[1, 30:] = False
    return mask


def test_rotation_is_multiplication_by_unit_complex_numbers() -> None:
    x = torch.randn(7, 6, dtype=torch.float64)
    turned = torch.complex(x[:, :3], x[:, 3:])
    for t in range(7):
        for i in range(3):
            turned[t, i] *= torch.exp(torch.tensor(1j * t * 1000.0 ** (-2 * i / 6)))
    torch.testing.assert_close(rotate(x), torch.cat([turned.real, turned.imag], dim=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("window", WINDOWS)
def test_only_relative_positions_count(window: int | None, x: Tensor, observed: Tensor) -> None:
    """Frames that nobody observed can be put before a track: it only moves."""
    net = transformer(window)
    moved = net(F.pad(x, (11, 5)), F.pad(observed, (11, 5))).features[..., 11:-5]
    torch.testing.assert_close(moved, net(x, observed).features, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_explicit_weights_give_what_the_fast_path_gives(window: int | None, x: Tensor, observed: Tensor) -> None:
    net = transformer(window)
    features = net.embed(x.mT)
    for layer, weights in zip(net.layers, net.attention(x, observed).unbind(dim=1), strict=True):
        value = layer.attention.project_in(layer.norm1(features))[..., 24:].unflatten(-1, (HEADS, 4))
        mixed = torch.einsum("bhts,bshd->bthd", weights, value).flatten(2)
        features = features + layer.attention.project_out(mixed)
        features = features + layer.contract(layer.relu(layer.expand(layer.norm2(features))))
    torch.testing.assert_close(net(x, observed).features, net.norm(features).mT, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("window", WINDOWS)
def test_weights_are_a_distribution_over_the_frames_in_sight(window: int | None, x: Tensor, observed: Tensor) -> None:
    weights = transformer(window).attention(x, observed)
    assert weights.shape == (2, LAYERS, HEADS, T, T)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, LAYERS, HEADS, T, dtype=torch.float64))
    lag = torch.arange(T)[:, None] - torch.arange(T)
    near = lag.abs() <= (T if window is None else window)
    in_sight = (observed[:, None] & near) | (lag == 0)  # (B, T, T)
    assert torch.equal(weights > 0, in_sight[:, None, None].expand_as(weights))


def test_a_window_as_long_as_the_track_is_no_window(x: Tensor, observed: Tensor) -> None:
    torch.testing.assert_close(transformer(T)(x, observed).features, transformer(None)(x, observed).features)


@pytest.mark.parametrize("window", WINDOWS)
def test_missing_frames_are_not_seen_by_others(window: int | None, x: Tensor, observed: Tensor) -> None:
    net = transformer(window)
    poked = torch.where(observed[:, None], x, 99.0)
    seen = observed[:, None].expand(-1, 12, -1)
    torch.testing.assert_close(net(x, observed).features[seen], net(poked, observed).features[seen])


def test_reach_is_the_window_per_layer_and_the_whole_track_without_one(x: Tensor) -> None:
    everything = torch.ones(1, T, dtype=torch.bool)
    point = x[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(transformer(6)(point, everything).features[0, 0, 20], point)
    touched = gradient[0].abs().amax(dim=0).nonzero().flatten().tolist()
    assert touched == list(range(20 - 12, 20 + 12 + 1))
    (gradient,) = torch.autograd.grad(transformer(None)(point, everything).features[0, 0, 20], point)
    assert (gradient[0].abs().amax(dim=0) > 0).all()


def test_measured_reach_holds_every_frame_that_counts_and_stays_local() -> None:
    net, everything = Features(transformer(3)), torch.ones(1, 60, dtype=torch.bool)
    reach = temporal_reach(net, torch.randn(1, C, 60, dtype=torch.float64), (everything,), rows_per_pass=16)
    frames = torch.arange(60)
    assert (reach.first <= (frames - 6).clamp_min(0)).all() and (reach.last >= (frames + 6).clamp_max(59)).all()
    assert reach.width < 30


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("frames", [1, 5, 601])
def test_any_length_gives_one_finite_feature_vector_per_frame(window: int | None, frames: int) -> None:
    net = transformer(window)
    for observed in (torch.ones(2, frames, dtype=torch.bool), torch.zeros(2, frames, dtype=torch.bool)):
        out = net(torch.randn(2, C, frames, dtype=torch.float64), observed).features
        assert out.shape == (2, 12, frames)
        assert torch.isfinite(out).all()


@pytest.mark.slow
def test_a_delay_learned_on_short_tracks_holds_on_long_ones() -> None:
    """The target is the input four frames ago, which only attention by position can find."""
    torch.manual_seed(0)
    net = Transformer(1, 16, layers=1, heads=2, window=8)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def error(frames: int) -> Tensor:
        x = torch.randn(16, 1, frames)
        found = net(x, torch.ones(16, frames, dtype=torch.bool)).features[:, 0, 4:]
        return (found - x[:, 0, :-4]).square().mean()

    for _ in range(300):
        optimizer.zero_grad()
        error(32).backward()
        optimizer.step()
    with torch.no_grad():
        assert error(32) < 0.1
        assert error(320) < 0.1


@pytest.mark.parametrize(
    ("width", "layers", "heads", "window", "named"),
    [(12, 2, 4, None, "width"), (12, 0, 2, None, "layers"), (12, 2, 0, None, "width"), (12, 2, 2, 0, "window")],
)
def test_sizes_that_do_not_fit_are_refused(width: int, layers: int, heads: int, window: int | None, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Transformer(C, width, layers, heads, window)
