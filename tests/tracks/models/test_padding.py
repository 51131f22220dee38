"""What a model says of a track does not depend on what is appended to it, nor on its neighbours' lengths."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from contactlens.tracks.models.config import GateConfig, LatentConfig, ModelConfig
from contactlens.tracks.models.padding import halved, pooled, resample
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.simulation.loading_grid import LoadingGrid

GATE = GateConfig(radius_init=150.0, radius_bounds=(20.0, 600.0), sharpness=6.0)
SCALING = Scaling(driver_scale=300.0, signal_mean=2.0, signal_sd=3.0)
CONFIG = ModelConfig("unet_resnet", 4, 2, 2, 5, gated=True, logvar_bounds=(-8.0, 4.0))
STANDARD = LatentConfig(convolutions="standard")
MODELS = {
    "unet": ("ep_to_ms2", replace(CONFIG, name="unet")),
    "unet_resnet": ("epms2_to_ms2", CONFIG),
    "a decoder between the levels": ("ep_to_ms2", replace(CONFIG, encoder_depth=3, decoder_depth=5)),
    "conditioned": ("epms2_to_ms2_conditioned", CONFIG),
    "states": ("epms2_to_states", CONFIG),
    "transformer": ("ep_to_ms2", replace(CONFIG, name="transformer")),
    "causal vae": ("ms2_to_ms2_vae", replace(CONFIG, name="bernoulli_vae")),
    "standard vae": ("ms2_to_ms2_vae", replace(CONFIG, name="bernoulli_vae", bernoulli_vae=STANDARD)),
}


def model(name: str) -> TrackModel:
    torch.manual_seed(0)
    task, config = MODELS[name]
    grid = LoadingGrid(30.0, 5, 28.0, 140.0) if TASKS[task].latent else None
    net = TrackModel(config, GATE, SCALING, TASKS[task], driver_channels=4, grid=grid).eval()
    for parameter in net.parameters():  # a VAE's last layer starts at 0, which would hide what comes before
        parameter.data += 0.1 * torch.randn_like(parameter)
    return net


def track(net: TrackModel, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One track with gaps, whose first and last frames are observed."""
    generator = torch.Generator().manual_seed(frames)
    x = 200 * torch.randn(1, net.channel_scale.size(0) + net.task.conditioned, frames, generator=generator)
    observed = torch.rand(1, frames, generator=generator) > 0.1
    observed[:, [0, -1]] = True
    return x, observed


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("frames", [40, 41, 63, 150, 302, 601, 700])
def test_appended_frames_change_nothing(name: str, frames: int) -> None:
    net = model(name)
    x, observed = track(net, frames)
    with torch.no_grad():
        alone = net(x, observed)
        for extra in (1, 2, 3, 37):
            rubbish = torch.cat([x, 1e3 * torch.randn(1, x.size(1), extra)], dim=-1)
            longer = net(rubbish, F.pad(observed, (0, extra)))
            torch.testing.assert_close(longer[..., :frames], alone, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_tracks_of_several_lengths_share_a_batch(name: str) -> None:
    net = model(name)
    tracks = [track(net, frames) for frames in (40, 87, 118, 203)]
    padded = [(F.pad(x, (0, 203 - x.size(-1))), F.pad(seen, (0, 203 - x.size(-1)))) for x, seen in tracks]
    with torch.no_grad():
        together = net(*(torch.cat(part) for part in zip(*padded, strict=True)))
        for row, (x, observed) in zip(together, tracks, strict=True):
            torch.testing.assert_close(row[None, :, : x.size(-1)], net(x, observed), atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", ["unet_resnet", "conditioned", "standard vae"])
def test_gradients_of_a_padded_track_are_those_of_the_track(name: str) -> None:
    net = model(name)
    x, observed = track(net, 61)
    net(x, observed).square().mean().backward()
    alone = {key: value.grad.clone() for key, value in net.named_parameters() if value.grad is not None}
    net.zero_grad()
    net(F.pad(x, (0, 9)), F.pad(observed, (0, 9)))[..., :61].square().mean().backward()
    for key, value in net.named_parameters():
        if key in alone:
            torch.testing.assert_close(value.grad, alone[key], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("before", "after"), [(7, 13), (13, 13), (4, 7), (9, 4)])
def test_operations_on_whole_tracks_are_those_of_torch(before: int, after: int) -> None:
    x = torch.randn(2, 3, before)
    lengths = torch.full((2,), before)
    torch.testing.assert_close(halved(x, lengths), halved(x, None))
    torch.testing.assert_close(halved(x, None), F.avg_pool1d(x, 2, ceil_mode=True))
    torch.testing.assert_close(pooled(x, 4, lengths), pooled(x, 4, None))
    expected = F.interpolate(x, size=after, mode="linear", align_corners=False)
    torch.testing.assert_close(resample(x, after, lengths, torch.full((2,), after)), expected)
