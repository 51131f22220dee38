"""Every task with every model that fits: what it sees, that it learns, that it can be saved."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from contactlens.base.errors import InputError
from contactlens.base.torch_setup import seed_everything
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.dataset import batch_of
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.models.architectures import ARCHITECTURES, default_model, fitting
from contactlens.tracks.models.checkpoint import ModelSpec, load_model, save_model
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS, channel_names, model_input
from contactlens.tracks.models.track_model import Output, TrackModel
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from contactlens.tracks.training.config import FitConfig, LossConfig
from contactlens.tracks.training.fit import fit, predict_state
from contactlens.tracks.training.objectives import BernoulliObjective, objective_of

LOSS = LossConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0)
GATE = GateConfig(300.0, (20.0, 600.0), 8.0)
VECTOR = Driver("vector", "ep_distance", "nm")
FIT = FitConfig(
    learning_rate=1e-2,
    gate_learning_rate=5e-2,
    weight_decay=1e-4,
    batch_size=8,
    max_epochs=4,
    patience=4,
    gradient_clip=1.0,
    amp=False,
    compile=False,
    device="cpu",
    threads=1,
)
SYSTEMS = [(task, name) for task in TASKS for name in fitting(TASKS[task])]


@pytest.fixture(scope="module")
def batch() -> TrackBatch:
    return batch_of(simulate(SimulationConfig(n_tracks=16, n_frames=61), seed=0))


def spec_for(task: str, name: str, batch: TrackBatch, **changes: object) -> ModelSpec:
    model = ModelConfig(name, 8, 1, 1, 3, True, (-8.0, 4.0))
    grid = Reporter(28.0, 140.0, 1.0).grid(30.0, 2) if TASKS[task].latent else None
    config = dataclasses.replace(model, **changes)
    return ModelSpec(task, VECTOR, config, GATE, Scaling.of(batch), 30.0, "a.u.", grid)


def built(task: str, name: str, batch: TrackBatch, **changes: object) -> TrackModel:
    torch.manual_seed(0)
    return spec_for(task, name, batch, **changes).build().eval()


def test_every_task_has_a_model_and_every_model_a_task() -> None:
    assert all(default_model(task) in fitting(task) for task in TASKS.values())
    assert {name for _, name in SYSTEMS} == set(ARCHITECTURES)


@pytest.mark.parametrize(("task", "name"), SYSTEMS)
def test_a_system_learns_and_comes_back_from_its_file(task: str, name: str, batch: TrackBatch, tmp_path: Path) -> None:
    seed_everything(0, 1)
    spec = spec_for(task, name, batch)
    model = spec.build()
    result = fit(model, batch, batch, LOSS, FIT, seed=0)
    losses = [log["train_loss"] for log in result.history]
    assert min(losses) < losses[0]
    assert np.isfinite([log["validation_nll"] for log in result.history]).all()
    save_model(model, spec, tmp_path / "model.safetensors")
    again, read = load_model(tmp_path / "model.safetensors")
    x = model_input(TASKS[task], batch)
    assert read == spec
    assert x.size(1) == len(channel_names(TASKS[task], VECTOR.columns))
    prediction = model(x, batch.observed)
    assert prediction.shape == (16, 1 if TASKS[task].target == "state" else 2, 61)
    assert torch.equal(again(x, batch.observed), prediction)


@pytest.mark.parametrize(("task", "name"), SYSTEMS)
def test_same_seed_gives_the_same_weights(task: str, name: str, batch: TrackBatch) -> None:
    def weights() -> dict[str, torch.Tensor]:
        seed_everything(3, 1)
        model = spec_for(task, name, batch).build()
        fit(model, batch, batch, LOSS, dataclasses.replace(FIT, max_epochs=1), seed=3)
        return model.state_dict()

    first, again = weights(), weights()
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("ms2_to_ms2_vae", "unet", "unet does not fit task ms2_to_ms2_vae; fitting: bernoulli_vae"),
        ("ep_to_ms2", "bernoulli_vae", "bernoulli_vae does not fit task ep_to_ms2"),
        ("epms2_to_ms2_conditioned", "transformer", "transformer does not fit"),
        ("toy", "perceptron", "unknown model 'perceptron'"),
    ],
)
def test_a_model_that_does_not_fit_is_one_clear_error(task: str, name: str, message: str, batch: TrackBatch) -> None:
    with pytest.raises(InputError, match=message):
        spec_for(task, name, batch).build()


def test_without_the_gate_ms2_would_be_copied_so_it_is_refused(batch: TrackBatch) -> None:
    with pytest.raises(InputError, match="needs the gate"):
        built("epms2_to_ms2", "unet", batch, gated=False)
    assert not built("ep_to_ms2", "unet", batch, gated=False).gated


@pytest.mark.parametrize("name", ["unet_resnet", "transformer"])
def test_ms2_beyond_the_radius_is_hidden_from_a_model_that_predicts_it(name: str, batch: TrackBatch) -> None:
    net = built("epms2_to_ms2", name, batch).eval()
    x = model_input(net.task, batch)
    outside = x[:, net.driver_channels - 1] >= net.gate_midpoint
    hidden, shown = x.clone(), x.clone()
    hidden[:, -1][outside] = 1e4
    shown[:, -1][~outside] += 20.0
    assert outside.any() and not outside.all()
    assert torch.equal(net(hidden, batch.observed), net(x, batch.observed))
    assert not torch.allclose(net(shown, batch.observed), net(x, batch.observed))


def test_a_conditioned_decoder_sees_ms2_only_pooled(batch: TrackBatch) -> None:
    """Frames of one part of the track can be swapped; their mean can't be changed."""
    net = built("epms2_to_ms2_conditioned", "unet_resnet", batch, context_frames=4)
    batch = batch.select([0, 1])
    x = model_input(net.task, batch)
    swapped, raised = x.clone(), x.clone()
    swapped[:, -1, [3, 9]] = x[:, -1, [9, 3]]
    raised[:, -1, :15] += 20.0
    torch.testing.assert_close(net(swapped, batch.observed), net(x, batch.observed))
    assert not torch.allclose(net(raised, batch.observed), net(x, batch.observed))
    hidden = batch.observed.clone()
    hidden[:, 3] = False
    spoilt = x.clone()
    spoilt[:, -1, 3] = 1e6
    torch.testing.assert_close(net(spoilt, hidden), net(x, hidden))


