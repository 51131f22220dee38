"""What one checkout pushed, a fresh clone has: from a folder and from S3, with every fault named."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from small_project import ROOT, call, commit, contactlens, dvc, environment, hashes, make_repository

pytestmark = pytest.mark.slow
BUCKET = "tracks-bucket"
RECORD = Callable[[str, str, str], None]
ADMIN = {"aws_access_key_id": "admin", "aws_secret_access_key": "admin", "region_name": "us-east-1"}
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_repository(tmp_path_factory.mktemp("store") / "project")
    done = call(contactlens("tracks", "run"), folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder.parent}/first.db")
    assert done.returncode == 0, done.stderr
    commit(folder, "Run")
    return folder


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """A server that wants signed requests, its address and a user's credentials, as the environment has them."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    iam = boto3.client("iam", endpoint_url=url, **ADMIN)
    iam.create_user(UserName="lab")
    key = iam.create_access_key(UserName="lab")["AccessKey"]
    iam.put_user_policy(UserName="lab", PolicyName="store", PolicyDocument=POLICY)
    boto3.client("s3", endpoint_url=url, **ADMIN).create_bucket(Bucket=BUCKET)
    requests.post(f"{url}/moto-api/reset-auth", data=b"0", timeout=10)
    yield {
        "STORE_URL": f"s3://{BUCKET}/contactlens",
        "STORE_ENDPOINT": url,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server.stop()


def from_the_page(heading: str) -> list[str]:
    """The commands under a heading of docs/store.md, block by block."""
    section = (ROOT / "docs/store.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash not-run:[^\n]*\n(.*?)```", section, re.DOTALL)


def shell(commands: str, folder: Path, **more: str) -> str:
    """Run lines of the page; `contactlens` in them is this checkout's."""
    start = f'set -e; contactlens() {{ python -m contactlens.cli.main "$@"; }}\n{commands}'
    done = subprocess.run(
        ["bash", "-c", start], cwd=folder, env=environment(**more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clone_of(project: Path, folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", project, folder], check=True)
    assert not (folder / "data/tracks").exists()
    return folder


def assert_complete(clone: Path, project: Path, said: str) -> None:
    """Same bytes, and nothing was run. That the registry is then filled is in test_tracks_pipeline.py."""
    assert "Running stage" not in said
    assert hashes(clone) == hashes(project)
    for name in ("data/tracks/frames.parquet", "models/tracks/model.safetensors", "reports/tracks/metrics.json"):
        assert (clone / name).read_bytes() == (project / name).read_bytes()


def test_a_clone_has_everything_from_the_default_folder(project: Path, tmp_path: Path) -> None:
    push, pull = from_the_page("A clone that runs nothing")
    shell(push, project)
    clone = clone_of(project, tmp_path / "clone")
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/second.db"}
    said = shell(pull, clone, CHECKOUT=str(project), **store)
    assert_complete(clone, project, said)


def test_a_clone_has_everything_from_s3_by_settings_alone(project: Path, s3: dict[str, str], tmp_path: Path) -> None:
    first = tmp_path / "first"
    shutil.copytree(project, first)
    settings, push = from_the_page("S3, or anything that speaks it")
    shell(settings + push, first, **s3)
    clone = clone_of(project, tmp_path / "clone")
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/second.db"}
    said = shell(settings + "contactlens store\ndvc pull\ncontactlens run", clone, **s3, **store)
    assert f"'store' at s3://{BUCKET}/contactlens: can be read and written" in said
    assert_complete(clone, project, said)
    assert subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True).stdout == b""


def use(folder: Path, settings: dict[str, str]) -> None:
    """What the page's commands write."""
    remote = (
        f"['remote \"store\"']\n    url = {settings['STORE_URL']}\n    endpointurl = {settings['STORE_ENDPOINT']}\n"
    )
    (folder / ".dvc/config.local").write_text(f"[core]\n    remote = store\n{remote}    verify = true\n")


@pytest.mark.parametrize(
    ("fault", "wrong", "reason"),
    [
        ("wrong secret key of the S3 store", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ("missing bucket of the S3 store", {"STORE_URL": "s3://missing/contactlens"}, "NoSuchBucket"),
        ("S3 server that does not answer", {"STORE_ENDPOINT": "http://127.0.0.1:9"}, "Could not connect"),
    ],
)
def test_a_store_that_cannot_be_used_is_named(
    fault: str,
    wrong: dict[str, str],
    reason: str,
    project: Path,
    s3: dict[str, str],
    tmp_path: Path,
    record_fault: RECORD,
) -> None:
    folder = clone_of(project, tmp_path / "clone")
    (folder / "note").write_text("kept")
    assert call(dvc("add", "note"), folder).returncode == 0
    use(folder, {**s3, **wrong})
    push = call(dvc("push", "note"), folder, **{**s3, **wrong})
    tried = call(contactlens("store"), folder, **{**s3, **wrong})
    assert (push.returncode != 0, tried.returncode) == (True, 1)
    assert "Traceback" not in push.stderr + tried.stderr
    url = {**s3, **wrong}["STORE_URL"]
    assert tried.stderr.startswith(f"error: DVC remote 'store' at {url}: ") and reason in tried.stderr
    assert tried.stderr.count("\n") == 1
    use(folder, s3)
    shell("dvc push note\nrm -r note .dvc/cache\ndvc pull note", folder, **s3)
    assert (folder / "note").read_text() == "kept"
    record_fault(
        fault,
        f"`dvc push` ends with status {push.returncode}; `contactlens store` says `{reason}` and names remote and "
        "address. Once put right the same command completes",
        "nothing",
    )


def flip_a_byte(path: Path) -> None:
    """Change the content and leave size, time and mode as they are."""
    before = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(before.st_mode)


def test_a_damaged_object_in_the_store_is_refused(project: Path, tmp_path: Path, record_fault: RECORD) -> None:
    remote, clone = tmp_path / "remote", clone_of(project, tmp_path / "clone")
    shell(f"dvc remote modify --local local url {remote}\ndvc push", project)
    md5 = hashes(project)["models/tracks/splits.json"]
    flip_a_byte(remote / "files/md5" / md5[:2] / md5[2:])
    call(dvc("remote", "modify", "--local", "local", "url", str(remote)), clone)
    pulled = call(dvc("pull"), clone)
    assert pulled.returncode != 0 and "models/tracks/splits.json" in pulled.stderr
    assert not (clone / "models/tracks/splits.json").exists()
    made = call(dvc("repro"), clone, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/second.db")
    assert made.returncode == 0, made.stderr
    ran = re.findall("Running stage '(.*)'", made.stdout)
    assert ran == ["tracks_split"]
    assert (clone / "models/tracks/splits.json").read_bytes() == (project / "models/tracks/splits.json").read_bytes()
    record_fault(
        "a byte flipped in an object of the DVC remote",
        "`dvc pull` refuses it and names the file; `dvc repro` then runs the one stage that makes it, same bytes",
        "one stage's time",
    )
