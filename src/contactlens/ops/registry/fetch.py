"""Files of a registered model, copied out of the MLflow store."""

import re
from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.ops.registry.register import WEIGHTS_FOLDER
from contactlens.ops.runs.store import store_errors
from contactlens.ops.runs.tracking import mlflow_client, tracking_uri

MODEL = re.compile(r"models:/[^/@]+(?:@[^/@]+|/\d+)")
RUN = re.compile(r"[0-9a-f]{32}")


def is_reference(text: str) -> bool:
    """Whether this names a version, as `models:/NAME@ALIAS` or `models:/NAME/VERSION`, or a run by its id."""
    return MODEL.fullmatch(text) is not None or RUN.fullmatch(text) is not None


def fetch_model(reference: str, folder: Path | str, uri: str | None = None) -> Path:
    """The model's files, copied into `folder`: of a version as MLflow keeps them, of a run those that it registered.

    Raises InputError where the store has no such model.
    """
    with store_errors(uri or tracking_uri()):
        mlflow_client(uri)
        import mlflow
        from mlflow.exceptions import MlflowException

        is_run = RUN.fullmatch(reference) is not None
        source = f"runs:/{reference}/{WEIGHTS_FOLDER}" if is_run else reference
        try:
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder)))
        except (MlflowException, OSError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            message = f"{reference}: the MLflow store does not give this model ({reason}){_others(reference, uri)}"
            raise InputError(message) from error


def _others(reference: str, uri: str | None) -> str:
    """What the store has of the same registered model: a candidate that was not promoted is no champion."""
    from mlflow.exceptions import MlflowException

    name = re.split("[/@]", reference.removeprefix("models:/"))[0]
    try:
        aliases = mlflow_client(uri).get_registered_model(name).aliases
    except MlflowException:
        return ""
    found = [f"models:/{name}@{alias} (version {version})" for alias, version in sorted(aliases.items())]
    return f"; there is {', '.join(found)}" if found else ""
