"""A Ray cluster of several nodes on this machine: one raylet each, as `ray start` makes them, and one secret token."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from tracking_server import free_port

HEAD, SECOND = "127.0.0.2", "127.0.0.3"
RAY = Path(sys.executable).parent / "ray"
STARTED = "Ray runtime started"
NOT_NICE = {"RAY_worker_niceness": "0"}  # by default 15: on a busy machine a trial would hardly start


class Node:
    """One `ray start --block` with its raylet; `folder` is where its workers find themselves."""

    def __init__(self, ip: str, environment: dict[str, str], folder: Path, arguments: list[str]) -> None:
        command = [str(RAY), "start", "--block", "--disable-usage-stats", f"--node-ip-address={ip}", "--num-gpus=0"]
        command += ["--object-store-memory=80000000", *arguments]
        self.ip, self.log = ip, folder / "ray.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def started(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return STARTED in self.log.read_text()

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def raylet(self) -> psutil.Process:
        found = []
        for process in self.descendants():
            with suppress(psutil.Error):  # one that has just ended
                if process.name() == "raylet":
                    found.append(process)
        [raylet] = found
        return raylet

    def node_id(self) -> str:
        """As Ray's workers know it."""
        [option] = [part for part in self.raylet().cmdline() if part.startswith("--node_id=")]
        return option.partition("=")[2]

    def close(self) -> None:
        """End every process of this node and no other."""
        if self.process.poll() is None:
            processes = self.descendants()
            self.process.send_signal(signal.SIGTERM)
            psutil.wait_procs(processes, timeout=8)
            for process in processes:
                with suppress(psutil.Error):
                    process.kill()
        self.process.wait()


class RayNodes:
    """A head, and a second node of one CPU; `environment` is what a driver needs to reach it."""

    def __init__(self, **variables: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray"))  # sockets need a short path
        self.address = f"{HEAD}:{free_port(HEAD)}"
        self.token = secrets.token_hex(32)
        self._nodes: list[Node] = []
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self._environment = {
            **inherited,
            **NOT_NICE,
            **variables,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
        }

    @property
    def environment(self) -> dict[str, str]:
        return {**self._environment, "RAY_ADDRESS": self.address}

    def head(self, cpus: int = 1) -> Node:
        port = self.address.partition(":")[2]
        return self._start(HEAD, [f"--num-cpus={cpus}", "--head", f"--port={port}", "--include-dashboard=false"])

    def second(self) -> Node:
        return self._start(SECOND, ["--num-cpus=1", f"--address={self.address}"])

    def _start(self, ip: str, arguments: list[str]) -> Node:
        folder = self.folder / str(len(self._nodes))
        folder.mkdir()
        node = Node(ip, self._environment, folder, [*arguments, f"--temp-dir={folder}"])
        self._nodes.append(node)
        return node

    def close(self) -> None:
        for node in reversed(self._nodes):
            node.close()
        shutil.rmtree(self.folder, ignore_errors=True)