def test_where_the_state_is_the_target_ms2_may_open_the_gate(batch: TrackBatch) -> None:
    """The gate keeps a signal from being copied; a state can't be copied from the input."""
    for task, pulls in (("epms2_to_ms2", False), ("epms2_to_states", True)):
        net = built(task, "unet", batch).train()
        with torch.no_grad():
            net.backbone.encoder[0].conv1.weight[:, [0, 1, 2, 3, 5]] = 0
        net.standardised(model_input(net.task, batch), batch.observed).prediction.sum().backward()
        assert (net.distance_gate.radius_logit.grad.item() != 0) == pulls


def test_bernoulli_terms_are_what_their_names_say() -> None:
    state = torch.tensor([[1.0, 0.0, 1.0]])
    p = np.array([0.9, 0.2])
    logit = torch.tensor([[[*np.log(p / (1 - p)), 50.0]]], dtype=torch.float32)
    observed = torch.tensor([[True, True, False]])
    loss = dataclasses.replace(LOSS, lambda_entropy=0.5, lambda_clusters=2.0, lambda_contact=0.1)
    objective = BernoulliObjective(loss)
    output = Output(logit, torch.tensor([[0.2, 0.6, 1.0]]))
    terms = {name: term.item() for name, term in objective.terms(state, output, observed, 0).items()}
    nll = -np.mean([np.log(0.9), np.log(0.8)])
    assert terms["nll"] == pytest.approx(nll, rel=1e-5)
    assert terms["entropy"] == pytest.approx(0.5 * np.mean([stats.entropy([q, 1 - q]) for q in p]), rel=1e-5)
    assert terms["clusters"] == pytest.approx(2.0 * np.mean([0.1**2, 0.2**2]), rel=1e-5)
    assert terms["contact"] == pytest.approx(0.1 * 0.4, rel=1e-5)
    scores = objective.scores(state, output, observed)
    assert scores["validation_nll"] == pytest.approx(nll, rel=1e-5)
    assert scores["validation_crps"] == pytest.approx(np.mean([0.1**2, 0.2**2]), rel=1e-5)


def test_states_are_learned_where_the_signal_shows_them(contact_batch: TrackBatch) -> None:
    """The signal is 4 in contact and 0 elsewhere, noise SD 0.5; the state is contact itself."""
    state = (contact_batch.driver[:, -1] < 150).float()
    known = dataclasses.replace(contact_batch, state=state)
    seed_everything(0, 1)
    model = spec_for("ms2_to_states", "unet", known).build()
    train, validation = known.select(list(range(32))), known.select(list(range(32, 48)))
    fit(model, train, validation, LOSS, dataclasses.replace(FIT, max_epochs=30, patience=30), seed=0)
    probability = predict_state(model, model_input(model.task, validation), validation.observed, 16)
    right = (probability > 0.5) == (validation.state.numpy() > 0.5)
    assert right.mean() > 0.98


def test_tracks_without_a_known_state_are_one_clear_error(contact_batch: TrackBatch) -> None:
    model = spec_for("ep_to_states", "unet", contact_batch).build()
    with pytest.raises(InputError, match="simulated tracks only"):
        fit(model, contact_batch, contact_batch, LOSS, FIT, seed=0)


def test_the_score_of_latents_is_reconstruction_and_divergence(batch: TrackBatch) -> None:
    model = built("ms2_to_ms2_vae", "bernoulli_vae", batch)
    objective = objective_of(model, LOSS)
    with torch.no_grad():
        output = model.standardised(model_input(model.task, batch), batch.observed)
    scores = objective.scores(objective.target(batch), output, batch.observed)
    mean, logvar = model(model_input(model.task, batch), batch.observed).detach().double().unbind(dim=1)
    nll = -stats.norm(mean.numpy(), np.exp(logvar.numpy() / 2)).logpdf(batch.signal.numpy()).mean()
    p, prior = torch.sigmoid(output.logits).double().numpy(), model.backbone.config.prior
    kl = (p * np.log(p / prior) + (1 - p) * np.log((1 - p) / (1 - prior))).sum() / batch.observed.sum().item()
    assert scores["validation_nll"] == pytest.approx(nll + LOSS.elbo.beta * kl, rel=1e-4)
