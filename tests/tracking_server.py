"""A real tracking server for tests: PostgreSQL of its own, `mlflow server` with log-in on top, both on loopback."""

import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER, PASSWORD = "contactlens", "a-pass-word-of-tests"
START_SECONDS = 120
# Below the ports of outgoing connections (from 32768 on), which could take that of a server that is down for a while.
PORTS = range(30000, 32768)


def free_port(host: str = "127.0.0.1", ports: Sequence[int] = PORTS) -> int:
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"{host}: no free port from {min(ports)} to {max(ports)}")


def postgres_bin() -> Path | None:
    """Folder of PostgreSQL's server binaries."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        found.append(Path(told.stdout.strip()))
    return next((folder for folder in reversed(found) if (folder / "initdb").is_file()), None)


def unprivileged() -> dict[str, Any]:
    """Whom PostgreSQL runs as: it refuses root. Arguments of subprocess."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def why_not() -> str | None:
    """Why no such server can be started here; None where it can."""
    if postgres_bin() is None:
        return "no PostgreSQL server binaries: apt-get install postgresql"
    if os.getuid() == 0 and not {"postgres", "nobody"} & {entry.pw_name for entry in pwd.getpwall()}:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


@contextmanager
def postgres(databases: list[str]) -> Iterator[str]:
    """A cluster with these databases, removed at the end; gives its URI without a database, password included."""
    found = postgres_bin()
    assert found is not None
    who, port, folder = unprivileged(), free_port(), Path(tempfile.mkdtemp(prefix="pg_", dir="/tmp"))
    os.chown(folder, who.get("user", -1), who.get("group", -1))
    log_in = folder / "password"
    log_in.write_text(PASSWORD)
    log_in.chmod(0o644)  # inside a folder that is its user's alone
    data, settings = folder / "data", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [str(found / "pg_ctl"), "-D", str(data), "-w", "-s"]
    environment = {**os.environ, "PGPASSWORD": PASSWORD}

    def call(*command: str) -> None:
        subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, **who)

    initdb = ["-D", str(data), "-U", USER, "--auth=scram-sha-256", f"--pwfile={log_in}", "--no-sync", "--encoding=UTF8"]
    try:
        call(str(found / "initdb"), *initdb)
        call(*control, "-l", str(folder / "log"), "-o", settings, "start")
        for name in databases:
            call(str(found / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", USER, name)
        yield f"postgresql+psycopg2://{USER}:{PASSWORD}@127.0.0.1:{port}"
    finally:
        if (data / "postmaster.pid").is_file():
            call(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@dataclass
class MlflowServer:
    """`mlflow server` as docs/server.md starts it, in `folder`, on the databases `runs` and `accounts`."""

    folder: Path
    database: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_in(self) -> dict[str, str]:
        """The client's variables, and no other."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }

    def start(self) -> None:
        """Returns once it answers."""
        config = self.folder / "auth.ini"
        config.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {self.database}/accounts\n"
            f"admin_username = {USER}\nadmin_password = {PASSWORD}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"  # else each request hashes the password anew
        )
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")},
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
            "MLFLOW_BACKEND_STORE_URI": f"{self.database}/runs",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1", "--serve-artifacts"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            log_text = (self.folder / "server.log").read_text()
            assert self.process.poll() is None and time.monotonic() < deadline, log_text[-3000:]
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
