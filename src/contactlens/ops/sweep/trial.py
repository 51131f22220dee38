"""One trial inside a Ray worker, and the folder from which it goes on after a kill."""

import json
import shutil
from pathlib import Path
from typing import Any, cast

from contactlens.base.files import write_aside
from contactlens.training.search import Metrics, TrainTrial

SCHEDULER_CLOCK = "searched_epochs"


class SweepError(RuntimeError):
    """A trial failed for good, or the sweep was interrupted. Running it again goes on from there."""


class SweepInterruptedError(SweepError):
    """Ctrl-C or SIGTERM ended the sweep before its last trial."""


class TrialFolder:
    """`epochs.jsonl` (what was reported), `final_N.json` (once N epochs ended), `work/` (the training's checkpoint).

    The folder is named by the trial's number in the sweep's state folder, so it must lie on a disk that every
    Ray node sees, as Ray Tune's own storage path must.
    """

    def __init__(self, state: Path, number: int) -> None:
        self.path = state / f"trial_{number:04d}"
        self.work = self.path / "work"
        self.work.mkdir(parents=True, exist_ok=True)

    def epochs(self) -> list[Metrics]:
        """Reported epochs; a line that the kill cut short is dropped."""
        file = self.path / "epochs.jsonl"
        if not file.is_file():
            return []
        lines = file.read_text().splitlines(keepends=True)
        complete = [line for line in lines if line.endswith("\n")]
        if complete != lines:
            with write_aside(file) as aside:
                aside.write_text("".join(complete))
        return [json.loads(line) for line in complete]

    def append(self, metrics: Metrics) -> None:
        with (self.path / "epochs.jsonl").open("a") as file:
            file.write(json.dumps(metrics) + "\n")

    def final(self, epochs: int) -> Metrics | None:
        """Its metrics after so many epochs; None where it did not get there, or the file is damaged: it then ends once
        more."""
        try:
            return cast(Metrics, json.loads(self._final(epochs).read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def finish(self, epochs: int, metrics: Metrics) -> None:
        with write_aside(self._final(epochs)) as aside:
            aside.write_text(json.dumps(metrics))

    def _final(self, epochs: int) -> Path:
        return self.path / f"final_{epochs}.json"

    def forget_checkpoint(self) -> None:
        """Train from the start again: the checkpoint is of a later epoch than the end that was lost."""
        shutil.rmtree(self.work)
        self.work.mkdir()


def run_trial(config: dict[str, Any], train_trial: TrainTrial, data: Any, state: Path, metric: str) -> None:
    """Report to Ray Tune what this trial did before, go on from there to the epoch asked for, report the rest and the
    end."""
    folder, epochs = TrialFolder(state, config["trial"]), config["epochs"]
    reported = folder.epochs()
    for metrics in reported:
        if metrics["epoch"] < epochs:
            _tell_ray(metrics, metric, config["kind"])
    last = reported[-1]["epoch"] if reported else float("-inf")

    def report(metrics: Metrics) -> None:
        if metrics["epoch"] > last:  # a training that starts over repeats epochs that were reported before
            folder.append(metrics)
            _tell_ray(metrics, metric, config["kind"])

    final = folder.final(epochs)
    if final is None:
        if last >= epochs:
            folder.forget_checkpoint()
        final = train_trial(config["values"], data, report, folder.work, epochs)
        folder.finish(epochs, final)
    _tell_ray(final, metric, config["kind"], final=True)


def _tell_ray(metrics: Metrics, metric: str, kind: str, final: bool = False) -> None:
    """A fixed trial keeps its clock to itself, so a scheduler never stops it."""
    from ray import tune

    epoch = metrics["epochs"] if final else metrics["epoch"] + 1
    clock = {SCHEDULER_CLOCK: epoch} if kind == "search" else {}
    tune.report({"epochs": epoch, metric: metrics[metric], "reported": metrics, "final": final, **clock})
