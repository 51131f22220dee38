"""Pictures of what a person sees, docs/screens/*.png, each page checked first: `python docs/screenshots.py`.

After a run, in the checkout or workspace: the report at the width of a desk and of a phone, MLflow's pages of the
store, and the front page of the site where `make docs` has built it. It needs Chromium; exit status 1 where a page
lacks what it should hold.
"""

import argparse
import html
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contactlens.ops.runs.tracking import mlflow_client

DOCS = Path(__file__).parent
OUT = DOCS / "screens"
MOST_BYTES, WIDTH_PX, MLFLOW_WIDTH_PX = 300_000, 1280, 1680
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)
PATIENCE_MS, START_S, PAGE_S = 15_000, 120, 240


@dataclass(frozen=True)
class Page:
    """A page and what has to be read on it."""

    name: str
    url: str
    words: Sequence[str]
    width: int = WIDTH_PX
    height: int = 900


def chromium(url: str, *arguments: str) -> str:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is installed")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS.split(), f"--user-data-dir={profile}", *arguments, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=PAGE_S, check=True).stdout


def missing_words(page: Page) -> list[str]:
    """What is not on the page, once its scripts have run."""
    content = chromium(page.url, "--dump-dom", f"--virtual-time-budget={PATIENCE_MS}")
    content = re.sub(r"<(script|style)\b.*?</\1>", " ", content, flags=re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]+>", " ", content))
    shown = " ".join(text.split())
    return [word for word in page.words if word not in shown]


def small(png: Path) -> None:
    """Fewer colours, until the picture has at most 300 kB."""
    with Image.open(png) as source:
        image = source.convert("RGB")
    for colours in (256, 64, 16):
        image.quantize(colours, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
        if png.stat().st_size <= MOST_BYTES:
            return
    raise SystemExit(f"{png}: {png.stat().st_size} bytes, more than {MOST_BYTES}")


def picture(page: Page, out: Path) -> list[str]:
    """Take the picture; what the page lacks."""
    missing = missing_words(page)
    png = out / f"{page.name}.png"
    size = f"--window-size={page.width},{page.height}"
    chromium(page.url, size, f"--virtual-time-budget={PATIENCE_MS}", f"--screenshot={png}")
    small(png)
    return missing


@contextmanager
def mlflow_pages(store: Path) -> Iterator[str]:
    """The address of MLflow's UI over a copy of the store, on this machine alone."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(store, folder)
        environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{copy}"}
        command = ["env", *(f"{key}={value}" for key, value in environment.items()), sys.executable, "-m", "mlflow"]
        command += ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def wait_for(url: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"{url}: no answer in {START_S} s")


def store_pages(store: Path, address: str) -> list[Page]:
    """The runs of each experiment, the run and the page of its last registered version."""
    client = mlflow_client(f"sqlite:///{store.absolute()}")
    found = []
    for branch in ("tracks", "dna"):
        experiment = client.get_experiment_by_name(branch)
        versions = client.search_model_versions(f"name = 'contactlens-{branch}'")
        if experiment is None or not versions:
            continue
        last = max(versions, key=lambda version: int(version.version))
        runs = f"{address}/#/experiments/{experiment.experiment_id}/runs"
        found += [
            Page(f"mlflow_{branch}_runs", runs, ["evaluate", "register", "data/" + branch], MLFLOW_WIDTH_PX),
            Page(
                f"mlflow_{branch}_run",
                f"{runs}/{last.run_id}",
                ["promoted", "data/" + branch, "pipeline_run"],
                MLFLOW_WIDTH_PX,
            ),
            Page(
                f"mlflow_{branch}_model", f"{address}/#/models/{last.name}", [last.name, "Version 1"], MLFLOW_WIDTH_PX
            ),
        ]
    return found


def report_pages(report: Path, folder: Path) -> list[Page]:
    """The first screen of a report; a phone is narrower than a window of Chromium can be, so it is a frame in one."""
    phone = folder / "phone.html"
    phone.write_text(
        f'<body style="margin:0"><iframe src="{report.absolute().as_uri()}" '
        'style="border:0;width:390px;height:1500px"></iframe>'
    )
    words = ["how sure is that?", "What would make this wrong:", "Promot"]
    return [
        Page("report", report.absolute().as_uri(), words),
        Page("report_phone", phone.as_uri(), [], 500, 1500),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--report", type=Path, default=Path("reports/report.html"))
    parser.add_argument("--store", type=Path, default=Path("mlflow.db"))
    parser.add_argument("--site", type=Path, default=DOCS / "_build/html/index.html")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    lacking: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.report.is_file():
            lacking |= {page.name: picture(page, asked.out) for page in report_pages(asked.report, Path(folder))}
    if asked.site.is_file():
        site = Page("docs", asked.site.absolute().as_uri(), ["Quick start", "Concepts", "Reliability"])
        lacking["docs"] = picture(site, asked.out)
    if asked.store.is_file():
        with mlflow_pages(asked.store) as address:
            lacking |= {page.name: picture(page, asked.out) for page in store_pages(asked.store, address)}
    for name, missing in lacking.items():
        print(f"{name}: {'lacks ' + ', '.join(missing) if missing else 'ok'}")
    if not lacking or any(lacking.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
