"""What MLflow has of the toy sweeps."""

from typing import Any

from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client


def children(parent: str) -> dict[str, Any]:
    """The runs of a sweep's trials, by their number."""
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    runs = mlflow_client().search_runs([ensure_experiment()], query)
    return {run.data.tags["trial"]: run for run in runs}


def parents() -> list[Any]:
    return mlflow_client().search_runs([ensure_experiment()], "tags.pipeline_stage = 'sweep'")
