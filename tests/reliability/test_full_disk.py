"""A disk that fills up under a writer: one message, nothing half-written, and the same command again completes."""

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from test_classifier import build
from test_fit import FIT, counted_epochs, trained
from test_window_set import pairs

from contactlens.base.errors import WriteError
from contactlens.base.files import write_aside
from contactlens.dna.models.classifier import save_classifier
from contactlens.ops.report import write_report
from contactlens.reporting.blocks import Report, Section, TextBlock
from contactlens.reporting.figure_style import new_figure, save_figure
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from small_files import write_arrays, write_model, write_table
from small_project import call, contactlens, make_project

RECORD = Callable[[str, str, str], None]
MESSAGE = "could not be written, the disk is full; free some space and run the same command again"


class SmallDisk:
    """A file system of 8 MiB of its own, that can be filled up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.filler = folder, folder / "filler"

    def fill(self, room: int) -> None:
        with self.filler.open("wb") as file:
            file.write(bytes(shutil.disk_usage(self.folder).free - room))

    def free(self) -> None:
        self.filler.unlink()

    def written(self) -> set[str]:
        return {path.name for path in self.folder.rglob("*")} - {"filler"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted here: {done.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", str(folder)], check=True)


def write_figure(path: Path) -> None:
    figure = new_figure(4, 3)
    figure.add_subplot().imshow(np.random.default_rng(0).normal(size=(99, 99)))
    save_figure(figure, path.with_suffix(".png"), pd.DataFrame({"x": [1.0]}))


def write_hdf5(path: Path) -> None:
    """As TF-MoDISco's results are."""
    with write_aside(path) as aside, h5py.File(aside, "w") as file:
        file.create_dataset("contributions", data=np.random.default_rng(0).normal(size=20_000))


def long_report(path: Path) -> None:
    write_report(Report("Title", "", [], [Section("Data", "data", [TextBlock("text " * 5_000)])], {"seed": "0"}), path)


def aside_table(path: Path) -> None:
    with write_aside(path) as aside:
        write_table(aside)


WRITERS = {
    "a track set": lambda p: simulate(SimulationConfig(n_tracks=4, n_frames=200), seed=0).write(p),
    "a tracks model": write_model,
    "a window set": lambda p: pairs(n=40).write(p),
    "a classifier of windows": lambda p: save_classifier(build(), p),
    "attributions (NPZ)": write_arrays,
    "a figure": write_figure,
    "motifs (HDF5)": write_hdf5,
    "predictions (Parquet)": aside_table,
    "the report": long_report,
}


@pytest.mark.parametrize("room", [0, 8192])
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_on_a_full_disk_leaves_nothing(
    name: str, room: int, small_disk: SmallDisk, record_fault: RECORD
) -> None:
    final = small_disk.folder / "reports" / "output"
    small_disk.fill(room)
    with pytest.raises(WriteError, match=f"^{final}(.png)?: {MESSAGE}$"):
        WRITERS[name](final)
    assert small_disk.written() <= {"reports"}
    small_disk.free()
    WRITERS[name](final)
    assert {path.name.partition(".")[0] for path in final.parent.iterdir()} == {"output"}
    if room:
        record_fault(
            f"disk full while writing {name}",
            "one message that names the output; nothing is left under its name or aside; with room it is written",
            "nothing",
        )


def test_a_disk_that_became_read_only_is_named(small_disk: SmallDisk, record_fault: RECORD) -> None:
    final = small_disk.folder / "tracks"
    tracks = simulate(SimulationConfig(n_tracks=4, n_frames=20), seed=0)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk.folder)], check=True)
    with pytest.raises(WriteError, match=f"^{final}: could not be written, read-only file system$"):
        tracks.write(final)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk.folder)], check=True)
    tracks.write(final)
    assert small_disk.written() >= {"tracks"}
    record_fault("output folder on a read-only disk", "one message that names the output and says so", "nothing")


def test_an_old_version_outlives_a_full_disk(small_disk: SmallDisk) -> None:
    final = small_disk.folder / "tracks"
    old = simulate(SimulationConfig(n_tracks=4, n_frames=20), seed=0)
    old.write(final)
    small_disk.fill(8192)
    with pytest.raises(WriteError):
        simulate(SimulationConfig(n_tracks=4, n_frames=200), seed=1).write(final)
    pd.testing.assert_frame_equal(type(old).read(final).frames[old.columns], old.frames[old.columns])


def test_a_training_whose_checkpoint_finds_no_room_names_it_and_goes_on_later(
    contact_batch: TrackBatch, small_disk: SmallDisk, record_fault: RECORD, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config, epochs = small_disk.folder, dataclasses.replace(FIT, max_epochs=3), []

    def fill_after_two(log: dict[str, float]) -> None:
        epochs.append(log["epoch"])
        if len(epochs) == 2:
            small_disk.fill(8192)

    with pytest.raises(WriteError, match=f"^{folder / 'epoch_002.pt'}: {MESSAGE}$"):
        trained(contact_batch, config=config, checkpoints=folder, on_epoch=fill_after_two)
    assert small_disk.written() == {"epoch_000.pt", "epoch_001.pt"}
    small_disk.free()
    run = counted_epochs(monkeypatch)
    trained(contact_batch, config=config, checkpoints=folder)
    assert run == [2]
    record_fault(
        "disk full while a training writes its checkpoint",
        "one message that names it; the checkpoint before it stays; with room the training goes on from there",
        "the epoch whose state was not written",
    )


@pytest.mark.slow
def test_a_stage_and_a_command_on_a_full_disk_give_one_message(
    small_disk: SmallDisk, tmp_path: Path, record_fault: RECORD
) -> None:
    project = make_project(tmp_path / "project")
    shutil.rmtree(project / "data")
    (project / "data").symlink_to(small_disk.folder)
    stage = [sys.executable, "pipelines/tracks_data.py"]
    command = contactlens("tracks", "msd", "data/tracks", "--out", "data/msd", "--replicates", "20")
    for output, arguments in {"data/tracks": stage, "data/msd": command}.items():
        small_disk.fill(8192)
        full = call(arguments, project)
        assert (full.returncode, full.stderr) == (1, f"error: {output}: {MESSAGE}\n")
        assert not any(name == Path(output).name or name.endswith("partial") for name in small_disk.written())
        small_disk.free()
        done = call(arguments, project)
        assert done.returncode == 0, done.stderr
        assert (project / output).is_dir()
    record_fault(
        "disk full under a stage, and under a command",
        "status 1 and one line that names the output; nothing half-written; the same command again completes",
        "nothing",
    )
