"""A sweep as it runs: one MLflow run with a child per trial, and a line per trial in the terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ray import tune
from ray.tune.experiment import Trial

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json
from contactlens.base.progress import Count
from contactlens.ops.runs.described import group_of, log_datasets
from contactlens.ops.runs.store import StoreError, store_errors
from contactlens.ops.runs.tracking import (
    PARAMS_ARTIFACT,
    PARENT_TAG,
    EpochLogger,
    ensure_experiment,
    log_params,
    log_params_file,
    mlflow_client,
    no_inherited_run,
    parent_tags,
    tracking_uri,
)
from contactlens.ops.sweep.trial import SweepError, TrialFolder

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass
class SweepRuns:
    """The MLflow runs of one sweep. Their ids lie beside the trials' state, for a resumed sweep.

    tags: provenance, which every trial's run carries too
    metric: what the sweep minimises, reported after each epoch
    """

    client: "MlflowClient"
    experiment_id: str
    file: Path
    tags: Mapping[str, str]
    metric: str
    parent: str
    trials: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(
        cls, experiment: str, name: str, params: Any, tags: Mapping[str, str], metric: str, state: Path
    ) -> "SweepRuns":
        """The runs noted in `state`, or a new parent where there is no note or the store lost them."""
        experiment_id = ensure_experiment(experiment)
        client, file = mlflow_client(), state / "mlflow.json"
        noted = _noted(file)
        if noted is not None and _exists(client, noted["parent"]):
            runs = cls(client, experiment_id, file, tags, metric, **noted)
            client.update_run(runs.parent, status="RUNNING")
            runs._adopt()
            return runs
        with no_inherited_run() as grandparent:
            group = group_of(tags, Path(PARAMS_ARTIFACT))
            all_tags = {"pipeline_stage": name, **tags, **group, **parent_tags(grandparent)}
            run = client.create_run(experiment_id, tags=all_tags, run_name=name)
        log_params(client, run.info.run_id, params)
        log_params_file(client, run.info.run_id)
        log_datasets(client, run.info.run_id, name, tags)
        runs = cls(client, experiment_id, file, tags, metric, run.info.run_id)
        runs._note()
        return runs

    def _adopt(self) -> None:
        """Take in the trials that the store has and the note lacks: the driver was killed between the two."""
        for run in self.client.search_runs([self.experiment_id], f"tags.`{PARENT_TAG}` = '{self.parent}'"):
            self.trials.setdefault(run.data.tags["trial"], run.info.run_id)

    def _note(self) -> None:
        write_json(self.file, {"parent": self.parent, "trials": self.trials})

    def trial(self, number: int, kind: str, values: Mapping[str, Any]) -> str:
        """The run of a trial, open."""
        known = self.trials.get(str(number))
        if known is not None:
            self.client.update_run(known, status="RUNNING")
            log_params(self.client, known, values)  # the same again, unless the driver was killed before it
            return known
        tags = {**self.tags, **parent_tags(self.parent), "trial": str(number), "kind": kind}
        run = self.client.create_run(self.experiment_id, tags=tags, run_name=f"trial {number}")
        log_params(self.client, run.info.run_id, values)
        self.trials[str(number)] = run.info.run_id
        self._note()
        return str(run.info.run_id)

    def last_epoch(self, run_id: str) -> float:
        """The last epoch that the store has of a trial."""
        return max((m.step for m in self.client.get_metric_history(run_id, self.metric)), default=float("-inf"))

    def end_trial(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Log a trial's final metrics, its best epoch's so far, under names of their own and close its run."""
        with EpochLogger(self.client, run_id, "final_") as log:
            log({**metrics, "epoch": metrics["epochs"] - 1})
        self.client.set_terminated(run_id, "FINISHED")

    def end(self, status: str, summary: Mapping[str, float] | None = None, trials_csv: str = "") -> None:
        """Close the parent run, and as killed the trials that it leaves unfinished.

        A finished sweep leaves its best metrics and the table of trials in the parent.
        """
        if summary is not None:
            with EpochLogger(self.client, self.parent, "best_") as log:
                log({**summary, "epoch": 0})
            self.client.log_text(self.parent, trials_csv, "trials.csv")
        for run_id in self.trials.values():
            if self.client.get_run(run_id).info.status == "RUNNING":
                self.client.set_terminated(run_id, "KILLED")
        self.client.set_terminated(self.parent, status)


