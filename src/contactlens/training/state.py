"""States of unfinished trainings: where they are kept, and by what a later run knows that one is its own. Needs torch
and numpy alone.
"""

import hashlib
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


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
        state = torch.load(path, weights_only=True)
    except Exception as error:  # torch, zipfile and pickle each raise their own
        warnings.warn(f"{path}: damaged, so training does not go on from it ({error})", stacklevel=2)
        return None
    return state if isinstance(state, dict) else None
