"""The training loop on models small enough to be followed by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, SsmConfig
from contactlens.dna.models.classifier import HeadConfig, WindowClassifier
from contactlens.dna.training.trainer import Trainer, TrainerConfig

CONFIG = TrainerConfig(
    learning_rate=0.1,
    weight_decay=0.01,
    batch_size=4,
    accumulate=1,
    max_epochs=4,
    patience=4,
    warmup_share=0.1,
    gradient_clip=10.0,
    amp=False,
    device="cpu",
    threads=1,
)
N = 20


def regression(config: TrainerConfig = CONFIG, seed: int = 0, noise: float = 0.0, weights: int = 0, described=None):
    """A small network on fixed data; its loss may draw from the run's random numbers."""
    x = torch.randn(N, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    y = x.prod(dim=1, keepdim=True)
    torch.manual_seed(weights)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def loss(rows: Tensor, random: torch.Generator) -> Tensor:
        jitter = noise * torch.randn(len(rows), 3, generator=random, dtype=torch.float64) if noise else 0
        return (model(x[rows] + jitter) - y[rows]).square().mean()

    @torch.no_grad()
    def validate() -> dict[str, float]:
        return {"validation_loss": float((model(x) - y).square().mean())}

    return Trainer(model, N, loss, validate, config, seed, described)


def scripted(losses: list[float], config: TrainerConfig) -> tuple[Trainer, list[Tensor]]:
    """A model whose validation losses are `losses`, and its weights as they were after each epoch."""
    model, seen = nn.Linear(2, 1), []

    def validate() -> dict[str, float]:
        seen.append(model.weight.detach().clone())
        return {"validation_loss": losses[len(seen) - 1]}

    return Trainer(model, 4, lambda rows, _: model(torch.ones(len(rows), 2)).square().mean(), validate, config, 0), seen


class KilledError(Exception):
    pass


def killed_after(epochs: int) -> Callable[[dict[str, float]], None]:
    def on_epoch(log: dict[str, float]) -> None:
        if log["epoch"] == epochs - 1:
            raise KilledError

    return on_epoch


def assert_same(one: Trainer, other: Trainer) -> None:
    mine, its = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(mine[name], its[name]) for name in mine)
    assert one.result == other.result


def epochs_run(trainer: Trainer, folder: Path) -> int:
    """How many were trained, beside those that were taken up."""
    trainer.epoch = Mock(wraps=trainer.epoch)
    trainer.run(folder)
    return trainer.epoch.call_count


def test_learning_rate_rises_linearly_and_falls_as_half_a_cosine() -> None:
    trainer = regression(replace(CONFIG, warmup_share=0.15))  # 20 rows, batches of 4, 4 epochs: 20 steps, 3 of warm-up
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    trainer.run()
    rise = [0.25, 0.5, 0.75]
    fall = [(1 + math.cos(math.pi * k / 17)) / 2 for k in range(17)]
    np.testing.assert_allclose(rates, 0.1 * np.array(rise + fall), rtol=1e-12)


def test_without_warm_up_the_schedule_is_torchs_own() -> None:
    config = replace(CONFIG, warmup_share=0.0, accumulate=2)  # 3 steps an epoch: 8, 8 and 4 rows
    trainer = regression(config)
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[1]["lr"]))
    trainer.run()
    reference = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(reference, T_max=12)
    for rate in rates:
        assert rate == pytest.approx(reference.param_groups[0]["lr"], rel=1e-9)
        reference.step()
        schedule.step()
    assert len(rates) == 12


def test_two_batches_of_four_make_one_of_eight() -> None:
    small, large = regression(replace(CONFIG, accumulate=2)), regression(replace(CONFIG, batch_size=8))
    small.run()
    large.run()
    for mine, its in zip(small.model.parameters(), large.model.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-10)
    for mine, its in zip(small.result.history, large.result.history, strict=True):
        assert mine == pytest.approx(its, abs=1e-10)


