"""All examinations at once, each in a process of its own that is killed at its time limit."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.ops.doctor.check import Check
from contactlens.ops.runs.tracking import project_root

AT_ONCE = 3


@dataclass(frozen=True)
class Examination:
    """module: holds `examine(root) -> list[Check]`"""

    module: str
    limit_s: float


ROOM = "contactlens.ops.doctor"
EXAMINATIONS = {
    "versions": Examination(f"{ROOM}.versions", 30),
    "machine": Examination(f"{ROOM}.machine", 30),
    "gpu": Examination(f"{ROOM}.gpu", 90),
    "cluster": Examination(f"{ROOM}.cluster", 40),
    "tracking store": Examination(f"{ROOM}.tracking_store", 60),
    "data store": Examination(f"{ROOM}.data_store", 60),
    "plan": Examination(f"{ROOM}.plan", 90),
}


def diagnose(examinations: Mapping[str, Examination] = EXAMINATIONS) -> list[Check]:
    """Rows of all examinations of the project around the working folder, in their order."""
    try:
        root = project_root()
    except InputError as error:
        root = Path.cwd()
        rows = [Check("project", "warning", str(error), "run it in a checkout or a workspace")]
    else:
        rows = [Check("project", "ok", str(root))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda name: examined(name, examinations[name], root), examinations)
        return rows + [row for part in found for row in part]


def examined(name: str, examination: Examination, root: Path) -> list[Check]:
    """The rows, or a problem that says why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        rows, log = Path(folder, "rows.json"), Path(folder, "log")
        status = _run([sys.executable, "-m", ROOM, examination.module, str(root), str(rows)], log, examination.limit_s)
        if rows.is_file():
            return [Check(**row) for row in json.loads(rows.read_text())]
        if status is None:
            why = f"no answer within {examination.limit_s:g} s"
        else:
            why = f"its process ended with {status}: {_last_line(log)}"
    return [Check(name, "problem", why, "look at what it waits for: the network, a file system or a lock")]


def _run(command: list[str], log: Path, limit_s: float) -> int | None:
    """The exit status; None where the limit was reached and the process and its children were killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The whole session: what a library started must not outlive the examination."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.poll()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return Check("", "ok", lines[-1] if lines else "it said nothing").without_secrets().found
