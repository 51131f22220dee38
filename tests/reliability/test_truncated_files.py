"""A file cut short is one message that names it; a training without its checkpoint starts over, and says so."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_classifier import build
from test_fit import FIT, trained
from test_window_set import pairs

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json
from contactlens.base.parquet_file import read_parquet
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import read_attributions
from contactlens.dna.models.classifier import load_classifier, save_classifier
from contactlens.ops.registry.register import read_metrics
from contactlens.ops.sweep.tracking import SweepRuns
from contactlens.ops.sweep.trial import TrialFolder, run_trial
from contactlens.reporting.files import read_csv, read_npz
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import TrackSet
from contactlens.tracks.models.checkpoint import load_model
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from small_files import write_arrays, write_model, write_table

RECORD = Callable[[str, str, str], None]


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def simulated_tracks() -> TrackSet:
    return simulate(SimulationConfig(n_tracks=4, n_frames=12), seed=0)


def sequences(folder: Path) -> list[str]:
    return WindowSet.read(folder).sequences()


METRICS = {"network": {"nll": {"estimate": 1.0, "low": 0.9, "high": 1.1}}}
FILES = [
    ("tracks: frames.parquet", lambda p: simulated_tracks().write(p), TrackSet.read, "frames.parquet"),
    (
        "tracks: truth/separation.parquet",
        lambda p: simulated_tracks().write(p),
        TrackSet.read,
        "truth/separation.parquet",
    ),
    ("tracks: truth/parameters.json", lambda p: simulated_tracks().write(p), TrackSet.read, "truth/parameters.json"),
    ("tracks: model.safetensors", write_model, load_model, ""),
    ("DNA: windows.parquet", lambda p: pairs().write(p), WindowSet.read, "windows.parquet"),
    ("DNA: planted.parquet", lambda p: pairs().write(p), WindowSet.read, "planted.parquet"),
    ("DNA: window_set.json", lambda p: pairs().write(p), WindowSet.read, "window_set.json"),
    ("DNA: genome.fa", lambda p: pairs().write(p), sequences, "genome.fa"),
    ("DNA: model.safetensors", lambda p: save_classifier(build(), p), load_classifier, "model.safetensors"),
    ("DNA: head.safetensors", lambda p: save_classifier(build(), p), load_classifier, "head.safetensors"),
    ("DNA: classifier.json", lambda p: save_classifier(build(), p), load_classifier, "classifier.json"),
    ("DNA: config.json", lambda p: save_classifier(build(), p), load_classifier, "config.json"),
    ("DNA: attributions.npz", write_arrays, read_attributions, ""),
    ("tracks: attribution.npz", write_arrays, read_npz, ""),
    ("both: predictions.parquet", write_table, read_parquet, ""),
    ("both: an empty CSV table", lambda p: p.write_text("\n"), read_csv, ""),
    ("both: metrics.json", lambda p: write_json(p, METRICS), read_metrics, ""),
    ("both: splits.json", lambda p: write_json(p, {"train": ["t1", "t2"]}), read_json, ""),
]


@pytest.mark.parametrize(("name", "write", "read", "damaged"), FILES, ids=[file[0] for file in FILES])
def test_a_truncated_file_is_one_message_that_names_it(
    name: str,
    write: Callable[[Path], None],
    read: Callable[[Path], object],
    damaged: str,
    tmp_path: Path,
    record_fault: RECORD,
) -> None:
    path = tmp_path / "written"
    write(path)
    cut_short(path / damaged if damaged else path)
    with pytest.raises(InputError, match=re.escape(damaged or str(path))) as refused:
        read(path)
    assert str(path) in str(refused.value)
    if "CSV" not in name:
        write(path)
        read(path)
    record_fault(f"truncated file, {name}", "one message that names the file; written again it is read", "nothing")


def test_a_training_without_its_checkpoints_starts_over_and_says_so(
    contact_batch: TrackBatch, tmp_path: Path, record_fault: RECORD
) -> None:
    short, epochs = dataclasses.replace(FIT, max_epochs=3), []
    whole, _ = trained(contact_batch, config=short, checkpoints=tmp_path)
    states = sorted(tmp_path.glob("*.pt"))
    for state in states:
        cut_short(state)
    with pytest.warns(UserWarning, match=re.escape(f"{states[-1]}: damaged")):
        again, _ = trained(contact_batch, config=short, checkpoints=tmp_path, on_epoch=lambda log: epochs.append(log))
    assert len(epochs) == 3
    assert all(torch.equal(whole.state_dict()[name], value) for name, value in again.state_dict().items())
    record_fault(
        "truncated checkpoints of a tracks training",
        "a warning that names it; the training starts over and ends with the same weights",
        "the epochs trained before",
    )


def test_a_sweep_that_lost_a_trial_s_end_trains_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_fault: RECORD
) -> None:
    folder, calls, told = TrialFolder(tmp_path, 0), [], []
    ended = {"epoch": 2, "epochs": 3, "validation_nll": 0.5}
    folder.finish(3, ended)
    cut_short(folder.path / "final_3.json")
    monkeypatch.setattr("ray.tune.report", told.append)

    def train(values: object, data: object, report: object, work: Path, epochs: int) -> dict[str, float]:
        calls.append((work, epochs))
        return ended

    asked = {"trial": 0, "kind": "search", "values": {}, "epochs": 3}
    run_trial(asked, train, None, tmp_path, "validation_nll")
    assert calls == [(folder.work, 3)]
    run_trial(asked, train, None, tmp_path, "validation_nll")
    assert calls == [(folder.work, 3)]
    assert [metrics["reported"] for metrics in told] == [ended, ended]
    record_fault("truncated final_N.json of a trial", "the trial ends once more, from its own checkpoint", "nothing")


@pytest.mark.slow
def test_a_sweep_that_lost_the_note_of_its_runs_opens_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_fault: RECORD
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    opened = SweepRuns.open("tracks", "sweep", {"a": 1}, {}, "loss", tmp_path)
    assert SweepRuns.open("tracks", "sweep", {"a": 1}, {}, "loss", tmp_path).parent == opened.parent
    cut_short(tmp_path / "mlflow.json")
    again = SweepRuns.open("tracks", "sweep", {"a": 1}, {}, "loss", tmp_path)
    assert again.parent != opened.parent
    assert read_json(tmp_path / "mlflow.json")["parent"] == again.parent
    record_fault(
        "truncated mlflow.json of a sweep", "the sweep goes on under new MLflow runs", "the link to the old runs"
    )
