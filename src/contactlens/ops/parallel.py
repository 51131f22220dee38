"""Independent pieces of work as Ray tasks, each with a folder of its own that outlives a kill. Knows no science."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from contactlens.base.errors import InputError
from contactlens.base.progress import counting
from contactlens.ops.ray_session import gpus_per_trial, ray_session
from contactlens.training.search import SearchConfig

Piece = TypeVar("Piece")
DONE = "done"
MAX_RETRIES = 2  # of a piece whose worker was lost


def run_pieces(
    work: Callable[[Piece, Any, Path], None],
    pieces: Sequence[Piece],
    shared: Any,
    config: SearchConfig,
    folder: Path,
    what: str,
) -> list[Path]:
    """Call `work(piece, shared, folder of the piece)` for each of the pieces, as many at once as trials of a sweep run,
    and give their folders, in order.

    work: writes its results into its folder; called again after a kill, it goes on from what it left there
    shared: sent to the workers once
    config: what one piece takes of the machine, and how many run at once: those of a trial
    folder: on a disk that every node sees; what has ended there is not run again
    what: the pieces' name in the count of progress

    Raises what `work` raised, and InputError where a piece fits on no node.
    """
    folders = [folder.absolute() / f"{number:03d}" for number in range(len(pieces))]
    waiting = [number for number, own in enumerate(folders) if not (own / DONE).is_file()]
    if not waiting:
        return folders
    for number in waiting:
        folders[number].mkdir(parents=True, exist_ok=True)
    with ray_session(config, folder.absolute()), counting(what, len(pieces)) as count:
        import ray

        gpus = gpus_per_trial(config, ray.cluster_resources())
        task = ray.remote(_run).options(num_cpus=config.cpus_per_trial, num_gpus=gpus, max_retries=MAX_RETRIES)
        running: list[Any] = []
        sent, ended = ray.put(shared), len(pieces) - len(waiting)
        count.to(ended)
        for number in waiting:
            if len(running) == config.max_concurrent:
                running = _after_one(running)
                count.to(ended := ended + 1)
            running.append(task.remote(work, pieces[number], sent, folders[number]))
        while running:
            running = _after_one(running)
            count.to(ended := ended + 1)
    return folders


def _run(work: Callable[[Any, Any, Path], None], piece: Any, shared: Any, folder: Path) -> None:
    """In a worker. The mark comes last: what was cut short is run again."""
    work(piece, shared, folder)
    (folder / DONE).touch()


def _after_one(running: list[Any]) -> list[Any]:
    """Wait until one has ended and give those that still run; raises what it raised."""
    import ray

    ended, rest = ray.wait(running)
    try:
        ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):  # without the worker's stack
            raise InputError(str(error.cause)) from None
        raise
    return list(rest)
