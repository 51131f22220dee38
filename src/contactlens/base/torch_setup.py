"""Seeds and devices, the same for both branches. Needs torch and numpy alone."""

import random

import numpy as np
import torch

from contactlens.base.errors import InputError


def seed_everything(seed: int, threads: int) -> None:
    """Seed Python, numpy and torch, and ask torch for deterministic algorithms on `threads` CPU threads.

    By its debug mode: `use_deterministic_algorithms` does the same, and imports the compiler, of 3 s, to tell it too.
    Torch would also fill each new tensor with NaN, to show where memory is read before it is written: 4 % of training.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries below use the global state)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def resolve_device(name: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises InputError where the device is unknown or not there."""
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        device = torch.device(chosen)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r}: {str(error).splitlines()[0]}") from error
    return device
