"""Processes of this machine joined by torch's gloo, as Ray Train joins its workers, without Ray."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import torch
import torch.distributed as dist

from contactlens.training.workers import Workers

FAILED = "failed"


def in_processes(count: int, work: Callable[..., Any], folder: Path, *args: Any) -> list[Any]:
    """What `work(workers, *args)` gives in each process; of one that raised, the error."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "contactlens.training.loop"])  # the first is for any optimizer
    sent = cloudpickle.dumps((work, args))
    processes = [context.Process(target=_child, args=(sent, rank, count, folder)) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [cloudpickle.loads((folder / str(rank)).read_bytes()) for rank in range(count)]


def _child(sent: bytes, rank: int, count: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=count)
    work, args = cloudpickle.loads(sent)
    try:
        result = work(Workers.of_process_group(), *args)
    except Exception as error:
        result = error
    (folder / str(rank)).write_bytes(cloudpickle.dumps(result))
