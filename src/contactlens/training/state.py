"""States of unfinished trainings: where they are kept, and by what a later run knows that one is its own. Needs torch
and numpy alone.
"""

import hashlib
import math
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contactlens.base.files import write_aside

KEPT_STATES = 2  # so that a damaged one costs no more than what came after the one before
STATE_NAME = re.compile(r"epoch_(\d+)(?:_step_(\d+))?\.pt")


@contextmanager
def kept_until_done(folder: Path | str) -> Iterator[Path]:
    """A folder for a run's checkpoints, removed once the body succeeds, in which the results are written too.

    A finished run's states would be taken for the results of the next one; those of a failed one save its time.
    """
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """SHA-256 of the tensors' shapes and bytes: by it a checkpoint knows the weights and the data it began from."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(list(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def source_digest(folder: Path, patterns: Sequence[str]) -> str:
    """SHA-256 of the source files below `folder` that match, and of this room's: a state of other code is not taken
    up."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in [*own, *paths])).hexdigest()


def load_state(path: Path) -> dict[str, Any] | None:
    """A training's saved state; None where the file is damaged, which is said: only time is lost with it."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch, zipfile and pickle each raise their own
        warnings.warn(f"{path}: damaged, so training does not go on from it ({error})", stacklevel=2)
        return None
    return state if isinstance(state, dict) else None


class StateFolder:
    """A training's states in `folder`: `epoch_003.pt` once epoch 3, from 0, is done, `epoch_003_step_40.pt` once 40
    steps of it are. The newest KEPT_STATES stay.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest_first(self) -> list[Path]:
        paths = (path for path in self.folder.glob("epoch_*.pt") if STATE_NAME.fullmatch(path.name))
        return sorted(paths, key=_age, reverse=True)

    def write(self, state: dict[str, Any], epoch: int, step: int | None = None) -> None:
        """step: those done of the epoch; None: all of it is done, with its validation"""
        path = self.folder / f"epoch_{epoch:03d}{'' if step is None else f'_step_{step}'}.pt"
        with write_aside(path) as aside:
            torch.save(state, aside)
        older = [other for other in self.newest_first() if _age(other) < _age(path)]
        for other in older[KEPT_STATES - 1 :]:
            other.unlink(missing_ok=True)


def _age(path: Path) -> tuple[int, float]:
    """How far the training had come: epoch, and steps of it."""
    epoch, step = STATE_NAME.fullmatch(path.name).groups()  # type: ignore[union-attr]
    return int(epoch), math.inf if step is None else int(step)
