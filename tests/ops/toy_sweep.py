"""A descent whose course is known in closed form, neither of tracks nor of dna, swept by the tests and as a process."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from contactlens.base.files import write_json
from contactlens.ops.stage import stage
from contactlens.ops.sweep.run import SweepResult, SweepTracking, run_sweep
from contactlens.training.search import Dimension, Report, SearchConfig, Sweep, fixed_trials

DEFAULTS = {"penalty": 0.0, "start": 100.0, "learning_rate": 0.1, "width": 8}
FIXED = ({"penalty": 0.0}, {"penalty": 0.5}, {"start": 50.0}, {"start": 200.0})
METRIC = "loss"
TARGET, EPOCHS = 3.0, 12


class Epoch(NamedTuple):
    """One epoch as it was trained: the trial's values as JSON, its number from 1, and where."""

    values: str
    number: int
    node: str
    pid: int


def config(**changes: Any) -> SearchConfig:
    settings: dict[str, Any] = {
        "n_trials": 4,
        "max_concurrent": 2,
        "cpus_per_trial": 1,
        "gpus_per_trial": 0.5,
        "max_epochs": EPOCHS,
        "fixed_epochs": EPOCHS,
        "min_epochs": 3,
        "reduction_factor": 2,
        "searcher": "optuna",
        "scheduler": "halving",
        "space": {"learning_rate": Dimension(loguniform=(0.01, 1.0)), "width": Dimension(choice=(4, 8, 16))},
    }
    return SearchConfig(**{**settings, **changes})


def description(**changes: Any) -> Sweep:
    return Sweep(config(**changes), DEFAULTS, fixed_trials(DEFAULTS, FIXED), METRIC, ("start", METRIC, "share"))


def loss(values: dict[str, Any], epochs: int) -> float:
    """After so many steps of x += rate (target - x) from 0 the distance is target (1 - rate)^epochs."""
    distance = TARGET * (1 - values["learning_rate"]) ** epochs
    return float(distance**2 + values["penalty"] + 0.01 * (values["width"] - 8) ** 2)


def train(values: dict[str, Any], data: dict[str, Any], report: Report, folder: Path, epochs: int) -> dict[str, float]:
    """Steps with a checkpoint after each. `data` holds the target, a pause and where to note epochs done."""
    import ray

    node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "no Ray"
    file, log = folder / "state.json", Path(data["log"])
    state = json.loads(file.read_text()) if file.is_file() else {"epoch": 0, "x": 0.0}
    if values["start"] == data.get("broken_start"):
        raise RuntimeError(f"no gradient at start {values['start']}")

    def current() -> float:
        return (state["x"] - data["target"]) ** 2 + values["penalty"] + 0.01 * (values["width"] - 8) ** 2

    def tell() -> None:
        """The last epoch's line in the log, unless it is there, and its report, which takes no epoch twice."""
        if not log.exists() or state["line"] not in log.read_text():
            with log.open("a") as lines:
                lines.write(state["line"])
        report({"epoch": state["epoch"] - 1, METRIC: current(), "start": values["start"]})

    if state["epoch"]:
        tell()  # a kill may have come between the checkpoint and these two
    while state["epoch"] < epochs:
        x = state["x"] + values["learning_rate"] * (data["target"] - state["x"])
        number = state["epoch"] + 1
        line = "\t".join((json.dumps(values, sort_keys=True), str(number), node, str(os.getpid()))) + "\n"
        state = {"epoch": number, "x": x, "line": line}
        write_json(file, state)
        tell()
        time.sleep(data["pause"])
    return {
        "epochs": state["epoch"],
        "start": values["start"],
        METRIC: current(),
        "share": 0.1,
    }


def sweep(
    folder: Path, pause: float = 0.0, broken_start: float | None = None, states: Path | None = None
) -> SweepResult:
    """A sweep whose state lies in `states`, or in `folder`; every epoch trained is a line in `folder/log`."""
    data = {"target": TARGET, "pause": pause, "log": str(folder / "log"), "broken_start": broken_start}
    tracking = SweepTracking("tracks", {"seed": 7}, {"seed": "7"})
    return run_sweep(train, data, description(), 7, states or folder / "states", ["data"], tracking)


def epochs(folder: Path) -> list[Epoch]:
    """The epochs trained so far, in order; a line still being written is left out."""
    log = folder / "log"
    complete = (
        [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")] if log.exists() else []
    )
    fields = [line.rstrip("\n").split("\t") for line in complete]
    return [Epoch(values, int(number), node, int(pid)) for values, number, node, pid in fields]


def main(folder: str, pause: str, *states: str) -> None:
    """A driver: the table of its sweep lies in `folder/trials.csv` at the end."""
    result = sweep(Path(folder), float(pause), states=Path(*states) if states else None)
    result.trials.to_csv(Path(folder) / "trials.csv", index=False)


if __name__ == "__main__":
    stage(lambda: main(*sys.argv[1:]))
