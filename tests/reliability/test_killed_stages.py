"""Stages, DVC and `contactlens run` that are killed or interrupted: nothing half-written, nothing left running."""

import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from contactlens.base.files import write_aside, write_json
from contactlens.ops.params import load_params
from contactlens.ops.runs.provenance import dvc_hash
from contactlens.tracks.data.split import split_tracks
from contactlens.tracks.simulation.simulate import simulate
from ctrl_c import heed_ctrl_c
from small_project import ROOT, call, contactlens, dvc, environment, hashes, make_project

RECORD = Callable[[str, str, str], None]
EPOCHS = 150
TRAIN = [sys.executable, "pipelines/tracks_train.py"]
MODEL = "models/tracks/model.safetensors"


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def running_in(folder: Path) -> list[psutil.Process]:
    """Processes that work in `folder`, as stages and DVC do."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a command in a session of its own, its output in the files `out` and `error`, and sees to its end."""
    processes = []

    def start(command: list[str], folder: Path, **more: str) -> "subprocess.Popen[bytes]":
        own = {"cwd": folder, "env": environment(**more), "start_new_session": True, "preexec_fn": heed_ctrl_c}
        with (tmp_path / "out").open("w") as out, (tmp_path / "error").open("w") as error:
            processes.append(subprocess.Popen(command, stdout=out, stderr=error, **own))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_writer_killed_before_between_and_after_its_renames(tmp_path: Path, record_fault: RECORD) -> None:
    """The old version of a folder or the new one, and the next write clears up."""
    code = (
        "import os, signal, sys; from pathlib import Path; from contactlens.base.files import write_aside\n"
        "calls, replace = [], Path.replace\n"
        "def dying(self, target):\n"
        "    if len(calls) == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    calls.append(target); return replace(self, target)\n"
        "Path.replace = dying\n"
        "with write_aside(sys.argv[1]) as aside:\n"
        "    aside.mkdir(); (aside / 'file').write_text('new')\n"
    )
    for renames in (0, 1):
        final = tmp_path / str(renames) / "output"
        with write_aside(final) as aside:
            aside.mkdir()
            (aside / "file").write_text("old")
        done = call([sys.executable, "-c", code, str(final), str(renames)], tmp_path)
        assert done.returncode == -signal.SIGKILL
        assert final.exists() == (renames == 0)
        with pytest.raises(ZeroDivisionError), write_aside(final):
            assert (final / "file").read_text() == "old"
            1 / 0  # noqa: B018
        assert [path.name for path in final.parent.iterdir()] == ["output"]
    record_fault(
        "SIGKILL of a writer of a folder, before and between its two renames",
        "the old version stays, or gets its name back at the next write; what was left aside is removed",
        "the new version",
    )


def make_trainable(folder: Path) -> Path:
    """The small project with data and splits as the library writes them."""
    make_project(folder)
    params = folder / "params.yaml"
    text = params.read_text().replace("max_epochs: 3", f"max_epochs: {EPOCHS}")
    params.write_text(re.sub("patience: [0-9]+", f"patience: {EPOCHS}", text))
    own = load_params(params)
    tracks = simulate(own.tracks.simulate, own.seed)
    tracks.write(folder / "data/tracks")
    write_json(folder / "models/tracks/splits.json", split_tracks(tracks, own.tracks.split, own.seed))
    return folder


