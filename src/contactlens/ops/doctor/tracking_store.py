"""The MLflow store: can it be reached, read and written? Nothing is left in it but a tag of this check on a server."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

import contactlens
from contactlens.base.errors import InputError
from contactlens.ops.doctor.check import Check, first_line
from contactlens.ops.doctor.reach import PATIENCE_S, PORTS, unreachable
from contactlens.ops.runs.store import StoreError
from contactlens.ops.runs.tracking import EXPERIMENT, SQLITE, mlflow_client, tracking_uri

NAME = "tracking store"
ACTIVE = "SELECT name FROM experiments WHERE lifecycle_stage = 'active' ORDER BY name"
# No row, but the same lock and the same right as a real change.
TRY_WRITE = "UPDATE experiments SET name = name WHERE 1 = 0"
TAG = "contactlens.doctor"
SERVER = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def examine(root: Path) -> list[Check]:
    try:
        uri = tracking_uri(root)
    except InputError as error:
        return [Check(NAME, "problem", str(error), "set MLFLOW_TRACKING_URI")]
    if urlsplit(uri).scheme in ("http", "https"):
        return [server(uri)]
    if uri.startswith(SQLITE):
        return [sqlite(uri, Path(uri.removeprefix(SQLITE)))]
    if urlsplit(uri).scheme.partition("+")[0] in ("postgresql", "mysql", "mssql"):
        return [database(uri, {"connect_timeout": int(PATIENCE_S) + 2})]
    return [Check(NAME, "problem", f"{uri}: no kind of store that is used here", "sqlite:///..., postgresql or http")]


def sqlite(uri: str, file: Path) -> Check:
    if not file.is_file():
        if os.access(file.parent, os.W_OK):
            return Check(NAME, "ok", f"{uri}: no file yet, the first run makes it")
        return Check(NAME, "problem", f"{uri}: {file.parent} cannot be written", "set MLFLOW_TRACKING_URI")
    return database(uri, {"timeout": PATIENCE_S})


def database(uri: str, patience: dict[str, float]) -> Check:
    try:
        engine = sqlalchemy.create_engine(uri, connect_args=patience)
        with engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("experiments"):
                return Check(NAME, "ok", f"{uri}: empty, the first run makes its tables")
            names = [str(name) for (name,) in connection.execute(sqlalchemy.text(ACTIVE))]
            connection.execute(sqlalchemy.text(TRY_WRITE))
            connection.rollback()
    except ModuleNotFoundError as error:
        remedy = "pip install 'contactlens[cluster]', and name its driver: postgresql+psycopg2://..."
        return Check(NAME, "problem", f"{uri}: {error}", remedy)
    except (SQLAlchemyError, ValueError) as error:
        return Check(NAME, "problem", f"{uri}: {first_line(_cause(error))}", _remedy(error))
    return _works(uri, names)


def _cause(error: Exception) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _remedy(error: Exception) -> str:
    text = str(_cause(error)).lower()
    remedies = {
        "locked": "another process has been writing for seconds: end it, or move to a server for many writers",
        "readonly": "give this user the right to write the file and its folder",
        "read-only": "connect to the primary, not to a replica",
        "permission": "grant this user SELECT, INSERT, UPDATE and DELETE on the MLflow tables",
        "not a database": "restore the file from a copy, or move it away to start anew",
        "authentication": "check user and password in MLFLOW_TRACKING_URI",
    }
    return next((remedy for word, remedy in remedies.items() if word in text), "check MLFLOW_TRACKING_URI")


def server(uri: str) -> Check:
    parts = urlsplit(uri)
    if why := unreachable(parts.hostname or "", parts.port or PORTS[parts.scheme]):
        remedy = "start the server, or unset MLFLOW_TRACKING_URI to use this project's own file"
        return Check(NAME, "problem", f"{uri} cannot be reached: {why}", remedy)
    os.environ.update(SERVER)
    from mlflow.exceptions import MlflowException

    try:
        client = mlflow_client(uri)
        experiments = {one.name: one.experiment_id for one in client.search_experiments()}
        client.set_experiment_tag(experiments.get(EXPERIMENT, "0"), TAG, contactlens.__version__)
    except StoreError as error:  # which names the server and what to do
        return Check(NAME, "problem", str(error), "look into the server's log")
    except MlflowException as error:
        remedy = "log in by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; else look into the server's log"
        return Check(NAME, "problem", f"{uri}: {first_line(error)}", remedy)
    return _works(uri, sorted(experiments))


def _works(uri: str, experiments: list[str]) -> Check:
    return Check(NAME, "ok", f"{uri}: can be read and written; experiments: {', '.join(experiments) or 'none'}")
