"""Whether MLflow's store can be used, and one clear message where it can't: a server away or a database locked."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache

from contactlens.base.errors import InputError
from contactlens.ops.redaction import redacted

SQLITE = "sqlite:///"
LOCK_SECONDS = 20  # MLflow's own busy_timeout
START_RETRIES, START_TIMEOUT_S = 3, 4  # a server that is not there is an error within seconds
LOG_IN = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account of that server"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


class StoreError(InputError):
    """MLflow's store can't be used: not reached, not logged in, or locked. A rerun goes on once it can be."""


def check_store(uri: str) -> None:
    """Raise StoreError unless the store at `uri` answers this user. Once per process and log-in."""
    variables = (f"MLFLOW_TRACKING_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN"))
    _check(uri, tuple(os.environ.get(name) for name in variables))


@lru_cache
def _check(uri: str, log_in: tuple[str | None, ...]) -> None:
    if uri.startswith(SQLITE):
        _check_file(uri.removeprefix(SQLITE))
    elif uri.startswith(("http://", "https://")):
        _check_server(uri)


def _check_file(file: str) -> None:
    """Wait for a lock of another process. A file that is not there yet is made by MLflow."""
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its stacks; the error itself is raised
    if not os.path.exists(file):  # noqa: PTH110 - relative or absolute, as SQLite takes it
        return
    try:
        with closing(sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise StoreError(_file_problem(file, str(error))) from None


def _check_server(uri: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    creds = get_default_host_creds(uri)
    try:
        answer = http_request(
            creds, "/version", "GET", max_retries=START_RETRIES, backoff_factor=1, timeout=START_TIMEOUT_S
        )
    except MlflowException as error:
        raise StoreError(problem_of(error, uri)) from None
    if answer.status_code in (401, 403):
        raise StoreError(f"{redacted(uri)}: the MLflow server refuses this log-in; {LOG_IN}")


def _file_problem(file: str, reason: str) -> str:
    if "locked" in reason:
        return f"{file}: another process has kept this database locked for {LOCK_SECONDS} s; end it and run again"
    return f"{file}: MLflow's database can't be used ({reason})"


def problem_of(error: Exception, uri: str) -> str | None:
    """What is wrong with the store at `uri`, in one line; None where `error` is about something else."""
    text = str(error)
    if uri.startswith(SQLITE):
        reason = text.splitlines()[0] if "sqlite3.OperationalError" in text or "sqlite3.DatabaseError" in text else ""
        return _file_problem(uri.removeprefix(SQLITE), reason) if reason else None
    if text.startswith("API request to http") and "exception" in text:
        away = "Connection refused" if "refused" in text else text.rsplit("Caused by", 1)[-1].strip(" ()")
        return redacted(f"{uri}: the MLflow server does not answer ({away}); start it, or set MLFLOW_TRACKING_URI")
    if "error code 401" in text:
        return f"{redacted(uri)}: the MLflow server refuses this log-in; {LOG_IN}"
    if "error code 403" in text or "PERMISSION_DENIED" in text:
        return f"{redacted(uri)}: the MLflow server does not let this user do that; ask for permission, or {LOG_IN}"
    return redacted(f"{uri}: {text.splitlines()[0]}") if "OperationalError" in text else None


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Errors of the body that are about the store at `uri` become a StoreError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or type(error).__module__.split(".")[0] not in ("mlflow", "sqlalchemy"):
            raise
        if (problem := problem_of(error, uri)) is None:
            raise
        raise StoreError(problem) from None


@contextmanager
def one_try() -> Iterator[None]:
    """No waiting for a server that has been waited for already."""
    before = os.environ.get(RETRIES)
    os.environ[RETRIES] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[RETRIES]
        else:
            os.environ[RETRIES] = before
