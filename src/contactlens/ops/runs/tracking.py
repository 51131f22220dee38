"""MLflow: where runs go, one run per pipeline stage, and per-epoch metrics at little cost."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contactlens.base.errors import InputError
from contactlens.ops.redaction import redacted
from contactlens.ops.runs.described import describe_experiment, group_of, log_datasets
from contactlens.ops.runs.store import SQLITE, StoreError, check_store, one_try, store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "tracks"
PARENT_TAG = "mlflow.parentRunId"
PARAMS_ARTIFACT = "params.yaml"
FLUSH_SECONDS = 2.0


def find_project_root(start: Path | None = None) -> Path | None:
    """The nearest folder from `start` (the working folder) upwards that holds a dvc.yaml; None where there is none."""
    start = (start or Path.cwd()).resolve()
    return next((folder for folder in (start, *start.parents) if (folder / "dvc.yaml").is_file()), None)


def project_root(start: Path | None = None) -> Path:
    """As `find_project_root`; InputError where there is none."""
    root = find_project_root(start)
    if root is None:
        start = (start or Path.cwd()).resolve()
        raise InputError(
            f"{start}: neither this folder nor one above it holds a dvc.yaml; run this in a checkout or a workspace. A"
            " trained model is also found by MLFLOW_TRACKING_URI, or by its folder (CHECKOUT/models/dna/champion)"
        )
    return root


def tracking_uri(root: Path | None = None) -> str:
    """MLFLOW_TRACKING_URI, or the project's SQLite file, absolute: every process means the same one."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{root or project_root()}/mlflow.db"


def artifact_location(uri: str) -> str | None:
    """Beside a SQLite file; a server decides for itself."""
    if not uri.startswith(SQLITE):
        return None
    return (Path(uri.removeprefix(SQLITE)).absolute().parent / "mlartifacts").as_uri()


def mlflow_client(uri: str | None = None) -> "MlflowClient":
    """A client of the store; MLflow is imported here and nowhere earlier. StoreError where the store can't be used."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow

    uri = uri or tracking_uri()
    check_store(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return raw_client(uri)


def raw_client(uri: str) -> "MlflowClient":
    """A client that leaves MLflow's own functions with the store they have."""
    import mlflow

    return mlflow.MlflowClient(uri, uri)


def ensure_experiment(name: str = EXPERIMENT, uri: str | None = None) -> str:
    """The experiment's id; made, or brought back from the bin, where need be.

    Call it in the driver before workers start: many processes that create an experiment at once lose runs.
    """
    client = mlflow_client(uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = _create_experiment(client, name, artifact_location(uri or tracking_uri()))
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    describe_experiment(client, experiment.experiment_id, name)
    return str(experiment.experiment_id)


def _create_experiment(client: "MlflowClient", name: str, artifacts: str | None) -> Any:
    """The new experiment, or the one that another user of the server has made in between."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(client.create_experiment(name, artifacts))
    except MlflowException:
        if (experiment := client.get_experiment_by_name(name)) is None:
            raise
        return experiment


def flat_params(params: Any, prefix: str = "") -> dict[str, str]:
    """Nested mappings and dataclasses as dotted keys; lists as JSON."""
    if is_dataclass(params) and not isinstance(params, type):
        params = asdict(params)
    if not isinstance(params, Mapping):
        text = json.dumps(params) if isinstance(params, (list, tuple)) else str(params)
        return {prefix.rstrip("."): text}
    return {key: text for name, value in params.items() for key, text in flat_params(value, f"{prefix}{name}.").items()}


def log_params(client: "MlflowClient", run_id: str, params: Any) -> None:
    """Log nested params in as few calls as MLflow allows; longer values than it allows are cut, secrets are hidden."""
    from mlflow.entities import Param
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH

    entries = [Param(key, redacted(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in flat_params(params).items()]
    for batch in chunks(entries, MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run_id, params=batch)


def log_params_file(client: "MlflowClient", run_id: str) -> None:
    """Keep the whole params.yaml beside a run, from which `contactlens reproduce` runs its stage again."""
    file = Path(PARAMS_ARTIFACT)
    if file.is_file():
        client.log_text(run_id, redacted(file.read_text(encoding="utf-8")), PARAMS_ARTIFACT)


def chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class EpochLogger:
    """Per-epoch metrics to one run, sent together every couple of seconds. Close it, or use it as a context.

    Called with an epoch's log, `{"epoch": 3, "validation_nll": ...}`; `prefix` goes before each name.
    """

    def __init__(self, client: "MlflowClient", run_id: str, prefix: str = "") -> None:
        self._client, self._run_id, self._prefix = client, run_id, prefix
        self._waiting: list[Any] = []
        self._sent_at = time.monotonic()

    def __call__(self, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(metrics["epoch"])
        names = [name for name in metrics if name != "epoch"]
        self._waiting += [Metric(self._prefix + name, float(metrics[name]), now, step) for name in names]
        if time.monotonic() - self._sent_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        from mlflow.utils.validation import MAX_METRICS_PER_BATCH

        for batch in chunks(self._waiting, MAX_METRICS_PER_BATCH):
            self._client.log_batch(self._run_id, metrics=batch)
        self._waiting = []
        self._sent_at = time.monotonic()

    def __enter__(self) -> "EpochLogger":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()


@dataclass(frozen=True)
class StageRun:
    """The run of one stage while it is open; MLflow's own functions log to it too."""

    client: "MlflowClient"
    run_id: str

    def epoch_logger(self, prefix: str = "") -> EpochLogger:
        return EpochLogger(self.client, self.run_id, prefix)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        with self.epoch_logger() as log:
            log({**metrics, "epoch": 0})


def parent_tags(parent: str | None) -> dict[str, str]:
    return {PARENT_TAG: parent} if parent else {}


@contextmanager
def no_inherited_run() -> Iterator[str | None]:
    """Take MLFLOW_RUN_ID out of the environment and give its value.

    `mlflow run` sets it for all children, and each stage would write into that one run.
    """
    inherited = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield inherited
    finally:
        if inherited is not None:
            os.environ["MLFLOW_RUN_ID"] = inherited


@contextmanager
def stage_run(stage: str, params: Any, tags: Mapping[str, str], experiment: str = EXPERIMENT) -> Iterator[StageRun]:
    """A run named after the stage; finished at the end, failed where the body raises.

    Under `mlflow run` it becomes a child of the run that MLflow opened. With MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true
    the load of processor, memory, disk, network and GPU is logged too.
    """
    import mlflow

    with store_errors(tracking_uri()), no_inherited_run() as parent:
        experiment_id, client = ensure_experiment(experiment), mlflow_client()
        all_tags = {"pipeline_stage": stage, **tags, **group_of(tags, Path(PARAMS_ARTIFACT)), **parent_tags(parent)}
        run_id = mlflow.start_run(experiment_id=experiment_id, run_name=stage, tags=all_tags).info.run_id
        with _ended_run():
            log_params(client, run_id, params)
            log_params_file(client, run_id)
            log_datasets(client, run_id, stage, tags)
            yield StageRun(client, run_id)


@contextmanager
def _ended_run() -> Iterator[None]:
    """End MLflow's active run with the body; of a store that is away, no more than one try."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with store_errors(tracking_uri()):
            yield
    except StoreError:
        with one_try(), suppress(MlflowException):
            mlflow.end_run("FAILED")
        raise
    except BaseException:
        mlflow.end_run("FAILED")
        raise
    mlflow.end_run()
