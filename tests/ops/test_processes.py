"""A command run to its end hears of this process's end, whatever signals this process was started to ignore."""

import signal
import subprocess
import sys

import pytest

CHILD = """
import signal, sys, time
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(3)
"""
PARENT = f"""
import os, signal, sys
from pathlib import Path
from contactlens.ops.processes import run_to_end
try:
    run_to_end([sys.executable, "-c", {CHILD!r}], Path.cwd(), os.environ)
except KeyboardInterrupt:
    sys.exit(4)
"""


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["heeds SIGINT", "ignores SIGINT"])
def test_sigterm_interrupts_the_command_as_ctrl_c_would(before: signal.Handlers) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, before),
    ) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGTERM)
        assert parent.stdout.read() == "interrupted\n"
        assert parent.wait(60) == 4
