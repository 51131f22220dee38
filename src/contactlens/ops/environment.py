"""Defaults of the libraries' environment variables; the user's own settings always win."""

import os
import secrets
import sys
from pathlib import Path

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would show a password that the URI holds
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A server that goes away is waited for: 0, 2, 4, ... 64, 120 s, four minutes in all.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "8",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "GX_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # no box of settings before the first trial
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of params.yaml keep their meaning in a trial
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # each worker imports torch, on a busy machine
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # MLflow has the epochs; no further copies
    "DVC_NO_ANALYTICS": "1",
    "NUMBA_CACHE_DIR": str(Path.home() / ".cache" / "contactlens" / "numba"),  # else it writes into site-packages
}


def prepare_environment() -> None:
    """Set each default that the user left unset. mlflow, ray and dvc read them when they are imported.

    A Ray on this machine listens on all interfaces. It gets a token of its own, in memory only; a cluster at
    RAY_ADDRESS has one already.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "ray" in sys.modules or os.environ.get("RAY_ADDRESS") or "RAY_AUTH_MODE" in os.environ:
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
