"""One trial inside a Ray worker, and the folder from which it goes on after a kill."""

import json
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
    """`epochs.jsonl` (what was reported), `final.json` (once it ended), `work/` (the training's checkpoint).

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

    def final(self) -> Metrics | None:
        """Its final metrics; None where it has not ended, or the file is damaged: it then ends once more."""
        try:
            return cast(Metrics, json.loads((self.path / "final.json").read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def finish(self, metrics: Metrics) -> None:
        with write_aside(self.path / "final.json") as aside:
            aside.write_text(json.dumps(metrics))


def run_trial(config: dict[str, Any], train_trial: TrainTrial, data: Any, state: Path, metric: str) -> None:
    """Report to Ray Tune what this trial did before, go on from there, report the rest and the end."""
    folder = TrialFolder(state, config["trial"])
    reported = folder.epochs()
    for metrics in reported:
        _tell_ray(metrics, metric, config["kind"])
    last = reported[-1]["epoch"] if reported else float("-inf")

    def report(metrics: Metrics) -> None:
        if metrics["epoch"] > last:  # a training that starts over repeats epochs that were reported before
            folder.append(metrics)
            _tell_ray(metrics, metric, config["kind"])

    final = folder.final()
    if final is None:
        final = train_trial(config["values"], data, report, folder.work)
        folder.finish(final)
    _tell_ray(final, metric, config["kind"], final=True)


def _tell_ray(metrics: Metrics, metric: str, kind: str, final: bool = False) -> None:
    """A fixed trial keeps its clock to itself, so a scheduler never stops it."""
    from ray import tune

    epoch = metrics["epochs"] if final else metrics["epoch"] + 1
    clock = {SCHEDULER_CLOCK: epoch} if kind == "search" else {}
    tune.report({"epochs": epoch, metric: metrics[metric], "reported": metrics, "final": final, **clock})
