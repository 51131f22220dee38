"""Servers stay on this machine, nothing reports to anyone, and no secret is written down."""

import http.server
import json
import os
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import toy_sweep
from typer.testing import CliRunner

from contactlens.base.errors import InputError
from contactlens.cli import main as cli
from contactlens.ops.environment import DEFAULTS
from contactlens.ops.ray_session import ray_session
from contactlens.ops.redaction import redacted

ROOT = Path(__file__).parents[1]
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
KEYS = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{22,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk-[A-Za-z0-9]{20,}|\bhf_[A-Za-z]{30,}|\bAIza[\w-]{35}\b"
    r"|(?i:password|secret|api_key|token)\s*[:=]\s*[\"'][A-Za-z0-9+/_-]{24,}[\"']"
)


def listening() -> set[str]:
    """Addresses on which this process and its children listen."""
    me = psutil.Process()
    found = set()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.Error):  # one that has just ended
            found |= {one.laddr.ip for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.slow
def test_a_local_ray_listens_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with ray_session(toy_sweep.config(), tmp_path):
        import ray

        assert ray.get(ray.remote(lambda: 7).remote()) == 7
        found = listening()
    assert found and found <= set(LOOPBACK)


@pytest.mark.parametrize(("flags", "host"), [([], "127.0.0.1"), (["--host", "192.0.2.7"], "192.0.2.7")])
def test_the_ui_listens_on_loopback_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], host: str
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: started.append(arguments))
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "")  # so that it is put back afterwards
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg2://me:hidden-word@127.0.0.1/runs")
    done = CliRunner().invoke(cli.app, ["ui", *flags])
    assert done.exit_code == 0, done.output
    [arguments] = started
    assert arguments[arguments.index("--host") + 1] == host
    assert "hidden-word" not in " ".join(arguments)  # every user of the machine sees them
    assert "hidden-word" in os.environ["MLFLOW_BACKEND_STORE_URI"]


def test_the_ui_of_a_server_is_that_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert isinstance(CliRunner().invoke(cli.app, ["ui"]).exception, InputError)


def test_every_server_in_the_docs_is_told_to_listen_on_loopback() -> None:
    commands = []
    for page in (ROOT / "README.md", ROOT / "Makefile", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text().replace("\\\n", " ")
        commands += re.findall(r"^\s*(?:mlflow (?:server|ui)|ray start)\b.*$", text, re.MULTILINE)
    assert commands
    address = r"(--host|--node-ip-address|--address)[= ](127\.0\.0\.1|\S+:\d+)"
    assert [line for line in commands if not re.search(address, line)] == []


TELEMETRY = """
import json, os, sys
sys.path.insert(0, "pipelines")
module = __import__(sys.argv[1])
assert not {"mlflow", "ray", "dvc", "great_expectations"} & set(sys.modules), "too early"
import dvc.analytics, mlflow.telemetry.utils, ray._common.usage.usage_lib
print(json.dumps({
    "dvc": dvc.analytics.is_enabled(),
    "mlflow": not mlflow.telemetry.utils.is_telemetry_disabled(),
    "ray": ray._common.usage.usage_lib.usage_stats_enabled(),
    "great_expectations": os.environ["GX_ANALYTICS_ENABLED"] != "false",
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", ["tracks_validate", "contactlens.cli.main"])
def test_the_libraries_themselves_say_that_they_report_nothing(script: str) -> None:
    """In a stage's script as a plain `dvc repro` starts it and in the command line, without the Makefile."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", TELEMETRY, script], cwd=ROOT, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(
        ("dvc", "mlflow", "ray", "great_expectations"), False
    )


def test_every_script_sets_the_environment_before_any_library_reads_it() -> None:
    for script in sorted((ROOT / "pipelines").glob("*.py")):
        text = script.read_text()
        assert "from contactlens.ops.stage import stage" in text, script
        assert not re.search(r"^(?:import|from) (?:mlflow|ray|dvc|great_expectations)", text, re.MULTILINE), script


def test_great_expectations_has_no_client_to_report_with() -> None:
    locked = (ROOT / "requirements.lock").read_text().lower()
    assert "posthog" not in locked and "segment" not in locked and DEFAULTS["GX_ANALYTICS_ENABLED"] == "false"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://me:pass:word/1@host:5000/x", "at http://me:pass:word/1@host:5000/x"),
        ("at http://me:password1@host:5000/x", "at http://me:***@host:5000/x"),
        (
            "postgresql+psycopg2://me:a%40b@h/d and s3://bucket/key",
            "postgresql+psycopg2://me:***@h/d and s3://bucket/key",
        ),
        ("http://host:5000/a@b and me@host", "http://host:5000/a@b and me@host"),
        ("with hidden-word inside", "with *** inside"),
        ("short stays, /a/path stays", "short stays, /a/path stays"),
    ],
)
def test_secrets_are_hidden_and_all_else_stays(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hidden-word")
    monkeypatch.setenv("OTHER_SECRET", "short")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "/a/path")
    assert redacted(text) == shown


def tracked() -> list[Path]:
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.splitlines()]


def test_no_tracked_file_holds_a_key() -> None:
    planted = f"-----BEGIN PRIVATE {'KEY'}-----", f"AKIA{'A' * 16}", f"password = '{'a1B2' * 8}'"
    assert all(KEYS.search(text) for text in planted)
    found = []
    for path in tracked():
        if path.is_file() and (hit := KEYS.search(path.read_bytes().decode("utf-8", "ignore"))):
            found.append(f"{path.relative_to(ROOT)}: {hit[0][:12]}")
    assert found == []


@pytest.fixture
def advisories() -> Iterator[str]:
    """A vulnerability service on this machine that knows of one fault, in six; at /503 it fails with that status."""

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if (number := self.path.strip("/")).isdigit():
                self.send_error(int(number))
                return
            affected = [{"package": {"name": "six", "ecosystem": "PyPI"}, "versions": ["1.0"], "ranges": []}]
            fault = {"id": "PYSEC-0-1", "summary": "s", "details": "d", "published": "2020-01-01T00:00:00Z"}
            known = [{**fault, "affected": affected}] if asked["package"]["name"] == "six" else []
            body = json.dumps({"vulns": known} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.slow
def test_the_audit_fails_on_a_known_fault_and_passes_what_it_can_not_check(
    advisories: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["main"]
    lock = tmp_path / "requirements.lock"

    def said(packages: str, url: str, *more: str) -> tuple[int, str]:
        lock.write_text(packages)
        return audit(["--vulnerability-service", "osv", "--osv-url", url, *more], lock), capsys.readouterr().out

    assert said("idna==3.0\n", advisories) == (0, "audit: 1 packages, 0 known vulnerabilities that are not ignored\n")
    status, out = said("idna==3.0\nsix==1.0\n", advisories)
    assert status == 1 and "six 1.0: PYSEC-0-1" in out
    assert said("six==1.0\n", advisories, "--ignore-vuln", "PYSEC-0-1")[0] == 0
    for url in ("http://127.0.0.1:9/", *(f"{advisories}{number}" for number in (403, 429, 502, 503))):
        status, out = said("six==1.0\n", url)
        assert status == 0 and len(out.splitlines()) == 1 and "was not checked" in out, url
    assert said("six==1.0\n", f"{advisories}400")[0] == 1  # a question that it does not understand is our own fault
    assert said("six=1.0=\n", advisories)[0] == 1  # a lock that can't be read is no reason to pass
