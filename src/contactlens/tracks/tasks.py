"""Tasks: which channels a model sees and what it predicts. A task is data, not a training script."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contactlens.errors import InputError
from contactlens.tracks.batch import TrackBatch


@dataclass(frozen=True)
class Task:
    """signal_input: whether MS2 is an input channel beside the driver's (behind the gate, never copied)."""

    name: str
    signal_input: bool


TASKS = {
    "ep_to_ms2": Task("ep_to_ms2", signal_input=False),
    "epms2_to_ms2": Task("epms2_to_ms2", signal_input=True),
}


def task_named(name: str) -> Task:
    """The task of that name; InputError names the known ones otherwise."""
    if name not in TASKS:
        raise InputError(f"tracks.task: unknown task {name!r}; known: {', '.join(TASKS)}")
    return TASKS[name]


def model_input(task: Task, batch: TrackBatch) -> Tensor:
    """(N, C, T): the driver's channels, then MS2 where the task has it as an input, detached from any graph."""
    if not task.signal_input:
        return batch.driver
    return torch.cat([batch.driver, batch.signal[:, None].detach()], dim=1)


def channel_names(task: Task, driver_columns: list[str]) -> list[str]:
    """Names of the channels of `model_input`, in its order."""
    return [*driver_columns, "ms2"] if task.signal_input else list(driver_columns)
