"""What a model says of a separation does not depend on how the nucleus lies under the microscope, if it is told so."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from contactlens.tracks.explanation.gate import PastGate
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.fit import random_rotations, turned

GATE = GateConfig(radius_init=150.0, radius_bounds=(20.0, 600.0), sharpness=6.0)
SCALING = Scaling(driver_scale=300.0, signal_mean=2.0, signal_sd=3.0)
CONFIG = ModelConfig("unet_resnet", 4, 1, 1, 3, gated=True, logvar_bounds=(-8.0, 4.0), rotation="invariant")
MODELS = {
    "unet": ("ep_to_ms2", replace(CONFIG, name="unet")),
    "beside MS2": ("epms2_to_ms2", CONFIG),
    "conditioned": ("epms2_to_ms2_conditioned", CONFIG),
    "states": ("epms2_to_states", CONFIG),
    "transformer": ("ep_to_ms2", replace(CONFIG, name="transformer")),
    "no gate": ("toy", replace(CONFIG, gated=False)),
    "between frames": ("ep_to_ms2", replace(CONFIG, between_frames=True)),
    "between frames, no gate": ("toy", replace(CONFIG, gated=False, between_frames=True)),
    "between frames, beside MS2": ("epms2_to_ms2", replace(CONFIG, between_frames=True)),
    "between frames, conditioned": ("epms2_to_ms2_conditioned", replace(CONFIG, between_frames=True)),
}


def model(name: str, rotation: str = "invariant") -> TrackModel:
    torch.manual_seed(4)
    task, config = MODELS[name]
    return TrackModel(replace(config, rotation=rotation), GATE, SCALING, TASKS[task], driver_channels=4).eval()


def tracks(net: TrackModel) -> tuple[Tensor, Tensor]:
    """Separations with their distance, then MS2 where the task sees it; with gaps."""
    generator = torch.Generator().manual_seed(1)
    vector = 150 * torch.randn(6, 3, 60, generator=generator)
    signal = 5 * torch.rand(6, int(net.task.sees_signal), 60, generator=generator)
    x = torch.cat([vector, vector.norm(dim=1, keepdim=True), signal], dim=1)
    return x, torch.rand(6, 60, generator=generator) > 0.1


def seen_otherwise(x: Tensor, seed: int) -> Tensor:
    """Each track in other axes."""
    rotations = Rotation.random(len(x), random_state=seed).as_matrix()
    return torch.cat([torch.as_tensor(rotations, dtype=x.dtype) @ x[:, :3], x[:, 3:]], dim=1)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_an_invariant_model_gives_the_same_frames_in_any_axes(name: str, seed: int) -> None:
    net = model(name)
    x, observed = tracks(net)
    rounding = 1e-4 if net.sees_between_frames else 0.0  # a step's length is computed from the turned components
    with torch.no_grad():
        torch.testing.assert_close(net(seen_otherwise(x, seed), observed), net(x, observed), rtol=0, atol=rounding)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_positions_as_given_does_not(name: str) -> None:
    net = model(name, "as_given")
    x, observed = tracks(net)
    with torch.no_grad():
        assert (net(seen_otherwise(x, 0), observed) - net(x, observed)).abs().max() > 1e-3


@pytest.mark.parametrize("name", [name for name, (task, _) in MODELS.items() if task != "toy"])
def test_what_is_past_the_gate_of_an_invariant_model_is_the_same_model(name: str) -> None:
    net = model(name)
    x, observed = tracks(net)
    past = PastGate(net)
    opened = past.opened(x, observed)
    torch.testing.assert_close(past(opened, observed), net(x, observed))
    folded = past.to_channels(opened, x.size(1))
    assert folded.shape == x.shape and not folded[:, :3].any()
    contact = 1 + int(net.task.signal_input)
    behind = opened[:, contact : contact + (3 if net.sees_between_frames else 1)]
    torch.testing.assert_close(folded[:, 3], opened[:, 0] + behind.sum(dim=1))
    if net.task.sees_signal:
        torch.testing.assert_close(folded[:, 4], opened[:, 1] if net.task.signal_input else x[:, 4])


def test_a_model_that_sees_between_frames_tells_a_step_through_contact_from_one_beside_it() -> None:
    """Two tracks of the same distances: one steps from side to side, the other stays on one."""
    stays = torch.tensor([200.0, 0.0, 0.0])[None, :, None].repeat(1, 1, 40)
    swaps = stays * torch.where(torch.arange(40) % 2 == 0, 1.0, -1.0)
    x = torch.cat([torch.cat([one, one.norm(dim=1, keepdim=True)], dim=1) for one in (stays, swaps)])
    observed = torch.ones(2, 40, dtype=torch.bool)
    with torch.no_grad():
        told = model("between frames")(x, observed)
        blind = model("unet")(x, observed)
    assert (told[0] - told[1]).abs().max() > 1e-3
    torch.testing.assert_close(blind[0], blind[1])


def test_rotations_are_proper_and_uniform() -> None:
    drawn = random_rotations(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn @ drawn.mT, torch.eye(3, dtype=drawn.dtype).expand_as(drawn), rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.linalg.det(drawn), torch.ones(len(drawn), dtype=drawn.dtype))
    # A uniform rotation takes a point of the sphere to a uniform one, each coordinate of which is uniform on [-1, 1];
    # and its trace has the mean 0 and the variance 1 (an irreducible character).
    for coordinate in drawn[:, :, 1].T.numpy():
        shares, _ = np.histogram(coordinate, bins=10, range=(-1, 1))
        assert np.abs(shares / len(drawn) - 0.1).max() < 0.01
    trace = drawn.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert abs(float(trace.mean())) < 0.04 and abs(float(trace.var()) - 1) < 0.05


def test_turning_leaves_lengths_and_the_other_channels() -> None:
    x = torch.randn(8, 5, 30, dtype=torch.float64)
    moved = turned(x, random_rotations(8, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(moved[:, :3].norm(dim=1), x[:, :3].norm(dim=1))
    torch.testing.assert_close(moved[:, 3:], x[:, 3:], rtol=0, atol=0)
    assert (moved[:, :3] - x[:, :3]).abs().mean() > 0.3
