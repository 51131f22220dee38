"""A worker that is lost from a training that several share."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ray import cloudpickle

import toy_training
from by_value import sent_by_value
from contactlens.ops.ray_training import run_training
from toy_training import EPOCHS, EVERY, STEPS, Run, train


@pytest.fixture(autouse=True)
def _sent_by_value() -> Iterator[None]:
    with sent_by_value(cloudpickle, sys.modules[__name__], toy_training):
        yield


def kill_one(folder: Path, notes: Path) -> None:
    """Worker 1, in the middle of the second epoch or later, once a state within it is there."""
    while not list(folder.glob(f"epoch_001_step_{EVERY}.pt")):
        time.sleep(0.01)
    pid = next(int(line.split()[2]) for line in notes.read_text().splitlines() if line.startswith("1 "))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_worker_costs_the_steps_since_the_last_state_and_changes_nothing(
    tmp_path: Path, record_fault: Callable[[str, str, str], None]
) -> None:
    notes, told = tmp_path / "notes", []
    slow = partial(train, noise=0.5, notes=notes, pause=0.2)
    killing = threading.Thread(target=kill_one, args=(tmp_path / "states", notes), daemon=True)
    killing.start()
    found = run_training(slow, Run(2), 0, tmp_path / "states", told.append, "toy.workers")
    killing.join()
    begun = [[int(word) for word in line.split()] for line in notes.read_text().splitlines()]
    assert len({pid for _, _, pid in begun}) == 4  # both are started again
    for rank in (0, 1):
        places = [place for who, place, _ in begun if who == rank]
        again = len(places) - len(set(places))
        assert set(places) == set(range(STEPS * EPOCHS)) and 0 < again <= EVERY
    assert told == found["history"] and len(told) == EPOCHS
    quick = partial(train, noise=0.5)
    undisturbed = run_training(quick, Run(2), 0, tmp_path / "others", lambda _: None, "toy.workers")
    assert undisturbed["history"] == found["history"]
    pairs = zip(undisturbed["weights"], found["weights"], strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    record_fault(
        "SIGKILL of one of two Ray Train workers within an epoch",
        "both went on from the newest state; same weights and logs as undisturbed, each epoch told once",
        "at most `checkpoint_steps` steps",
    )
