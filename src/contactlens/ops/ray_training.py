"""One training in several of Ray's workers, as Ray Train runs it: joined by torch, and started again when one is lost.
Knows no science.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from unittest import mock

from torch import nn

from contactlens.base.errors import InputError, message_of
from contactlens.base.progress import counting
from contactlens.base.torch_setup import seed_everything
from contactlens.ops.cluster_address import cluster_address
from contactlens.ops.parallel import MAX_RETRIES, Workers
from contactlens.ops.ray_session import ray_session
from contactlens.training.trainable import EpochLog
from contactlens.training.workers import Workers as TrainingWorkers

if TYPE_CHECKING:
    from ray.train.torch import TorchTrainer

Result = TypeVar("Result")
POLL_SECONDS = 0.5  # between two looks at what the first worker has told
PATIENCE_SECONDS = 7 * 24 * 3600  # of a worker that waits for the first; one that is lost is noticed by Ray
LOOPBACK = {"linux": "lo", "darwin": "lo0"}


class Compute(Protocol):
    """What a training computes on: the DNA branch's trainers are such."""

    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def max_epochs(self) -> int: ...


class Run(Protocol):
    """How a training is run: the DNA branch's are such."""

    @property
    def workers(self) -> int: ...
    @property
    def trainer(self) -> Compute: ...


def run_training(
    train: Callable[..., Result],
    run: Run,
    seed: int,
    checkpoints: Path,
    on_epoch: Callable[[EpochLog], None],
    asked: str,
) -> Result:
    """What `train(checkpoints=..., on_epoch=...)` gives; with several workers each calls it, with `workers=...` too,
    and what the first one's gives comes back.

    train: sent to the workers with all that it holds. It keeps its states in `checkpoints`, on a disk that every node
        sees, and goes on from there: a lost worker costs what came after the last state, and all are started again
    run: each worker has so many CPUs as `trainer.threads`, and a GPU of its own unless there is none or the device is
        the CPU
    on_epoch: called here with the log of each epoch, once
    asked: the setting of the number of workers, as messages call it

    Raises InputError where there is no room for all workers at once, or where `train` refuses its input in one of
    them, and Ray's own error where workers were lost, or failed, more than MAX_RETRIES times.
    """
    if run.workers == 1:
        return train(checkpoints=checkpoints, on_epoch=on_epoch)
    state, cpus = checkpoints.absolute(), run.trainer.threads
    state.mkdir(parents=True, exist_ok=True)
    one = f"{asked}: workers of {{cpus}} CPUs each"
    with _gloo_at_home(), ray_session(Workers(run.workers, cpus, 0.0), state, one):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = int(run.trainer.device != "cpu" and any(node.get("GPU", 0) for node in nodes))
        require_workers(run.workers, cpus, gpus, nodes, asked)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        told: Any = ray.remote(_Told).options(num_cpus=0, scheduling_strategy=here).remote()
        work = partial(_work, train=train, seed=seed, threads=cpus, state=state, told=told)
        with counting("epochs", run.trainer.max_epochs) as count:

            def tell(log: EpochLog) -> None:
                on_epoch(log)
                count.to(log["epoch"] + 1)

            _fit(_torch_trainer(work, run.workers, cpus, gpus, state / "ray"), told, tell)
            return cast(Result, ray.get(told.given.remote()))


def require_workers(count: int, cpus: int, gpus: int, nodes: list[dict[str, float]], asked: str) -> None:
    """Raises InputError where the nodes hold fewer: Ray would wait without end for the last one."""
    room = sum(_slots(node, cpus, gpus) for node in nodes)
    if room < count:
        each = f"{cpus} CPUs" + (f" and {gpus} GPU" if gpus else "")
        raise InputError(f"{asked}: {count} of {each} each asked, but Ray's nodes have room for {room}")


def _slots(node: Mapping[str, float], cpus: int, gpus: int) -> int:
    by_cpus = int(node.get("CPU", 0) // cpus)
    return min(by_cpus, int(node.get("GPU", 0) // gpus)) if gpus else by_cpus


@contextmanager
def _gloo_at_home() -> Iterator[None]:
    """Where there is no cluster, gloo too talks over the loopback interface."""
    alone = cluster_address() is None and sys.platform in LOOPBACK
    with mock.patch.dict(os.environ, {"GLOO_SOCKET_IFNAME": LOOPBACK[sys.platform]} if alone else {}):
        yield


class _Told:
    """An actor: what the workers have told, for the driver to ask."""

    def __init__(self) -> None:
        self.logs: list[EpochLog] = []
        self.refusal: str | None = None
        self.result: Any = None

    def epoch(self, log: EpochLog) -> None:
        """A training that is taken up tells of the epochs before once more."""
        if log["epoch"] == len(self.logs):
            self.logs.append(log)

    def refuse(self, message: str) -> None:
        self.refusal = message

    def refused(self) -> str | None:
        return self.refusal

    def logs_from(self, epoch: int) -> list[EpochLog]:
        return self.logs[epoch:]

    def give(self, result: Any) -> None:
        self.result = result

    def given(self) -> Any:
        return self.result


def _work(train: Callable[..., Any], seed: int, threads: int, state: Path, told: Any) -> None:
    """In each worker. The first one's gives what its `train` does, networks on the CPU, as the driver may have no GPU;
    Ray Train itself brings no tensors back.

    Nothing once a worker has refused, as it would do so again.
    """
    import ray

    if ray.get(told.refused.remote()) is not None:
        return
    seed_everything(seed, threads)
    workers = TrainingWorkers.of_process_group()

    def tell(log: EpochLog) -> None:
        ray.get(told.epoch.remote(log))

    try:
        result = train(checkpoints=state, on_epoch=tell, workers=workers)
    except Exception as error:
        if (message := message_of(error)) is not None:
            ray.get(told.refuse.remote(message))
        raise
    if not workers.is_first:
        return
    for part in result if isinstance(result, tuple) else ():
        if isinstance(part, nn.Module):
            part.cpu()
    ray.get(told.give.remote(result))


def _torch_trainer(work: Callable[[], None], count: int, cpus: int, gpus: int, storage: Path) -> "TorchTrainer":
    """gloo on CPUs, NCCL on GPUs. Ray's own storage holds no state of the training."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    shutil.rmtree(storage, ignore_errors=True)
    return TorchTrainer(
        work,
        torch_config=TorchConfig(timeout_s=PATIENCE_SECONDS),
        scaling_config=ScalingConfig(
            num_workers=count, use_gpu=bool(gpus), resources_per_worker={"CPU": cpus, "GPU": gpus}
        ),
        run_config=RunConfig(
            name="training", storage_path=str(storage), failure_config=FailureConfig(max_failures=MAX_RETRIES)
        ),
    )


def _fit(trainer: "TorchTrainer", told: Any, on_epoch: Callable[[EpochLog], None]) -> None:
    """Ray Train waits in a thread, so that this one can tell of epochs, and be interrupted, meanwhile."""
    import ray

    failed: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:
            failed.append(error)

    thread, seen = threading.Thread(target=fit, daemon=True), 0
    thread.start()
    running = True
    while running:
        thread.join(POLL_SECONDS)
        running = thread.is_alive()  # asked before what was told, so that the last of it is not missed
        for log in ray.get(told.logs_from.remote(seen)):
            on_epoch(log)
            seen += 1
    if (refusal := ray.get(told.refused.remote())) is not None:
        raise InputError(refusal)
    if failed:
        raise failed[0]
