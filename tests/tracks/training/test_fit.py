import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from contactlens.base.errors import InputError
from contactlens.base.torch_setup import seed_everything
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.models.checkpoint import ModelSpec, load_model, save_model
from contactlens.tracks.models.config import GateConfig, ModelConfig
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.models.tasks import TASKS, model_input
from contactlens.tracks.models.track_model import TrackModel
from contactlens.tracks.training.config import FitConfig, LossConfig
from contactlens.tracks.training.fit import fit, predict
from contactlens.training.loop import Trainer

LOSS = LossConfig(
    lambda_contact=0.0,
    lambda_crps=0.0,
    lambda_var=0.0,
    lambda_prior=0.0,
    target_logvar=0.0,
    warmup_epochs=0,
    anneal_epochs=0,
    beta=0.0,
)
FIT = FitConfig(
    learning_rate=3e-3,
    gate_learning_rate=5e-2,
    weight_decay=1e-4,
    batch_size=8,
    max_epochs=12,
    patience=12,
    gradient_clip=1.0,
    amp=False,
    compile=False,
    device="cpu",
    threads=1,
)
MODEL = ModelConfig("unet", 8, 1, 1, 3, True, (-8.0, 4.0))
GATE = GateConfig(radius_init=300.0, radius_bounds=(20.0, 600.0), sharpness=8.0)
TASK = TASKS["ep_to_ms2"]


def trained(batch: TrackBatch, seed: int = 0, config: FitConfig = FIT, loss: LossConfig = LOSS, **options):
    seed_everything(seed, 1)
    train, validation = batch.select(list(range(32))), batch.select(list(range(32, 48)))
    model = TrackModel(MODEL, GATE, Scaling.of(train), TASK, driver_channels=4)
    return model, fit(model, train, validation, loss, config, seed, **options)


def test_network_opens_its_gate_near_the_radius_and_learns_the_noise(contact_batch: TrackBatch) -> None:
    """The truth is a step at 150 with noise of SD 0.5 and jump 4: a fit that pays for contact comes near both."""
    longer = dataclasses.replace(FIT, learning_rate=1e-2, max_epochs=40)
    frugal = dataclasses.replace(LOSS, lambda_contact=0.3)
    model, result = trained(contact_batch, config=longer, loss=frugal)
    mean, sd = predict(model, contact_batch.driver, contact_batch.observed, 16)
    far = (contact_batch.driver[:, -1] < 100) | (contact_batch.driver[:, -1] > 220)
    rms = np.sqrt(np.mean((contact_batch.signal - mean)[far].numpy() ** 2))
    assert 110 < model.gate_midpoint < 200
    assert rms < 0.8
    assert 0.3 < np.median(sd[far]) < 0.9
    assert result.history[-1]["validation_nll"] < result.history[0]["validation_nll"]


