"""A command run to its end hears of this process's end, whatever signals this process was started to ignore."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contactlens.ops.processes import run_to_end

CHILD = """
import os, signal, sys, time
os.write(1, b"ready\\n")  # one call a line: two children share the pipe
try:
    time.sleep(60)
except KeyboardInterrupt:
    os.write(1, b"interrupted\\n")
    sys.exit(3)
"""
PARENT = f"""
import os, signal, sys
from pathlib import Path
from contactlens.ops.processes import run_to_end
try:
    run_to_end(int(sys.argv[1]) * [[sys.executable, "-c", {CHILD!r}]], Path.cwd(), os.environ)
except KeyboardInterrupt:
    sys.exit(4)
"""


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN], ids=["heeds SIGINT", "ignores SIGINT"])
@pytest.mark.parametrize("commands", [1, 2])
def test_sigterm_interrupts_every_command_as_ctrl_c_would(commands: int, before: signal.Handlers) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(commands)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, before),
    ) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline() for _ in range(commands)] == commands * ["ready\n"]
        parent.send_signal(signal.SIGTERM)
        assert parent.stdout.read() == commands * "interrupted\n"
        assert parent.wait(60) == 4


def test_side_by_side_the_first_failure_counts_and_the_others_end(tmp_path: Path) -> None:
    """Each waits for the other's file, so that neither ends unless both run at once."""
    code = "import sys, time; from pathlib import Path; own, other, status = sys.argv[1:]; Path(own).touch()\n"
    code += "while not Path(other).exists(): time.sleep(0.01)\n"
    code += "time.sleep(0.2 * (status == '0')); Path(own + '.ended').touch(); sys.exit(int(status))"
    commands = [[sys.executable, "-c", code, *rest] for rest in (("a", "b", "0"), ("b", "a", "7"))]
    assert run_to_end(commands, tmp_path, {}) == 7
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "a.ended", "b.ended"}
    assert run_to_end(commands[:1], tmp_path, {}) == 0
