"""Tasks: which channels a model sees and what it predicts. A task is data, not a training script.

The table imports no torch, so that reading params stays quick.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from contactlens.base.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from contactlens.tracks.data.batch import TrackBatch
    from contactlens.tracks.simulation.simulators import Simulator

Target = Literal["signal", "state"]


@dataclass(frozen=True)
class Task:
    """One row of the table of systems.

    driver_input: whether the driver's channels are an input
    signal_input: whether MS2 is an input channel beside them
    conditioned: whether MS2 conditions the decoder instead, pooled to a short context
    gated: whether the distance gate multiplies every input channel, so that MS2 is seen only in contact
    target: what is predicted at each frame, a distribution of the signal or the log odds that the promoter is on
    latent: whether MS2 passes through a binary latent, in place of being predicted from something else
    simulator: where its simulated tracks come from
    """

    name: str
    driver_input: bool = True
    signal_input: bool = False
    conditioned: bool = False
    gated: bool = True
    target: Target = "signal"
    latent: bool = False
    simulator: "Simulator" = "rouse"

    @property
    def sees_signal(self) -> bool:
        """Whether MS2 is the last channel of `model_input`."""
        return self.signal_input or self.conditioned

    @property
    def may_copy_signal(self) -> bool:
        """Whether only the gate keeps the model from copying MS2 from its input to its output."""
        return self.signal_input and self.predicts_signal

    @property
    def predicts_signal(self) -> bool:
        """Whether it predicts MS2 from something else, by the head that `model.head` names; states and latents have a
        head of their own."""
        return self.target == "signal" and not self.latent


TASKS = {
    task.name: task
    for task in (
        Task("ep_to_ms2"),
        Task("epms2_to_ms2", signal_input=True),
        Task("epms2_to_ms2_conditioned", conditioned=True),
        Task("epms2_to_states", signal_input=True, target="state"),
        Task("ep_to_states", target="state"),
        Task("ms2_to_states", driver_input=False, signal_input=True, gated=False, target="state"),
        Task("ms2_to_ms2_vae", driver_input=False, signal_input=True, gated=False, latent=True),
        Task("toy", gated=False, simulator="random_walk"),
    )
}


def task_named(name: str) -> Task:
    """The task of that name; InputError names the known ones otherwise."""
    if name not in TASKS:
        raise InputError(f"tracks.task: unknown task {name!r}; known: {', '.join(TASKS)}")
    return TASKS[name]


def model_input(task: Task, batch: "TrackBatch") -> "Tensor":
    """(N, C, T): the driver's channels, then MS2, each where the task has it; MS2 is detached from any graph."""
    import torch

    driver = [batch.driver] if task.driver_input else []
    signal = [batch.signal[:, None].detach()] if task.sees_signal else []
    return torch.cat([*driver, *signal], dim=1)


def channel_names(task: Task, driver_columns: list[str]) -> list[str]:
    """Names of the channels of `model_input`, in its order."""
    return [*(driver_columns if task.driver_input else []), *(["ms2"] if task.sees_signal else [])]


def state_of(batch: "TrackBatch") -> "Tensor":
    """The promoter's state (N, T); InputError for tracks without that truth."""
    if batch.state is None:
        raise InputError("tracks.task: promoter states are known of simulated tracks only; choose a task that has MS2")
    return batch.state
