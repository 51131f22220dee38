import pytest
import torch

from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.gate import DistanceGate
from contactlens.tracks.models.heads.distribution import soft_clip
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.models.unet import ResidualBlock, UNet

GATE = GateConfig(radius_init=150.0, radius_bounds=(20.0, 600.0), sharpness=6.0)
SCALING = Scaling(driver_scale=300.0, signal_mean=2.0, signal_sd=3.0)


def config(**changes: object) -> ModelConfig:
    values = {"name": "unet_resnet", "width": 4, "encoder_depth": 2, "decoder_depth": 2, "kernel_size": 3}
    return ModelConfig(**(values | {"gated": True, "logvar_bounds": (-8.0, 4.0)} | changes))


def model(task: str = "ep_to_ms2", **changes: object) -> TrackModel:
    torch.manual_seed(0)
    return TrackModel(config(**changes), GATE, SCALING, TASKS[task], driver_channels=4).eval()


def test_gate_is_the_logistic_of_the_signed_distance_to_the_radius() -> None:
    gate = DistanceGate(GATE, driver_scale=300.0)
    distance = torch.tensor([[0.0, 150.0, 400.0]])
    expected = 1 / (1 + torch.exp(-(6.0 / 300.0) * (150.0 - distance)))
    torch.testing.assert_close(gate(distance), expected)
    assert gate.radius.item() == pytest.approx(150.0)


@pytest.mark.parametrize("logit", [-8.0, 0.0, 8.0])
def test_radius_stays_in_bounds_and_keeps_a_gradient(logit: float) -> None:
    gate = DistanceGate(GATE, driver_scale=300.0)
    with torch.no_grad():
        gate.radius_logit.fill_(logit)
    gate.radius.backward()
    assert 20 < gate.radius.item() < 600
    assert gate.radius_logit.grad.item() > 0


def test_radius_outside_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="radius_init"):
        GateConfig(radius_init=700.0, radius_bounds=(20.0, 600.0), sharpness=6.0)


@pytest.mark.parametrize("name", ["unet", "unet_resnet"])
@pytest.mark.parametrize(("encoder", "decoder"), [(1, 1), (2, 2), (2, 3), (3, 5)])
@pytest.mark.parametrize("frames", [9, 64, 601])
def test_every_depth_and_length_gives_one_prediction_per_frame(
    name: str, encoder: int, decoder: int, frames: int
) -> None:
    net = model(name=name, encoder_depth=encoder, decoder_depth=decoder)
    out = net(torch.randn(2, 4, frames) * 200, torch.ones(2, frames, dtype=torch.bool))
    assert out.shape == (2, 2, frames)
    assert torch.isfinite(out).all()


def test_decoder_shallower_than_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="decoder_depth"):
        UNet(4, 8, 3, 2, 3, ResidualBlock)


def test_a_closed_gate_hides_the_driver_and_the_signal() -> None:
    """Frames far beyond the radius can be changed at will: the prediction does not see them."""
    net = model("epms2_to_ms2")
    x = torch.full((1, 5, 40), 20000.0)
    changed = x.clone()
    changed[:, [0, 1, 2, 4]] = torch.randn(1, 4, 40) * 1000
    observed = torch.ones(1, 40, dtype=torch.bool)
    torch.testing.assert_close(net(x, observed), net(changed, observed))
    assert not torch.allclose(net(x, observed), net(x * torch.tensor([1, 1, 1, 0.001, 1])[:, None], observed))


def test_missing_frames_are_not_seen_and_reach_is_finite() -> None:
    net = model()
    x = torch.randn(1, 4, 200) * 50
    observed = torch.ones(1, 200, dtype=torch.bool)
    observed[0, 100] = False
    poked = x.clone()
    poked[0, :, 100] += 77.0
    torch.testing.assert_close(net(x, observed), net(poked, observed))
    observed[0, 100] = True
    moved = (net(x, observed) - net(poked, observed)).abs().amax(dim=(0, 1)) > 0
    touched = moved.nonzero().flatten()
    assert touched.numel() > 0
    assert (touched - 100).abs().max() < 40


def test_scaling_is_an_affine_map_of_the_standardised_prediction() -> None:
    net = model()
    x, observed = torch.randn(2, 4, 50) * 100, torch.ones(2, 50, dtype=torch.bool)
    standard = net.standardised(x, observed).prediction
    out = net(x, observed)
    torch.testing.assert_close(out[:, 0], 2.0 + 3.0 * standard[:, 0])
    torch.testing.assert_close(out[:, 1].exp(), 9.0 * standard[:, 1].exp(), rtol=1e-4, atol=1e-5)


def test_in_training_the_signal_channel_does_not_pull_on_the_radius() -> None:
    """With the driver's own channels cut out of the first layer, only MS2 could move the radius."""
    net = model("epms2_to_ms2").train()
    with torch.no_grad():
        net.backbone.encoder[0].conv1.weight[:, [0, 1, 2, 3, 5]] = 0
    x = torch.rand(2, 5, 40) * 200
    net.standardised(x, torch.ones(2, 40, dtype=torch.bool)).prediction.sum().backward()
    assert net.distance_gate.radius_logit.grad.item() == 0
    driven = model("epms2_to_ms2").train()
    driven.standardised(x, torch.ones(2, 40, dtype=torch.bool)).prediction.sum().backward()
    assert driven.distance_gate.radius_logit.grad.item() != 0


def test_soft_clip_is_the_identity_inside_and_bounded_with_a_gradient_outside() -> None:
    value = torch.tensor([-100.0, -2.0, 0.0, 100.0], requires_grad=True)
    clipped = soft_clip(value, -8.0, 4.0)
    assert clipped[1].item() == pytest.approx(-2.0, abs=0.01)
    assert clipped.min().item() >= -8.0
    assert clipped.max().item() == pytest.approx(4.0, abs=1e-4)
    near = torch.tensor([-12.0, 8.0], requires_grad=True)
    soft_clip(near, -8.0, 4.0).sum().backward()
    assert (near.grad > 0).all()
