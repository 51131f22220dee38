"""The VAE's parts where they are known in closed form, and ones that mark loading after a short training."""

import numpy as np
import pytest
import torch

from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.evaluation.loading import matched, rate_matched_random, true_loading
from contactlens.tracks.models.bernoulli_vae import BernoulliVae
from contactlens.tracks.models.config import BernoulliVaeConfig
from contactlens.tracks.models.heads.distribution import SignalScale
from contactlens.tracks.models.heads.gaussian import DecodedGaussianHead
from contactlens.tracks.models.track_model import Output
from contactlens.tracks.simulation.loading_grid import LoadingGrid
from contactlens.tracks.simulation.ms2 import signal_of
from contactlens.tracks.simulation.promoter import Events
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from contactlens.tracks.training.config import ElboConfig, LossConfig
from contactlens.tracks.training.objectives import ElboObjective

GRID = LoadingGrid(30.0, 3, 28.0, 140.0, polymerase_signal=2.0, background=1.0)
MEAN, SD = 4.0, 5.0


def vae(**changes: object) -> BernoulliVae:
    torch.manual_seed(0)
    return BernoulliVae(BernoulliVaeConfig(**({"width": 4, "encoder_depth": 2} | changes)), GRID, MEAN, SD).eval()


def signal(frames: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(2, 1, frames, generator=torch.Generator().manual_seed(1))
    return x, torch.ones(2, frames, dtype=torch.bool)


def with_corrections(net: BernoulliVae) -> BernoulliVae:
    """The head starts with none; weights of a trained one."""
    with torch.no_grad():
        net.decoder.head.project.weight.normal_(generator=torch.Generator().manual_seed(2))
    return net


def test_an_untrained_decoder_images_its_ones_as_the_simulator_would() -> None:
    frames = 20
    times = GRID.bin_times(frames)
    ones = torch.eye(times.size)
    prediction, correction = vae().decoder(ones)
    polymerases = signal_of(Events(np.arange(times.size), times), times.size, frames, 30.0, 28.0, 140.0)
    np.testing.assert_allclose(MEAN + SD * prediction[:, 0].numpy(force=True), 1 + 2 * polymerases, atol=1e-5)
    assert not correction.any()


@pytest.mark.parametrize(("convolutions", "sees_ahead"), [("causal", False), ("standard", True)])
def test_only_standard_convolutions_let_a_frame_depend_on_later_ones(convolutions: str, sees_ahead: bool) -> None:
    net = with_corrections(vae(convolutions=convolutions))
    frames, frame = 20, 9
    latents = torch.rand(1, (GRID.lead_frames + frames) * 3, requires_grad=True)
    net.decoder(latents)[0][:, :, frame].sum().backward()
    later = latents.grad[0, (GRID.lead_frames + frame + 1) * 3 :]
    assert bool(later.any()) == sees_ahead
    assert latents.grad[0, (GRID.lead_frames + frame) * 3 :][:3].all()


@pytest.mark.parametrize("frames", [7, 40, 121])
def test_every_length_gives_a_prediction_per_frame_and_k_latents(frames: int) -> None:
    net = vae()
    x, observed = signal(frames)
    assert net(x, observed).features.shape == (2, 2, frames)
    probability = net.latent(x, observed)
    assert probability.shape == (2, 3 * frames)
    assert ((probability > 0) & (probability < 1)).all()
    assert torch.equal(net(x, observed).features, net(x, observed).features)


def test_missing_frames_are_not_seen() -> None:
    net = with_corrections(vae())
    x, observed = signal()
    observed[:, 15] = False
    poked = x.clone()
    poked[:, :, 15] = 99.0
    torch.testing.assert_close(net(x, observed).features, net(poked, observed).features)


@pytest.mark.parametrize(
    "changes", [{"convolutions": "other"}, {"estimator": "other"}, {"prior": 0.0}, {"kernel_size": 4}, {"width": 0}]
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(changes))}"):
        BernoulliVaeConfig(**changes)


@pytest.mark.slow
def test_a_short_training_makes_ones_that_mark_loading() -> None:
    """Forty steps on 32 short tracks: the ones lie near true loadings far more often than as many at random."""
    track_set = simulate(SimulationConfig(n_tracks=48, n_frames=151, k_off_per_s=1 / 360), seed=1)
    ids = list(track_set.frames["track_id"].drop_duplicates())
    train, test = batch_of(track_set, ids[:32]), batch_of(track_set, ids[32:])
    net = _trained(train, BernoulliVaeConfig(width=8, encoder_depth=2))
    standard = (test.signal - train.signal.mean()) / train.signal.std()
    with torch.no_grad():
        ones = net.latent(standard[:, None], test.observed) > 0.5
    true, duration = true_loading(track_set, test.track_ids)
    found = net.grid.place(ones.double().numpy())
    random = rate_matched_random(found, duration, np.random.default_rng(0))
    f1, control = (_f1(events, true, len(test)) for events in (found, random))
    assert f1 > 0.75
    assert f1 > 1.5 * control


def _trained(train: TrackBatch, config: BernoulliVaeConfig) -> BernoulliVae:
    torch.manual_seed(0)
    mean, sd = train.signal.mean(), train.signal.std()
    net = BernoulliVae(config, LoadingGrid(30.0, 5, 28.0, 140.0), float(mean), float(sd)).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    loss = LossConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, elbo=ElboConfig(warmup_epochs=10))
    objective = ElboObjective(loss, DecodedGaussianHead(), SignalScale(mean, sd), config.prior)
    y = objective.target(train)
    for step in range(40):
        for rows in torch.randperm(len(train), generator=generator).split(8):
            given = net(y[rows, None], train.observed[rows], generator=generator)
            output = Output(given.features, torch.ones_like(y[rows]), given.logits, given.correction)
            terms = objective.terms(y[rows], output, train.observed[rows], step)
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimizer.step()
    return net.eval()


def _f1(found: Events, true: Events, n_tracks: int) -> float:
    return 2 * float(matched(found, true, 30.0, n_tracks).sum()) / (found.time_s.size + true.time_s.size)