def test_same_seed_gives_the_same_weights(contact_batch: TrackBatch) -> None:
    short = dataclasses.replace(FIT, max_epochs=2)
    first, again, other = (trained(contact_batch, seed, short)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_tracks_turned_at_random_teach_nothing_of_the_axes(contact_batch: TrackBatch) -> None:
    """A signal that is x, which positions as given tell and a randomly turned track can't."""
    axis = dataclasses.replace(contact_batch, signal=contact_batch.driver[:, 0] / 130)
    train, validation = axis.select(list(range(32))), axis.select(list(range(32, 48)))
    found = {}
    for rotation in ("as_given", "random"):
        seed_everything(0, 1)
        model = TrackModel(
            dataclasses.replace(MODEL, gated=False, rotation=rotation), GATE, Scaling.of(train), TASK, driver_channels=4
        )
        fit(model, train, validation, LOSS, dataclasses.replace(FIT, learning_rate=1e-2), 0)
        mean, _ = predict(model, validation.driver, validation.observed, 16)
        found[rotation] = np.corrcoef(mean.ravel(), validation.signal.ravel())[0, 1]
    assert found["as_given"] > 0.5
    assert abs(found["random"]) < 0.2


class KilledError(Exception):
    pass


def counted_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the number of each epoch that is trained from here on, beside those that are taken up."""
    numbers: list[int] = []
    train_epoch = Trainer.train_epoch

    def counted(trainer: Trainer, epoch: int) -> dict[str, float]:
        numbers.append(epoch)
        return train_epoch(trainer, epoch)

    monkeypatch.setattr(Trainer, "train_epoch", counted)
    return numbers


def test_a_killed_run_resumes_to_the_same_weights(
    contact_batch: TrackBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = dataclasses.replace(FIT, max_epochs=4)
    whole, expected = trained(contact_batch, config=short)

    def kill(log: dict[str, float]) -> None:
        if log["epoch"] == 1:
            raise KilledError

    with pytest.raises(KilledError):
        trained(contact_batch, config=short, checkpoints=tmp_path, on_epoch=kill)
    run = counted_epochs(monkeypatch)
    resumed, result = trained(contact_batch, config=short, checkpoints=tmp_path)
    assert run == [2, 3] and result == expected
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in whole.state_dict().items())


@pytest.mark.parametrize("killed_at", [0, 1, 2])
def test_a_resumed_run_tells_of_every_epoch_once(killed_at: int, contact_batch: TrackBatch, tmp_path: Path) -> None:
    short, told = dataclasses.replace(FIT, max_epochs=3), []
    _, expected = trained(contact_batch, config=short)

    def kill(log: dict[str, float]) -> None:
        if log["epoch"] == killed_at:
            raise KilledError

    with pytest.raises(KilledError):
        trained(contact_batch, config=short, checkpoints=tmp_path, on_epoch=kill)
    trained(contact_batch, config=short, checkpoints=tmp_path, on_epoch=told.append)
    assert told == expected.history


def test_a_checkpoint_of_another_configuration_is_left_alone(contact_batch: TrackBatch, tmp_path: Path) -> None:
    one, two = dataclasses.replace(FIT, max_epochs=1), dataclasses.replace(FIT, max_epochs=2)
    trained(contact_batch, config=one, checkpoints=tmp_path)
    _, result = trained(contact_batch, config=two, checkpoints=tmp_path)
    assert [log["epoch"] for log in result.history] == [0.0, 1.0]


def test_early_stopping_leaves_the_best_weights(contact_batch: TrackBatch) -> None:
    eager = dataclasses.replace(FIT, learning_rate=0.3, max_epochs=40, patience=3)
    model, result = trained(contact_batch, config=eager)
    assert len(result.history) == result.best_epoch + 4 or len(result.history) == 40
    validation = contact_batch.select(list(range(32, 48)))
    mean, sd = predict(model, validation.driver, validation.observed, 16)
    y = validation.signal.numpy()
    nll = np.mean(0.5 * np.log(2 * np.pi * sd**2) + (y - mean) ** 2 / (2 * sd**2))
    assert nll == pytest.approx(result.best_score, rel=1e-4)


def test_masked_frames_do_not_change_what_is_learned(contact_batch: TrackBatch) -> None:
    observed = contact_batch.observed.clone()
    observed[:, ::7] = False
    poisoned = contact_batch.signal.clone()
    poisoned[:, ::7] = 1e6
    short = dataclasses.replace(FIT, max_epochs=2)
    clean = dataclasses.replace(contact_batch, observed=observed)
    a, _ = trained(clean, config=short)
    b, _ = trained(dataclasses.replace(clean, signal=poisoned), config=short)
    assert all(torch.equal(tensor, b.state_dict()[name]) for name, tensor in a.state_dict().items())


def test_saved_model_predicts_the_same(contact_batch: TrackBatch, tmp_path: Path) -> None:
    model, _ = trained(contact_batch, config=dataclasses.replace(FIT, max_epochs=1))
    driver = Driver("vector", "ep_distance", "nm")
    spec = ModelSpec("ep_to_ms2", driver, MODEL, GATE, Scaling.of(contact_batch), 30.0, "a.u.")
    for name in ("a", "b"):
        save_model(model, spec, tmp_path / f"{name}.safetensors")
    again, read = load_model(tmp_path / "a.safetensors")
    x = model_input(TASK, contact_batch)
    assert read == spec
    assert torch.equal(again(x, contact_batch.observed), model(x, contact_batch.observed))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_unreadable_models_are_one_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken\.safetensors: not a readable safetensors"):
        load_model(broken)
    with pytest.raises(InputError, match="no such model file"):
        load_model(tmp_path / "absent.safetensors")