def test_train_loss_is_the_mean_over_rows() -> None:
    """With a rate of next to nothing the weights stay, and every batch has the loss of the whole set's part."""
    trainer = regression(replace(CONFIG, learning_rate=1e-12, batch_size=7, max_epochs=1))  # 7, 7 and 6 rows
    log = trainer.run().history[0]
    assert log["train_loss"] == pytest.approx(log["validation_loss"], rel=1e-9)


def test_gradients_are_clipped() -> None:
    trainer = regression(replace(CONFIG, gradient_clip=1e-3, max_epochs=1))
    norms: list[float] = []

    def measure(*_: object) -> None:
        norms.append(torch.cat([p.grad.flatten() for p in trainer.model.parameters()]).norm().item())

    trainer.optimizer.register_step_pre_hook(measure)
    trainer.run()
    assert norms == pytest.approx([1e-3] * 5, rel=1e-2)


def test_weight_decay_shrinks_matrices_and_leaves_rates_norms_and_biases() -> None:
    """Where the loss has no gradient, AdamW multiplies what decays by 1 - rate x decay in each step, and no more."""
    config = replace(CONFIG, weight_decay=0.5, warmup_share=0.0, max_epochs=2)
    backbone = Caduceus(CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=3)))
    model = WindowClassifier(backbone, "pair", HeadConfig(4))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    trainer = Trainer(
        model,
        4,
        lambda *_: sum(0 * p.sum() for p in model.parameters()),
        lambda: {"validation_loss": -float(len(trainer.result.history))},
        config,
        0,
    )
    trainer.run()
    shrunk = (1 - 0.1 * 0.5) * (1 - 0.05 * 0.5)  # rates of 0.1 and half of it
    kept = ("bias", "gain", "norm.weight", "norm_f.weight", "A_log", ".D")
    for name, value in model.named_parameters():
        factor = 1.0 if name.endswith(kept) else shrunk
        torch.testing.assert_close(value.detach(), before[name] * factor, rtol=1e-6, atol=0)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_a_run_killed_after_any_epoch_ends_as_if_it_had_not_been(epochs: int, tmp_path: Path) -> None:
    whole = regression(noise=0.5)
    whole.run()
    with pytest.raises(KilledError):
        regression(noise=0.5).run(tmp_path, killed_after(epochs))
    again = regression(noise=0.5)
    assert epochs_run(again, tmp_path) == 4 - epochs
    assert_same(again, whole)


@pytest.mark.parametrize("epochs", [1, 2, 4])
def test_a_resumed_run_tells_of_every_epoch_once(epochs: int, tmp_path: Path) -> None:
    whole, told = regression(noise=0.5), []
    whole.run()
    with pytest.raises(KilledError):
        regression(noise=0.5).run(tmp_path, killed_after(epochs))
    again = regression(noise=0.5)
    again.run(tmp_path, told.append)
    assert told == whole.result.history
    assert_same(again, whole)


