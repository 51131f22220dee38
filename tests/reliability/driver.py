"""The toy sweep as a process of its own, watched while it runs."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import toy_sweep
from sweep_runs import children, parents

from contactlens.ops.runs.tracking import mlflow_client
from contactlens.ops.sweep.search import BatchSearch
from ctrl_c import heed_ctrl_c

N_TRIALS = 8
N_EPOCHS = 4 * 12 + 4 * 3 + 2 * 3 + 1 * 6  # of the fixed trials, and of the searched ones by rung


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


class Driver:
    """A command that sweeps in `folder`, with its own process group, as a terminal's Ctrl-C reaches it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], command: list[str]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.output = folder, folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=heed_ctrl_c,
            )

    @classmethod
    def of_toy(cls, folder: Path, pause: float, environment: Mapping[str, str], *states: str) -> "Driver":
        return cls(folder, environment, [sys.executable, toy_sweep.__file__, str(folder), str(pause), *states])

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def interrupt(self, signum: int) -> int:
        os.killpg(self.process.pid, signum)
        return self.process.wait(90)

    def wait_in(self, node: str | None = None, seconds: float = 180) -> toy_sweep.Epoch:
        """Wait until a trial has ended and another is in mid-course (on a node); its last epoch."""
        found: list[toy_sweep.Epoch] = []

        def seen() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            last = {epoch.values: epoch for epoch in toy_sweep.epochs(self.folder)}
            ended = any(self.folder.glob("states/*/trial_*/final_*.json"))
            found[:] = [e for e in last.values() if 2 <= e.number <= 6 and node in (None, e.node)] if ended else []
            return bool(found)

        wait_for(seen, seconds)
        return found[0]

    def table(self, seconds: float = 180) -> str:
        """trials.csv, once the sweep has ended well."""
        assert self.process.wait(seconds) == 0, self.output.read_text()
        return (self.folder / "trials.csv").read_text()


def undisturbed_table(folder: Path) -> str:
    """trials.csv as the sweep would write it where nothing goes wrong: each training in turn, here, without Ray."""
    search, rows = BatchSearch(toy_sweep.description(), 7), {}
    data = {"target": toy_sweep.TARGET, "pause": 0.0, "log": str(folder / "log")}
    for name in map(str, range(search.sweep.trainings)):
        asked = search.suggest(name)
        work = folder / str(asked["trial"])
        work.mkdir(exist_ok=True)
        final = toy_sweep.train(asked["values"], data, lambda _: None, work, asked["epochs"])
        search.on_trial_complete(name, {toy_sweep.METRIC: final[toy_sweep.METRIC], "epochs": final["epochs"]})
        row = {"trial": asked["trial"], "kind": asked["kind"], **asked["values"], "budget": asked["epochs"]}
        rows[asked["trial"]] = row | final
    return pd.DataFrame([rows[number] for number in sorted(rows)]).to_csv(index=False)


def require_each_epoch_once(folder: Path) -> None:
    """Every epoch of every trial and rung was trained, and none twice."""
    count = Counter((epoch.values, epoch.number) for epoch in toy_sweep.epochs(folder))
    assert set(count.values()) == {1}
    assert len(count) == N_EPOCHS


def require_finished(parent: str) -> None:
    """MLflow has the sweep and its trials as finished, with each epoch once."""
    assert mlflow_client().get_run(parent).info.status == "FINISHED"
    runs, steps = children(parent), []
    assert sorted(runs, key=int) == [str(number) for number in range(N_TRIALS)]
    for run in runs.values():
        assert run.info.status == "FINISHED"
        steps.append(sorted(m.step for m in mlflow_client().get_metric_history(run.info.run_id, toy_sweep.METRIC)))
    assert all(one == list(range(len(one))) for one in steps) and sum(map(len, steps)) == N_EPOCHS


def require_killed(parent: str) -> None:
    """MLflow has the sweep as killed, no run open, and perhaps not the end of a trial whose files are there."""
    assert mlflow_client().get_run(parent).info.status == "KILLED"
    statuses = {run.info.status for run in children(parent).values()}
    assert "KILLED" in statuses and statuses <= {"FINISHED", "KILLED"}


def outliving(processes: list[psutil.Process]) -> list[str]:
    """Who of a driver's processes outlives it by a minute; Ray's two agents only watch and may end later. Ends all."""
    names = {}
    for process in processes:
        with suppress(psutil.Error):
            names[process] = process.name()
    _, alive = psutil.wait_procs([one for one, name in names.items() if "Agent" not in name], timeout=60)
    for process in names:
        with suppress(psutil.Error):
            process.kill()
    return [names[process] for process in alive]


def new_parent(before: set[str]) -> str:
    """The one sweep's run that was not there before."""
    [parent] = {run.info.run_id for run in parents()} - before
    return parent
