"""Child processes that end when their parent does: on Ctrl-C, on SIGTERM and when it is killed."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

from contactlens import STARTED_BY

INTERRUPTED = 130  # the shell's status of a command that Ctrl-C ended
GRACE_SECONDS = 30  # for a stage to close what it has open
PR_SET_PDEATHSIG = 1


def run_to_end(commands: Sequence[Sequence[str]], cwd: Path, env: Mapping[str, str]) -> int:
    """Run commands side by side, each with all that it starts in a process group of its own; the first status that is
    not 0, or 0. Where one fails, the others go on to their end.

    Ctrl-C or SIGTERM reaches every group, which has GRACE_SECONDS to end, and then raises KeyboardInterrupt.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as stack:
            started = [
                stack.enter_context(subprocess.Popen(command, cwd=cwd, env=env, process_group=0, preexec_fn=_as_child))
                for command in commands
            ]
            try:
                return next((status for status in [process.wait() for process in started] if status), 0)
            except KeyboardInterrupt:
                _end(started)
                raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_child() -> None:
    """Hears the SIGINT of `_end`, even where a script started this process to ignore the terminal's."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _die_with_parent()


def _end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """A second Ctrl-C ends them at once."""
    _signal(processes, signal.SIGINT)
    try:
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            deadline = time.monotonic() + GRACE_SECONDS
            for process in processes:
                process.wait(max(deadline - time.monotonic(), 0))
    finally:
        _signal(processes, signal.SIGKILL)


def _signal(processes: Sequence["subprocess.Popen[bytes]"], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


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
