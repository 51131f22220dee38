"""The training loop on models small enough to be followed by hand."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contactlens.base.progress import shown_by
from contactlens.base.torch_setup import resolve_device, seed_everything
from contactlens.training.config import LoopConfig
from contactlens.training.loop import Trainer
from contactlens.training.trainable import Validation
from toy_training import CONFIG, KilledError, Toy, assert_same, regression


def scripted(losses: list[float], config: LoopConfig) -> tuple[Trainer, list[Tensor]]:
    """A model whose validation losses are `losses`, and its weights as they were after each epoch."""
    model, seen = nn.Linear(2, 1), []

    def scores() -> dict[str, float]:
        seen.append(model.weight.detach().clone())
        return {"validation_loss": losses[len(seen) - 1]}

    toy = Toy(model, 4, lambda rows, _: model(torch.ones(len(rows), 2)).square().mean(), scores)
    return Trainer(toy, config, 0), seen


def killed_after(epochs: int) -> Callable[[dict[str, float]], None]:
    def on_epoch(log: dict[str, float]) -> None:
        if log["epoch"] == epochs - 1:
            raise KilledError

    return on_epoch


def epochs_run(trainer: Trainer, folder: Path) -> int:
    """How many were trained, beside those that were taken up."""
    trainer.epoch = Mock(wraps=trainer.epoch)
    trainer.run(folder)
    return trainer.epoch.call_count


def test_learning_rate_rises_linearly_and_falls_as_half_a_cosine() -> None:
    trainer = regression(warmup_share=0.15)  # 20 rows, batches of 4, 4 epochs: 20 steps, 3 of warm-up
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    trainer.run()
    rise = [0.25, 0.5, 0.75]
    fall = [(1 + math.cos(math.pi * k / 17)) / 2 for k in range(17)]
    np.testing.assert_allclose(rates, 0.1 * np.array(rise + fall), rtol=1e-12)


def test_without_warm_up_the_schedule_is_torchs_own() -> None:
    trainer = regression(warmup_share=0.0, accumulate=2)  # 3 steps an epoch: 8, 8 and 4 rows
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    trainer.run()
    reference = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(reference, T_max=12)
    for rate in rates:
        assert rate == pytest.approx(reference.param_groups[0]["lr"], rel=1e-9)
        reference.step()
        schedule.step()
    assert len(rates) == 12


def test_two_batches_of_four_make_one_of_eight() -> None:
    small, large = regression(accumulate=2), regression(replace(CONFIG, batch_size=8))
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


def killed_in_batch(trainer: Trainer, number: int) -> Trainer:
    """Its loss fails in that batch of the whole training, from 1, and draws from torch's own numbers too."""
    loss, calls = trainer.trained.loss, []

    def fails(rows: Tensor, random: torch.Generator) -> Tensor:
        calls.append(1)
        if len(calls) == number:
            raise KilledError
        return loss(rows, random) + torch.rand(()) * trainer.model[0].bias.sum()

    trainer.trained.loss = fails
    return trainer


def drawing(checkpoint_steps: int) -> Trainer:
    return regression(noise=0.5, checkpoint_steps=checkpoint_steps)


@pytest.mark.parametrize("checkpoint_steps", [0, 1, 2, 5, 7])
@pytest.mark.parametrize("batch", [1, 2, 3, 5, 6, 12, 15, 20])
def test_a_run_killed_within_an_epoch_repeats_the_steps_since_its_last_state(
    batch: int, checkpoint_steps: int, tmp_path: Path
) -> None:
    """Five steps an epoch; whoever is killed and whoever is not end with the same bytes, however often states are
    kept."""
    whole = killed_in_batch(drawing(0), 0)
    whole.run()
    with pytest.raises(KilledError):
        killed_in_batch(drawing(checkpoint_steps), batch).run(tmp_path)
    torch.rand(7)
    again = killed_in_batch(drawing(checkpoint_steps), 0)
    again.optimizer.step = Mock(wraps=again.optimizer.step)
    again.run(tmp_path)
    epochs, steps = divmod(batch - 1, 5)
    kept = 5 * epochs + (steps - steps % checkpoint_steps if checkpoint_steps else 0)
    assert again.optimizer.step.call_count == 20 - kept
    assert_same(again, whole)


def test_the_two_newest_states_stay_whether_within_an_epoch_or_after_one(tmp_path: Path) -> None:
    seen = []
    for batch, names in ((5, ("epoch_000_step_2", "epoch_000_step_4")), (6, ("epoch_000_step_4", "epoch_000"))):
        with pytest.raises(KilledError):
            killed_in_batch(drawing(2), batch).run(tmp_path / str(batch))
        seen.append({path.stem for path in (tmp_path / str(batch)).iterdir()} == set(names))
    assert seen == [True, True]


