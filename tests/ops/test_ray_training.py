"""Ray Train's workers on this machine: what they train, what they tell, and what is refused."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ray import cloudpickle

import toy_training
from by_value import sent_by_value
from contactlens.base.errors import InputError
from contactlens.ops.ray_training import require_workers, run_training
from contactlens.training.trainable import EpochLog
from contactlens.training.workers import Workers
from toy_training import CONFIG, EPOCHS, Run, train


@pytest.fixture(autouse=True)
def _sent_by_value() -> Iterator[None]:
    with sent_by_value(cloudpickle, sys.modules[__name__], toy_training):
        yield


def refusing(checkpoints: Path, on_epoch: Any, workers: Workers) -> None:
    if workers.rank == 1:
        with (checkpoints / "tries").open("a") as file:
            file.write("x")
        raise InputError("genome.fa: no record 'chr7'")
    workers.sum(torch.zeros(1))  # waits for the other


@pytest.mark.slow
def test_two_workers_train_as_one_process_does(tmp_path: Path) -> None:
    logs: dict[int, list[EpochLog]] = {1: [], 2: []}
    alone, together = (
        run_training(train, Run(count), 0, tmp_path / str(count), logs[count].append, "toy.workers") for count in (1, 2)
    )
    assert logs[1] == alone["history"] and logs[2] == together["history"] and len(logs[2]) == EPOCHS
    for log, expected in zip(together["history"], alone["history"], strict=True):
        assert log == pytest.approx(expected, abs=1e-12)
    for value, expected in zip(together["weights"], alone["weights"], strict=True):
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-11)


@pytest.mark.slow
def test_what_one_worker_refuses_is_one_line_and_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^genome\.fa: no record 'chr7'$"):
        run_training(refusing, Run(2), 0, tmp_path, lambda _: None, "toy.workers")
    assert (tmp_path / "tries").read_text() == "x"


@pytest.mark.slow
def test_workers_that_find_no_room_at_once_are_refused(tmp_path: Path) -> None:
    many = (os.cpu_count() or 1) + 1
    with pytest.raises(InputError, match=rf"^toy\.workers: {many} of 1 CPUs each asked, but Ray's nodes have room for"):
        run_training(train, Run(many), 0, tmp_path, lambda _: None, "toy.workers")
    wide = Run(2, replace(CONFIG, threads=4096))
    with pytest.raises(InputError, match=r"^toy\.workers: workers of 4096 CPUs each asked, but Ray has"):
        run_training(train, wide, 0, tmp_path, lambda _: None, "toy.workers")


@pytest.mark.parametrize(("cpus", "gpus", "room"), [(1, 0, 13), (4, 0, 3), (1, 1, 3), (4, 1, 2), (8, 1, 1), (16, 1, 0)])
def test_room_is_what_whole_workers_take_of_each_node(cpus: int, gpus: int, room: int) -> None:
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0, "GPU": 1.0 if cpus == 1 else 0.0}, {"CPU": 1.0}]
    require_workers(room, cpus, gpus, nodes, "toy.workers")
    each = f"{cpus} CPUs{' and 1 GPU' * gpus} each"
    with pytest.raises(InputError, match=rf"^toy\.workers: {room + 1} of {each} asked, .* have room for {room}$"):
        require_workers(room + 1, cpus, gpus, nodes, "toy.workers")


def test_one_worker_needs_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # nothing answers there
    assert len(run_training(train, Run(1), 0, tmp_path, lambda _: None, "toy.workers")["history"]) == EPOCHS
    with pytest.raises(InputError, match="nothing answers there"):
        run_training(train, Run(2), 0, tmp_path, lambda _: None, "toy.workers")
