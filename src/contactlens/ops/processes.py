"""Child processes that end when their parent does: on Ctrl-C, on SIGTERM and when it is killed."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from contactlens import STARTED_BY

INTERRUPTED = 130  # the shell's status of a command that Ctrl-C ended
GRACE_SECONDS = 30  # for a stage to close what it has open
PR_SET_PDEATHSIG = 1


def run_to_end(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> int:
    """Run a command with all that it starts in a process group of its own; its exit status.

    Ctrl-C or SIGTERM reaches the whole group, which has GRACE_SECONDS to end, and then raises KeyboardInterrupt.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with subprocess.Popen(command, cwd=cwd, env=env, process_group=0, preexec_fn=_as_child) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                _end(process)
                raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_child() -> None:
    """Hears the SIGINT of `_end`, even where a script started this process to ignore the terminal's."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _die_with_parent()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """A second Ctrl-C ends it at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def end_with_parent() -> None:
    """End this process, as Ctrl-C would, on SIGTERM and once its parent is gone."""
    signal.signal(signal.SIGTERM, _interrupt)
    _die_with_parent()
    if os.getppid() != STARTED_BY:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends; elsewhere than on Linux children outlive it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
