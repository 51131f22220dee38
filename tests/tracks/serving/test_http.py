"""The logged model of tracks behind `mlflow models serve`, over HTTP on this machine."""

import json
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from same_prediction import assert_same_prediction

BENCHMARK = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "serve_http.py"))
as_json, post, table_of = (BENCHMARK[name] for name in ("as_json", "post", "table_of"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(logged: Path):
    with BENCHMARK["served"](str(logged)) as found:
        yield found


def answered(address: str, table: pd.DataFrame) -> pd.DataFrame:
    status, body = post(address, as_json(table))
    assert status == 200, body[:500]
    return pd.DataFrame(json.loads(body)["predictions"])


def test_ten_clients_at_once_get_what_the_model_says(address: str, served) -> None:
    tables = [table_of(1 + i % 3, 40 + i) for i in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda table: answered(address, table), tables))
    for table, found in zip(tables, answers, strict=True):
        wanted = served.model.predict(table)
        assert found["track_id"].tolist() == wanted["track_id"].tolist()
        assert_same_prediction(found, wanted)


def test_a_thousand_tracks_in_one_request(address: str, served) -> None:
    table = table_of(1000, 20)
    found = answered(address, table)
    assert len(found) == 20_000 and found["track_id"].nunique() == 1000
    assert_same_prediction(found, served.model.predict(table))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="ep_distance_nm"), "Model is missing inputs ['ep_distance_nm']"),
        (lambda t: t.assign(frame=0), "column 'frame': repeats a frame of its track"),
        (lambda t: t.assign(ep_distance_nm=-1.0), "column 'ep_distance_nm': is negative"),
        (lambda t: t.assign(ep_x_nm="far"), "ep_x_nm"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(address: str, change, message: str) -> None:
    status, body = post(address, as_json(change(table_of(2, 10))))
    assert status == 400 and message in json.loads(body)["message"]
    status, body = post(address, b"{not json")
    assert status == 400


def test_a_container_can_be_described(logged: Path, tmp_path: Path) -> None:
    """What `mlflow models build-docker` does before Docker."""
    arguments = ["models", "generate-dockerfile", "-m", str(logged), "-d", str(tmp_path), "--env-manager", "local"]
    done = subprocess.run([sys.executable, "-m", "mlflow", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "Dockerfile").is_file()
    assert list(tmp_path.rglob("model.safetensors")) and not list(tmp_path.rglob("*.pkl"))