def test_a_damaged_state_within_an_epoch_falls_back_to_the_one_before(tmp_path: Path) -> None:
    whole = killed_in_batch(drawing(0), 0)
    whole.run()
    with pytest.raises(KilledError):
        killed_in_batch(drawing(2), 15).run(tmp_path)
    newest = tmp_path / "epoch_002_step_4.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    again = killed_in_batch(drawing(2), 0)
    again.optimizer.step = Mock(wraps=again.optimizer.step)
    with pytest.warns(UserWarning, match=r"epoch_002_step_4\.pt: damaged"):
        again.run(tmp_path)
    assert again.optimizer.step.call_count == 20 - 12
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


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    whole, again = regression(), regression()
    whole.run(tmp_path)
    assert epochs_run(again, tmp_path) == 0
    assert_same(again, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"epoch_{n:03d}.pt" for n in (2, 3)]


def test_training_stops_when_patience_ends_with_the_best_weights() -> None:
    config = replace(CONFIG, max_epochs=9, patience=2)
    trainer, seen = scripted([3.0, 2.0, 2.5, 2.0, 1.0], config)
    result = trainer.run()
    assert [log["validation_loss"] for log in result.history] == [3.0, 2.0, 2.5, 2.0]
    assert (result.best_epoch, result.best_score) == (1, 2.0)
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


def test_what_is_frozen_is_not_trained() -> None:
    trainer = regression()
    trainer.model[0].requires_grad_(False)
    frozen = Trainer(trainer.trained, CONFIG, 0)
    before = trainer.model[0].weight.detach().clone()
    frozen.run()
    assert torch.equal(trainer.model[0].weight, before)
    assert len(frozen.parameters) == 2


def test_the_model_trains_in_training_mode_and_is_scored_in_evaluation_mode() -> None:
    modes: list[bool] = []
    model = nn.Linear(1, 1)

    def loss(rows: Tensor, _: torch.Generator) -> Tensor:
        modes.append(model.training)
        return model(torch.ones(len(rows), 1)).sum()

    def scores() -> dict[str, float]:
        modes.append(model.training)
        return {"validation_loss": 0.0}

    Trainer(Toy(model, 4, loss, scores), replace(CONFIG, max_epochs=2), 0).run()
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
        ("max_epochs", 0),
        ("patience", 0),
        ("threads", 0),
        ("device", "abacus"),
    ],
)
def test_nonsense_settings_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        replace(CONFIG, **{name: value})


def test_without_a_share_to_warm_up_the_rate_falls_with_the_epochs() -> None:
    trainer = regression(warmup_share=None)  # 5 steps an epoch
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    trainer.run()
    expected = [0.1 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(rates, np.repeat(expected, 5), rtol=1e-9)


def test_every_term_is_logged_and_their_sum_is_what_falls() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)

    class Two(Toy):
        def terms(self, rows: Tensor, random: torch.Generator, epoch: int) -> dict[str, Tensor]:
            return {"fit": (model.weight - 3.0).square().mean(), "cost": 0.5 * model.weight.square().mean()}

    toy = Two(model, 4, lambda *_: torch.zeros(()), lambda: {"validation_loss": float(model.weight.detach())})
    result = Trainer(toy, replace(CONFIG, max_epochs=200, patience=200), 0).run()
    for log in result.history:
        assert log["train_loss"] == pytest.approx(log["train_fit"] + log["train_cost"], rel=1e-5)
    # (w - 3)^2 + w^2 / 2 is least at w = 2
    assert result.history[-1]["validation_loss"] == pytest.approx(2.0, abs=0.05)


def test_kept_outputs_are_those_of_every_epoch_also_of_one_taken_up(tmp_path: Path) -> None:
    def kept() -> Trainer:
        trainer = regression(noise=0.5)
        toy = trainer.trained
        toy.validate = lambda: Validation(toy.scores(), toy.model[0].bias.detach().clone())
        return trainer

    whole = kept().run().validation_outputs
    with pytest.raises(KilledError):
        kept().run(tmp_path, killed_after(2))
    again = kept().run(tmp_path).validation_outputs
    assert len(whole) == 4 and not torch.equal(whole[0], whole[3])
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))


def test_progress_counts_every_epoch_those_taken_up_too(tmp_path: Path) -> None:
    class Shown:
        def __init__(self) -> None:
            self.counts: list[tuple[str, float, float]] = []

        @contextmanager
        def counting(self, what: str, total: float) -> Iterator["Shown"]:
            self.what, self.total = what, total
            yield self

        def to(self, done: float, note: str = "") -> None:
            self.counts.append((self.what, done, self.total))

    with pytest.raises(KilledError):
        regression().run(tmp_path, killed_after(2))
    shown = Shown()
    with shown_by(shown):
        regression().run(tmp_path, counted_as="epochs from seed 0")
    assert shown.counts == [("epochs from seed 0", done, 4) for done in (1, 2, 3, 4)]


def test_what_draws_from_torch_s_own_numbers_draws_the_same_after_a_kill(tmp_path: Path) -> None:
    def dropping() -> Trainer:
        trainer = regression()
        model = trainer.model
        loss = trainer.trained.loss
        trainer.trained.loss = lambda rows, random: loss(rows, random) + torch.rand(()) * model[0].bias.sum()
        return trainer

    whole, again = dropping(), dropping()
    whole.run()
    with pytest.raises(KilledError):
        dropping().run(tmp_path, killed_after(2))
    torch.rand(7)
    again.run(tmp_path)
    assert_same(again, whole)