def test_a_run_killed_within_an_epoch_repeats_this_epoch(tmp_path: Path) -> None:
    whole = regression(noise=0.5)
    whole.run()
    dying, calls = regression(noise=0.5), []
    loss = dying.batch_loss

    def fails(rows: Tensor, random: torch.Generator) -> Tensor:
        calls.append(1)
        if len(calls) == 12:  # the second batch of the third epoch
            raise KilledError
        return loss(rows, random)

    dying.batch_loss = fails
    with pytest.raises(KilledError):
        dying.run(tmp_path)
    again = regression(noise=0.5)
    assert epochs_run(again, tmp_path) == 2
    assert_same(again, whole)


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(damage: str, tmp_path: Path) -> None:
    whole = regression(noise=0.5)
    whole.run(tmp_path)
    newest = tmp_path / "epoch_003.pt"
    if damage == "foreign":
        torch.save({"weights": torch.ones(3)}, newest)
    else:
        newest.write_bytes(newest.read_bytes()[: 0 if damage == "empty" else newest.stat().st_size // 2])
    again = regression(noise=0.5)
    assert epochs_run(again, tmp_path) == 1
    assert_same(again, whole)


@pytest.mark.parametrize(
    "other",
    [
        {"config": replace(CONFIG, learning_rate=0.2)},
        {"config": replace(CONFIG, max_epochs=3, patience=3)},
        {"seed": 1},
        {"weights": 1},
        {"described": {"data": "other"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_checkpoint_of_something_else_is_ignored(other: dict, tmp_path: Path) -> None:
    regression(noise=0.5).run(tmp_path)
    alone, beside = regression(noise=0.5, **other), regression(noise=0.5, **other)
    alone.run()
    assert epochs_run(beside, tmp_path) == alone.config.max_epochs
    assert_same(beside, alone)


def test_a_checkpoint_of_other_code_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    regression(noise=0.5).run(tmp_path)
    monkeypatch.setattr("contactlens.dna.training.trainer.code_digest", lambda: "other")
    assert epochs_run(regression(noise=0.5), tmp_path) == 4


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    whole, again = regression(), regression()
    whole.run(tmp_path)
    assert epochs_run(again, tmp_path) == 0
    assert_same(again, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"epoch_{n:03d}.pt" for n in range(4)]


def test_training_stops_when_patience_ends_with_the_best_weights() -> None:
    config = replace(CONFIG, max_epochs=9, patience=2)
    trainer, seen = scripted([3.0, 2.0, 2.5, 2.0, 1.0], config)
    result = trainer.run()
    assert [log["validation_loss"] for log in result.history] == [3.0, 2.0, 2.5, 2.0]
    assert (result.best_epoch, result.best_loss) == (1, 2.0)
    assert torch.equal(trainer.model.weight, seen[1]) and not torch.equal(seen[1], seen[3])
    assert not trainer.model.training


def test_patience_of_one_and_the_end_of_a_run_that_gets_better() -> None:
    trainer, seen = scripted([1.0, 2.0], replace(CONFIG, patience=1))
    assert len(trainer.run().history) == 2 and torch.equal(trainer.model.weight, seen[0])
    trainer, seen = scripted([4.0, 3.0, 2.0, 1.0], replace(CONFIG, patience=1))
    assert trainer.run().best_epoch == 3 and torch.equal(trainer.model.weight, seen[3])


def test_losses_that_are_not_numbers_are_never_the_best() -> None:
    trainer, seen = scripted([math.nan, 2.0, math.nan, math.nan], replace(CONFIG, patience=3))
    assert trainer.run().best_epoch == 1 and torch.equal(trainer.model.weight, seen[1])


def test_what_is_frozen_is_neither_trained_nor_decayed() -> None:
    trainer = regression()
    trainer.model[0].requires_grad_(False)
    frozen = Trainer(trainer.model, N, trainer.batch_loss, trainer.validate, CONFIG, 0)
    before = trainer.model[0].weight.detach().clone()
    frozen.run()
    assert torch.equal(trainer.model[0].weight, before)
    assert sum(len(group["params"]) for group in frozen.optimizer.param_groups) == 2


def test_the_model_trains_in_training_mode_and_is_scored_in_evaluation_mode() -> None:
    modes: list[bool] = []
    model = nn.Linear(1, 1)

    def loss(rows: Tensor, _: torch.Generator) -> Tensor:
        modes.append(model.training)
        return model(torch.ones(len(rows), 1)).sum()

    def validate() -> dict[str, float]:
        modes.append(model.training)
        return {"validation_loss": 0.0}

    Trainer(model, 4, loss, validate, replace(CONFIG, max_epochs=2), 0).run()
    assert modes == [True, False] * 2


def test_seeds_are_set_for_every_library() -> None:
    def draws() -> list[float]:
        import random

        seed_everything(3, 1)
        return [random.random(), float(np.random.random()), float(torch.rand(()))]  # noqa: NPY002

    assert draws() == draws()
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("gradient_clip", -1.0),
        ("batch_size", 0),
        ("accumulate", 0),
        ("max_epochs", 0),
        ("patience", 0),
        ("threads", 0),
        ("warmup_share", 1.0),
        ("warmup_share", -0.1),
    ],
)
def test_nonsense_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"trainer.{name} must be"):
        replace(CONFIG, **{name: value})
