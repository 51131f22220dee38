"""Independent pieces of work in Ray's workers, each with a folder of its own that outlives a kill. Knows no science."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from contactlens.base.errors import InputError
from contactlens.base.progress import counting
from contactlens.ops.ray_session import gpus_per_trial, ray_session
from contactlens.training.search import SearchConfig

Piece = TypeVar("Piece")
DONE = "done"
ASKED = "workers of {cpus} CPUs and {gpus:g} GPUs each"
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


@dataclass(frozen=True)
class Workers:
    """count: processes; cpus, gpus: what each takes of its node. A fraction of a GPU lets workers share it, and the
    share counts only where there is a GPU
    """

    count: int
    cpus: int
    gpus: float

    @property
    def cpus_per_trial(self) -> int:
        return self.cpus

    @property
    def gpus_per_trial(self) -> float:
        return self.gpus


Work = Callable[[Any, Any, Path], None]
Runner = Callable[[Work, Sequence[tuple[Any, Path]], Any, str], None]


@contextmanager
def on_workers(workers: Workers, state: Path) -> Iterator[Runner]:
    """What calls `work(piece, shared, folder)` for each of some pieces with their folders, in processes that stay until
    the end of the block: each imports its libraries once, and takes `shared`, such as a model, once for all pieces of
    a call. Its last argument names the pieces in the count of progress.

    state: folder on a disk that every node sees, as those of the pieces are

    Ray starts with the first call. A worker that is lost is replaced, and its piece done again. Raises what `work`
    raised, and InputError where a worker fits on no node.
    """
    with ExitStack() as stack:
        pools: list[_Pool] = []

        def run(work: Work, pieces: Sequence[tuple[Any, Path]], shared: Any, what: str) -> None:
            if not pools:
                state.mkdir(parents=True, exist_ok=True)
                stack.enter_context(ray_session(workers, state.absolute(), ASKED))
                pools.append(_Pool(workers))
            pools[0].run(work, pieces, shared, what)

        yield run


class _Worker:
    """In a process of its own; keeps what it was sent last."""

    def __init__(self) -> None:
        self.reference: Any = None
        self.shared: Any = None

    def ready(self) -> None:
        """Ends once there is room for the worker."""

    def run(self, work: Work, piece: Any, sent: list[Any], folder: Path) -> None:
        """sent: the reference to what is shared, in a list, so that Ray doesn't fetch it for every piece"""
        import ray

        if self.reference != sent[0]:
            self.shared, self.reference = ray.get(sent[0]), sent[0]
        work(piece, self.shared, folder)


class _Pool:
    """Workers that are there, or will be once the cluster has room for them.

    busy: what a worker was asked -> the worker
    """

    def __init__(self, workers: Workers) -> None:
        import ray

        gpus = gpus_per_trial(workers, ray.cluster_resources())
        again = {"max_restarts": MAX_RETRIES, "max_task_retries": MAX_RETRIES}
        kind = ray.remote(_Worker).options(num_cpus=workers.cpus, num_gpus=gpus, **again)
        actors: list[Any] = [kind.remote() for _ in range(workers.count)]
        self.busy: dict[Any, Any] = {actor.ready.remote(): actor for actor in actors}
        self.free: list[Any] = []

    def run(self, work: Work, pieces: Sequence[tuple[Any, Path]], shared: Any, what: str) -> None:
        """Each piece goes to the worker that is free first."""
        import ray

        sent, waiting = [ray.put(shared)], list(pieces)[::-1]
        running: set[Any] = set()
        with counting(what, len(pieces)) as count:
            while waiting or running:
                while waiting and self.free:
                    actor = self.free.pop()
                    asked = actor.run.remote(work, waiting[-1][0], sent, waiting.pop()[1])
                    running.add(asked)
                    self.busy[asked] = actor
                left = set(_after_one(list(self.busy)))
                self.free += [self.busy.pop(one) for one in list(self.busy) if one not in left]
                running &= left
                count.to(len(pieces) - len(waiting) - len(running))
