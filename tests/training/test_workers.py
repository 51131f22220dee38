"""Several processes that train one model: as one process does, to rounding, and resumable as it is."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

from by_value import sent_by_value
from contactlens.base.errors import InputError
from contactlens.training.loop import Trainer
from contactlens.training.workers import ALONE, Workers
from gloo_processes import in_processes
from toy_training import CONFIG, KilledError, regression


@pytest.fixture(autouse=True)
def _sent_by_value() -> Iterator[None]:
    with sent_by_value(cloudpickle, sys.modules[__name__]):
        yield


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_and_turns_cover_everything_once_and_evenly(count: int) -> None:
    rows, items = torch.arange(17), list(range(5))
    workers = [Workers(rank, count) for rank in range(count)]
    parts = [one.part(rows) for one in workers]
    assert torch.equal(torch.cat(parts), rows) and np.ptp([len(part) for part in parts]) <= 1
    assert sorted(item for one in workers for item in one.turns(items)) == items


def test_a_process_alone_changes_nothing() -> None:
    value, parameter = torch.tensor([1.0, 2.0]), nn.Parameter(torch.zeros(2))
    assert Workers.of_process_group() == ALONE and torch.equal(ALONE.sum(value), value)
    ALONE.sum_gradients([parameter])
    with ALONE.first_before_others():
        assert parameter.grad is None and ALONE.from_first((1, "a")) == (1, "a")


def operations(workers: Workers, folder: Path) -> dict[str, Any]:
    """Each operation, on values that differ by rank."""
    rank, found = workers.rank, {}
    found["sum"] = workers.sum(torch.tensor([1.0, 10.0]) * (rank + 1)).tolist()
    named = workers.sum_named({"a": torch.tensor(rank), "b": torch.tensor(2)})
    found["named"] = {name: float(value) for name, value in named.items()}
    everywhere, here, _ = parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (1,), (4,))]
    everywhere.grad = torch.arange(6.0).reshape(2, 3) * (rank + 1)
    here.grad = torch.tensor([5.0]) if rank == 1 else None
    workers.sum_gradients(parameters)
    found["gradients"] = [None if p.grad is None else p.grad.tolist() for p in parameters]
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, rank)
    workers.share_weights(model)
    found["weight"] = model.weight.item()
    found["first"] = workers.from_first({"rank": rank, "nan": float("nan"), "text": "é" * (rank + 1)})
    with workers.first_before_others():
        found["there"] = (folder / "note").exists()
        (folder / "note").touch()
    return found


def test_operations_give_every_process_the_same(tmp_path: Path) -> None:
    first, second = in_processes(2, operations, tmp_path, tmp_path)
    assert (first.pop("there"), second.pop("there")) == (False, True)
    assert repr(first) == repr(second)
    assert first["sum"] == [3.0, 30.0] and first["named"] == {"a": 1.0, "b": 4.0}
    assert first["gradients"] == [[[0.0, 3.0, 6.0], [9.0, 12.0, 15.0]], [5.0], None]
    assert first["weight"] == 0.0 and repr(first["first"]) == "{'rank': 0, 'nan': nan, 'text': 'é'}"


def summary(trainer: Trainer) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    return trainer.result.history, [p.detach().numpy() for p in trainer.model.parameters()]


def trained(workers: Workers, more: dict[str, Any]) -> Any:
    """Weights that differ by rank at the start: those of the first count."""
    trainer = regression(weights=workers.rank, workers=workers, **more)
    trainer.run()
    return summary(trainer)


@pytest.mark.parametrize(
    ("count", "batch_size", "accumulate"),
    [(2, 4, 1), (2, 4, 2), (2, 4, 3), (3, 9, 1)],  # of 20 rows; the last one's last step has 2 rows for 3 processes
)
def test_several_processes_train_as_one_does(count: int, batch_size: int, accumulate: int, tmp_path: Path) -> None:
    """Gradients are clipped, so a clip of each process's own would show."""
    config = replace(CONFIG, batch_size=batch_size, gradient_clip=0.1)
    more = {"config": config, "accumulate": accumulate}
    history, weights = trained(ALONE, more)
    for own_history, own_weights in in_processes(count, trained, tmp_path, more):
        assert len(own_history) == len(history)
        for log, expected in zip(own_history, history, strict=True):
            assert log == pytest.approx(expected, abs=1e-12)
        for value, expected in zip(own_weights, weights, strict=True):
            np.testing.assert_allclose(value, expected, rtol=0, atol=1e-11)


def killed_and_resumed(workers: Workers, folder: Path, batch: int) -> Any:
    """A run without a break, and one that was killed in every process in that batch; how many steps came after."""
    more: dict[str, Any] = {"noise": 0.5, "workers": workers, "checkpoint_steps": 2}
    whole, dying, again = (regression(**more) for _ in range(3))
    whole.run()
    loss, calls, steps = dying.trained.loss, [], []

    def fails(*args: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == batch:
            raise KilledError
        return loss(*args)

    dying.trained.loss = fails
    with suppress(KilledError):
        dying.run(folder)
    again.optimizer.register_step_pre_hook(lambda *_: steps.append(1))
    told: list[dict[str, float]] = []
    again.run(folder, told.append)
    return summary(whole), summary(again), len(steps), told


@pytest.mark.parametrize("batch", [3, 5, 6, 14])
def test_processes_that_are_killed_go_on_to_the_same_bytes(batch: int, tmp_path: Path) -> None:
    """What is drawn is drawn again, by whichever process."""
    first, second = in_processes(2, killed_and_resumed, tmp_path, tmp_path / "states", batch)
    (history, weights), (again, same), steps, told = first
    epochs, done = divmod(batch - 1, 5)
    assert steps == 20 - 5 * epochs - 2 * (done // 2)
    assert again == history and all(np.array_equal(one, other) for one, other in zip(weights, same, strict=True))
    assert told == history and second[3] == []
    assert repr(second[:3]) == repr(first[:3])


def of_other_data(workers: Workers, folder: Path) -> None:
    regression(workers=workers, described=f"data of {workers.rank}").run(folder)


def test_a_process_with_other_data_is_refused(tmp_path: Path) -> None:
    _, error = in_processes(2, of_other_data, tmp_path, tmp_path)
    assert isinstance(error, InputError)
    assert str(error) == "worker 1 has other code, settings or data than worker 0"