def epochs_by_run(store: Path) -> list[int]:
    """Epochs that each MLflow run was told of, in the order of the runs."""
    epochs = "select count(*) from metrics where key like 'seed_%/validation_nll'"
    with sqlite3.connect(store) as database:
        return [row[0] for row in database.execute(f"{epochs} group by run_uuid order by min(timestamp)")]


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_bytes(
    tmp_path: Path, started: Callable[..., "subprocess.Popen[bytes]"], record_fault: RECORD
) -> None:
    project = make_trainable(tmp_path / "project")
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    killed = started(TRAIN, project, **store)
    until(lambda: any((project / ".checkpoints/train").rglob("epoch_*.pt")))
    killed.kill()
    killed.wait()
    state = max((project / ".checkpoints/train").rglob("epoch_*.pt"))
    done_before = len(torch.load(state, weights_only=True)["result"]["history"])
    assert 0 < done_before < EPOCHS
    outputs = [MODEL, "reports/tracks/history.csv", "reports/tracks/seeds.csv"]
    assert not any((project / path).exists() for path in outputs)
    again = call(TRAIN, project, **store)
    assert again.returncode == 0, again.stderr
    assert epochs_by_run(tmp_path / "mlflow.db")[-1] == EPOCHS  # those before the kill too
    assert not list(project.rglob("*.partial"))
    resumed = {path: dvc_hash(project / path) for path in outputs}
    undisturbed = call(TRAIN, project, **store)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert epochs_by_run(tmp_path / "mlflow.db")[-1] == EPOCHS
    assert {path: dvc_hash(project / path) for path in outputs} == resumed
    record_fault(
        "SIGKILL of the stage tracks_train between two epochs' checkpoints",
        "no output under its name; the same command goes on from the last epoch, to the bytes of an undisturbed run",
        "the epoch under way",
    )


LONG = {"from": "n_tracks: 60", "to": "n_tracks: 30000"}


def lengthen(params: Path) -> str:
    """Have tracks_data work for longer than any kill takes; the parameters as they were."""
    short = params.read_text()
    assert LONG["from"] in short
    params.write_text(short.replace(LONG["from"], LONG["to"]))
    return short


def until_in_mid_stage(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Until tracks_data says what it starts from: from then on it ends with its parent."""

    def said() -> object:
        assert process.poll() is None, (folder / "error").read_text()
        return re.search("^tracks_data: from ", (folder / "out").read_text(), re.MULTILINE)

    until(said)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])  # DVC starts stages through $SHELL, where unset /bin/sh
def test_a_killed_dvc_takes_its_stage_with_it_and_runs_again(
    shell: str, tmp_path: Path, started: Callable[..., "subprocess.Popen[bytes]"], record_fault: RECORD
) -> None:
    project = make_project(tmp_path / "project")
    params = project / "params.yaml"
    short = lengthen(params)
    killed = started(dvc("repro", "tracks_data"), project, SHELL=shell)
    until_in_mid_stage(killed, tmp_path)
    killed.kill()
    killed.wait()
    until(lambda: not running_in(project))
    assert (project / ".dvc/tmp/rwlock").read_text().count(f'"pid": {killed.pid}') > 0
    assert not (project / "data/tracks").exists()
    params.write_text(short)
    again = call(dvc("repro", "tracks_data"), project)
    assert again.returncode == 0, again.stderr
    own = load_params(params)
    simulate(own.tracks.simulate, own.seed).write(tmp_path / "expected")
    assert hashes(project)["data/tracks"] == dvc_hash(tmp_path / "expected")
    record_fault(
        "SIGKILL of `dvc repro` in mid-stage",
        "its stage ends with it; DVC drops the dead process's lock and the same command completes",
        "the stage under way",
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_one_message_and_leaves_nothing(
    number: signal.Signals, tmp_path: Path, started: Callable[..., "subprocess.Popen[bytes]"], record_fault: RECORD
) -> None:
    project = make_project(tmp_path / "project")
    params = project / "params.yaml"
    short = lengthen(params)
    command = contactlens("tracks", "run", "--stage", "tracks_data")
    interrupted = started(command, project, PYTHONPATH=str(ROOT / "src"))
    until_in_mid_stage(interrupted, tmp_path)
    interrupted.send_signal(number)
    assert interrupted.wait(300) == 130
    said = (tmp_path / "error").read_text()
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "interrupted; the same command again goes on from the last stage that ended"
    assert running_in(project) == []
    assert not (project / "data/tracks").exists()
    assert not list(project.rglob("*.partial"))
    params.write_text(short)
    again = call(command, project)
    assert again.returncode == 0, again.stderr
    assert dvc_hash(project / "data/tracks") == hashes(project)["data/tracks"]
    record_fault(
        f"{number.name} to `contactlens run` in mid-stage",
        "status 130, one line; DVC and the stage have ended; the same command again completes",
        "the stage under way",
    )
