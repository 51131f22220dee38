"""The Ray that a sweep runs on: one on this machine alone, or the cluster at RAY_ADDRESS, checked before any trial."""

import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from contactlens.base.errors import InputError
from contactlens.ops.cluster_address import LOCAL, cluster_address
from contactlens.ops.loopback import ray_on_loopback
from contactlens.ops.runs.provenance import code_hash

OBJECT_STORE_BYTES = 512 * 2**20
PRIORITY = {"worker_niceness": 0}  # as the rest of the pipeline, which runs beside it; Ray steps back by 15
FORWARDED = ("CUBLAS_WORKSPACE_CONFIG",)  # decides a trial's result; a cluster's workers have their node's environment
CONNECT_SECONDS, SEEN_SECONDS, PROBE_SECONDS = 5.0, 5.0, 60.0
HELP = "see cluster/README.md"
ASKED_BY_SWEEP = "the sweep's cpus_per_trial: {cpus} and gpus_per_trial: {gpus:g}"
# The address of a socket holds 107 bytes (103 on macOS), of which Ray's own names take up to 69.
LONGEST_TEMP_DIR = 34
SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")


class Share(Protocol):
    """What one trial, or one worker, takes of a node."""

    @property
    def cpus_per_trial(self) -> int: ...

    @property
    def gpus_per_trial(self) -> float: ...


@contextmanager
def ray_session(config: Share, state: Path, asked: str = ASKED_BY_SWEEP) -> Iterator[None]:
    """Joined or started, checked, and left or closed at the end.

    asked: how to say what a trial takes, with places for `cpus` and `gpus`

    Raises InputError where the cluster can't be joined, a trial fits on no node, or a node doesn't share the
    folder `state` or this code with this process.
    """
    import ray

    address = cluster_address()
    with ExitStack() as stack:
        if address is None:
            place = stack.enter_context(short_temp_dir())
            with ray_on_loopback():
                shared = {
                    "include_dashboard": False,
                    "object_store_memory": OBJECT_STORE_BYTES,
                    "_system_config": PRIORITY,
                }
                _init(LOCAL, **shared, **place)
        else:
            _join(address)
        stack.callback(ray.shutdown)
        require_room(config, [node["Resources"] for node in ray.nodes() if node["Alive"]], asked)
        if address is not None:
            _require_shared(state)
        with _terminated_as_interrupted():
            yield


@contextmanager
def short_temp_dir() -> Iterator[dict[str, str]]:
    """Arguments of `ray.init` that name a short folder, gone at the end, where the usual one is too long for sockets.

    Batch systems set a TMPDIR per job that often is.

    Raises InputError where no short folder can be written to.
    """
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST_TEMP_DIR:
        yield {}
        return
    place = next((place for place in SHORT_PLACES if os.access(place, os.W_OK | os.X_OK)), None)
    if place is None:
        raise InputError(
            f"TMPDIR={usual}: too long for Ray's sockets, and {', '.join(SHORT_PLACES)} can't be written to; set "
            f"RAY_TMPDIR to a folder of at most {LONGEST_TEMP_DIR} characters"
        )
    with tempfile.TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True) as folder:
        yield {"_temp_dir": folder}


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, as a scheduler sends it at a job's time limit, acts as Ctrl-C; Ray's own handler aborts the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _interrupt(*_: Any) -> None:
    """To whoever handles Ctrl-C, such as Ray Tune. What a script has put in the background ignores Ctrl-C, and ends all
    the same."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _init(address: str, **settings: Any) -> None:
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **settings)


def _join(address: str) -> None:
    """Ray alone would wait for minutes where nothing listens, and say little where its token is another."""
    where = f"RAY_ADDRESS={address}"
    if "://" in address:
        raise InputError(f"{where}: give host:port; run this on a node of the cluster, not through a Ray client")
    if address != "auto":
        _require_listener(where, address)
    variables = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    try:
        _init(address, runtime_env={"env_vars": variables})
    except ConnectionError as error:
        raise InputError(
            f"{where}: no Ray lets this process in ({error}). Its token must be the cluster's: RAY_AUTH_TOKEN, "
            f"RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token; {HELP}"
        ) from None
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{where}: {error}; {HELP}") from None


def _require_listener(where: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"{where}: expected host:port, such as 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"{where}: nothing answers there ({error}); {HELP}") from None


def gpus_per_trial(config: Share, cluster: Mapping[str, float]) -> float:
    """A trial's GPU share, where there is a GPU at all."""
    return config.gpus_per_trial if cluster.get("GPU", 0) else 0


def require_room(config: Share, nodes: list[dict[str, float]], asked: str = ASKED_BY_SWEEP) -> None:
    """A trial runs on one node; Ray would wait without end for a node that holds it."""
    gpus = max(gpus_per_trial(config, node) for node in nodes)
    if not any(node.get("CPU", 0) >= config.cpus_per_trial and node.get("GPU", 0) >= gpus for node in nodes):
        there = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        what = asked.format(cpus=config.cpus_per_trial, gpus=gpus)
        raise InputError(f"{what} asked, but Ray has {there} on its nodes")


def _require_shared(state: Path) -> None:
    """One error, before any trial, that names every node which doesn't share this folder or this code."""
    nonce = secrets.token_hex(4)  # a name never looked up before, so that no cache of a network file system has it
    note = state / f"driver-{nonce}"
    note.write_text(nonce)
    try:
        wrong = {node: problem for node, problem in _answers(state, nonce).items() if problem}
    finally:
        for file in state.glob(f"*-{nonce}"):
            file.unlink(missing_ok=True)
    if wrong:
        nodes = "; ".join(f"{node} {problem}" for node, problem in sorted(wrong.items()))
        raise InputError(f"every node must share the folder {state} and the same contactlens, but {nodes}; {HELP}")


def _answers(state: Path, nonce: str) -> dict[str, str]:
    """Node -> what is wrong there, empty where nothing is. A node that dies meanwhile is none of the sweep's."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    probes = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        probe = ray.remote(look).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
        probes[node] = probe.remote(state, nonce, node, code_hash())
    ray.wait(list(probes.values()), num_returns=len(probes), timeout=PROBE_SECONDS)
    answers = {node: _answer(probes[node], state / f"{node}-{nonce}") for node in nodes}
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return {f"{nodes[node]} ({node[:6]})": answer for node, answer in answers.items() if node in alive}


def _answer(probe: Any, file: Path) -> str:
    import ray

    try:
        problem = str(ray.get(probe, timeout=0))
    except ray.exceptions.GetTimeoutError:
        return f"did not answer within {PROBE_SECONDS:g} s"
    except Exception as error:  # a node without contactlens, or with another Python, fails in Ray's own ways
        return f"can't run contactlens: {(str(error).strip().splitlines() or [repr(error)])[-1]}"
    return problem or ("" if _seen(file) else "writes there what this process doesn't see")


def look(state: Path, nonce: str, node: str, code: str) -> str:
    """Run on each node: what is wrong there. Leaves a file that the driver must see."""
    if not _seen(state / f"driver-{nonce}"):
        return "doesn't see what this process wrote there"
    if code_hash() != code:
        return "has other contactlens code"
    try:
        (state / f"{node}-{nonce}").touch()
    except OSError as error:
        return f"can't write there ({error.strerror})"
    return ""


def _seen(file: Path) -> bool:
    """Whether a file is there, or comes within what a network file system takes to show it."""
    deadline = time.monotonic() + SEEN_SECONDS
    while not file.is_file():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