def _noted(file: Path) -> dict[str, Any] | None:
    """The runs of a sweep that goes on; None where it is new, or the note is damaged: its runs are then made anew."""
    try:
        return cast(dict[str, Any], read_json(file))
    except (FileNotFoundError, InputError):
        return None


def _exists(client: "MlflowClient", run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def _keeps_store_error(handle: Callable[..., None]) -> Callable[..., None]:
    """A store out of reach ends the sweep: the first error is kept, and no later event waits for the store again."""

    @wraps(handle)
    def guarded(self: "SweepCallback", *arguments: Any, **info: Any) -> None:
        if isinstance(self.failure, StoreError):
            raise self.failure
        try:
            with store_errors(tracking_uri()):
                handle(self, *arguments, **info)
        except StoreError as error:
            self.failure = error
            raise

    return guarded


class SweepCallback(tune.Callback):
    """Ray Tune's events, in the driver, into MLflow and the count of ended trials. A trial failed for good ends all."""

    def __init__(self, runs: SweepRuns | None, metric: str, state: Path, count: Count) -> None:
        self.runs, self.metric, self.state, self.count = runs, metric, state, count
        self.failure: SweepError | StoreError | None = None
        self.loggers: dict[int, EpochLogger] = {}
        self.logged: dict[int, float] = {}
        self.best = (float("inf"), -1)
        self.ended = 0

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Ray pickles its callbacks for a `Tuner.restore` that is never used here."""
        return {}

    @_keeps_store_error
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        number = trial.config["trial"]
        if self.runs is None:
            return
        if number in self.loggers:  # on a further rung, or after a failure
            self.runs.client.update_run(self.runs.trials[str(number)], status="RUNNING")
            return
        run_id = self.runs.trial(number, trial.config["kind"], trial.config["values"])
        self.loggers[number] = EpochLogger(self.runs.client, run_id)
        self.logged[number] = self.runs.last_epoch(run_id)

    @_keeps_store_error
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        number = trial.config["trial"]
        if self.runs is None or result["final"] or result["reported"]["epoch"] <= self.logged[number]:
            return
        self.loggers[number](result["reported"])
        self.logged[number] = result["reported"]["epoch"]

    @_keeps_store_error
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        number, result = trial.config["trial"], trial.last_result
        self.ended += 1
        self.best = min(self.best, (result[self.metric], number))
        self.count.to(
            self.ended,
            f"trial {number} ({trial.config['kind']}) {self.metric} {result[self.metric]:.4f} after "
            f"{result['epochs']:g} epochs; best {self.best[0]:.4f} (trial {self.best[1]})",
        )
        if self.runs is not None:
            self.loggers[number].flush()
            self.runs.end_trial(self.runs.trials[str(number)], result["reported"])

    @_keeps_store_error
    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        number = trial.config["trial"]
        if self.runs is not None and str(number) in self.runs.trials:
            self.loggers[number].flush()
            self.runs.client.set_terminated(self.runs.trials[str(number)], "FAILED")
        self.failure = SweepError(
            f"trial {number} failed {trial.num_failures} times with {trial.config['values']}: {self._keep_error(trial)}"
        )
        raise self.failure

    def _keep_error(self, trial: Trial) -> str:
        """Copy Ray's record of the failures into the trial's folder; give its last line and where that is."""
        text = Path(trial.error_file).read_text() if trial.error_file else ""
        kept = TrialFolder(self.state, trial.config["trial"]).path / "error.txt"
        kept.write_text(text)
        return f"{(text.strip().splitlines() or ['no message'])[-1]} (all of it: {kept})"
