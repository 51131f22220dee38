"""Requests per second and their 95 % time of a served model of tracks, over HTTP on this machine.

    python benchmarks/serve_http.py MODEL [--frames 601] [--requests 100]

MODEL: models:/NAME@ALIAS of the store at MLFLOW_TRACKING_URI, or a model's folder as MLflow keeps it. One server
process, as `mlflow models serve` starts it; each request holds one track, and at the end one holds 1,000.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

START_S = 120


@contextmanager
def served(model: str) -> Iterator[str]:
    """Address of a server of `model`, which ends with the body."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    arguments = ["models", "serve", "-m", model, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # MLflow calls uvicorn
    environment = {**os.environ, "PATH": beside, "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "600"}
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/ping", timeout=2).read()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError("the server did not start")


def table_of(tracks: int, frames: int) -> pd.DataFrame:
    """Tracks of a vector driver in nm, components of 170 nm each."""
    vector = np.random.default_rng(0).normal(0, 170, (tracks * frames, 3))
    columns = {"track_id": np.repeat([f"t{i}" for i in range(tracks)], frames), "frame": np.tile(range(frames), tracks)}
    columns |= dict(zip(("ep_x_nm", "ep_y_nm", "ep_z_nm"), vector.T, strict=True))
    return pd.DataFrame({**columns, "ep_distance_nm": np.linalg.norm(vector, axis=1)})


def post(address: str, body: bytes, kind: str = "application/json") -> tuple[int, bytes]:
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def as_json(table: pd.DataFrame) -> bytes:
    return json.dumps({"dataframe_split": table.to_dict("split", index=False)}).encode()


def measure(address: str, body: bytes, clients: int, requests: int) -> tuple[float, float]:
    """Requests per second, and the time in s below which 95 % of them were answered."""

    def one(_: int) -> float:
        start = time.perf_counter()
        status, answer = post(address, body)
        if status != 200:
            raise RuntimeError(f"status {status}: {answer[:300]!r}")
        return time.perf_counter() - start

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        taken = list(pool.map(one, range(requests)))
    return requests / (time.perf_counter() - start), float(np.quantile(taken, 0.95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--frames", type=int, default=601)
    parser.add_argument("--requests", type=int, default=100)
    given = parser.parse_args()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with served(given.model) as address:
        body = as_json(table_of(1, given.frames))
        measure(address, body, 1, 3)  # warm
        for clients in (1, 10):
            rate, p95 = measure(address, body, clients, given.requests)
            print(
                f"1 track x {given.frames} frames, {clients:2} at once: {rate:6.1f} requests/s, p95 {1000 * p95:.0f} ms"
            )
        many = table_of(1000, given.frames)
        buffer = BytesIO()
        many.to_parquet(buffer, index=False)
        for kind, content in {
            "application/json": as_json(many),
            "application/vnd.apache.parquet": buffer.getvalue(),
        }.items():
            start = time.perf_counter()
            status, answer = post(address, content, kind)
            size = f"{len(content) / 1e6:.0f} MB in, {len(answer) / 1e6:.0f} MB out"
            print(f"1,000 tracks as {kind}: status {status}, {time.perf_counter() - start:.1f} s, {size}")
        status, answer = post(address, as_json(many.head(5).drop(columns="ep_distance_nm")))
        print(f"a column is missing: status {status}")


if __name__ == "__main__":
    main()
