"""What a training that was killed takes up, and what it does not: seeds, sweep trials and the stage."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from test_fit import FIT, GATE, LOSS, MODEL, KilledError, counted_epochs

from contactlens.base.files import write_json
from contactlens.ops.params import load_params
from contactlens.ops.sweep import trial as sweep_trial
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.split import split_tracks
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.models.checkpoint import ModelSpec, load_model
from contactlens.tracks.models.ensemble import load_ensemble
from contactlens.tracks.models.scaling import Scaling
from contactlens.tracks.simulation.reporter import Reporter
from contactlens.tracks.simulation.simulate import SimulationConfig, simulate
from contactlens.tracks.training import training
from contactlens.tracks.training.config import TrainingConfig
from contactlens.tracks.training.training import Trained, train_model, train_seeds
from contactlens.training.state import kept_until_done
from stage_script import load_script

ROOT = Path(__file__).parents[3]
EPOCHS = 3
CONFIG = TrainingConfig("ep_to_ms2", MODEL, GATE, LOSS, replace(FIT, max_epochs=EPOCHS), Reporter(60.0, 60.0, 1.0))
SEEDS = [4, 5]
STATES = ".checkpoints/train"


@pytest.fixture
def batches(contact_batch: TrackBatch) -> tuple[TrackBatch, TrackBatch]:
    return contact_batch.select(list(range(16))), contact_batch.select(list(range(16, 24)))


def spec_for(train: TrackBatch) -> ModelSpec:
    return ModelSpec("ep_to_ms2", Driver("vector", "E-P", "nm"), MODEL, GATE, Scaling.of(train), 30.0, "a.u.")


def run_seeds(batches: tuple[TrackBatch, TrackBatch], folder: Path, on_epoch: Any = lambda seed, log: None) -> Any:
    return train_seeds(spec_for(batches[0]), CONFIG, *batches, SEEDS, folder, on_epoch)


def assert_same(runs: list[Trained], expected: list[Trained]) -> None:
    for one, other in zip(runs, expected, strict=True):
        its = other.model.state_dict()
        assert all(torch.equal(value, its[name]) for name, value in one.model.state_dict().items())
        assert one.result == other.result


def test_a_killed_run_of_several_seeds_tells_of_every_epoch_of_each(
    batches: tuple[TrackBatch, TrackBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the seed that was finished before the kill, too."""
    expected = run_seeds(batches, tmp_path / "undisturbed")

    def kill(seed: int, log: dict[str, float]) -> None:
        if (seed, log["epoch"]) == (5, 1):
            raise KilledError

    with pytest.raises(KilledError):
        run_seeds(batches, tmp_path, kill)
    told: list[tuple[int, dict[str, float]]] = []
    trained = counted_epochs(monkeypatch)
    runs = run_seeds(batches, tmp_path, lambda seed, log: told.append((seed, log)))
    assert trained == [2]
    assert told == [(one.seed, log) for one in expected for log in one.result.history]
    assert_same(runs, expected)


def altered(batch: TrackBatch, part: str) -> TrackBatch:
    """The same tracks with another value in one tensor."""
    tensor = getattr(batch, part).clone()
    tensor[0, ..., 3] = False if tensor.dtype == torch.bool else 5.0
    return replace(batch, **{part: tensor})


@pytest.mark.parametrize("part", ["driver", "signal", "observed"])
@pytest.mark.parametrize("which", [0, 1], ids=["train", "validation"])
def test_the_state_of_other_tracks_is_not_taken_up(
    which: int, part: str, batches: tuple[TrackBatch, TrackBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, own = spec_for(batches[0]), list(batches)
    own[which] = altered(own[which], part)
    train_seeds(spec, CONFIG, *batches, [4], tmp_path, lambda seed, log: None)
    expected = train_seeds(spec, CONFIG, *own, [4], tmp_path / "alone", lambda seed, log: None)
    trained = counted_epochs(monkeypatch)
    runs = train_seeds(spec, CONFIG, *own, [4], tmp_path, lambda seed, log: None)
    assert trained == list(range(EPOCHS))
    assert_same(runs, expected)


def test_the_state_of_other_code_is_not_taken_up(
    batches: tuple[TrackBatch, TrackBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = counted_epochs(monkeypatch)
    run_seeds(batches, tmp_path)
    run_seeds(batches, tmp_path)
    assert trained == [0, 1, 2] * 2
    monkeypatch.setattr(training, "code_digest", lambda: "other")
    run_seeds(batches, tmp_path)
    assert trained == [0, 1, 2] * 4


def test_the_digest_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("training/fit.py", "models/unet.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("as it was")
    monkeypatch.setattr(training, "__file__", str(tmp_path / "training" / "training.py"))
    found = [training.code_digest()]
    for name in ("training/fit.py", "models/unet.py"):
        (tmp_path / name).write_text("changed")
        found.append(training.code_digest())
    assert len(set(found)) == 3 and training.code_digest() == found[-1]


def test_states_are_removed_once_the_results_are_there(tmp_path: Path) -> None:
    mine, others = tmp_path / "train" / "a-0" / "epoch_000.pt", tmp_path / "fine_tune" / "epoch_000.pt"
    for state in (mine, others):
        state.parent.mkdir(parents=True)
        state.touch()
    with pytest.raises(KilledError), kept_until_done(tmp_path / "train"):
        raise KilledError
    assert mine.exists()
    with kept_until_done(tmp_path / "train") as folder:
        assert folder == tmp_path / "train" and mine.exists()
    assert not mine.exists() and others.exists()


def test_a_sweep_trial_killed_before_its_report_fills_the_hole_and_repeats_nothing(
    batches: tuple[TrackBatch, TrackBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its training had the epoch in its state already."""
    asked, told = {"trial": 0, "kind": "fixed", "values": {}, "epochs": 3}, []
    monkeypatch.setattr(sweep_trial, "_tell_ray", lambda metrics, *_, **__: told.append(metrics))
    append = sweep_trial.TrialFolder.append

    def train(values: dict[str, Any], data: Any, report: Any, work: Path, epochs: int) -> dict[str, float]:
        done = train_model(spec_for(batches[0]), CONFIG, *batches, 4, work, report, epochs)
        return {"epochs": len(done.result.history)}

    def dying(folder: sweep_trial.TrialFolder, metrics: dict[str, float]) -> None:
        if metrics["epoch"] == 1:
            raise KilledError
        append(folder, metrics)

    monkeypatch.setattr(sweep_trial.TrialFolder, "append", dying)
    with pytest.raises(KilledError):
        sweep_trial.run_trial(asked, train, None, tmp_path, "validation_nll")
    monkeypatch.setattr(sweep_trial.TrialFolder, "append", append)
    told.clear()
    trained = counted_epochs(monkeypatch)
    sweep_trial.run_trial(asked, train, None, tmp_path, "validation_nll")
    assert trained == [2]
    assert [log["epoch"] for log in sweep_trial.TrialFolder(tmp_path, 0).epochs()] == [0, 1, 2]
    assert [log.get("epoch") for log in told] == [0, 1, 2, None]


def test_a_training_that_goes_on_from_a_rung_ends_as_one_that_never_stopped(
    batches: tuple[TrackBatch, TrackBatch], tmp_path: Path
) -> None:
    spec = spec_for(batches[0])
    whole = train_model(spec, CONFIG, *batches, 4)
    stopped = train_model(spec, CONFIG, *batches, 4, tmp_path, until=2)
    assert stopped.result.history == whole.result.history[:2]
    going_on = train_model(spec, CONFIG, *batches, 4, tmp_path)
    assert going_on.result.history == whole.result.history
    weights = going_on.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in whole.model.state_dict().items())


def test_a_rung_whose_end_was_lost_is_trained_from_the_start_not_from_a_later_rung(
    batches: tuple[TrackBatch, TrackBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, float]] = []
    monkeypatch.setattr("ray.tune.report", told.append)

    def train(values: dict[str, Any], data: Any, report: Any, work: Path, epochs: int) -> dict[str, float]:
        done = train_model(spec_for(batches[0]), CONFIG, *batches, 4, work, report, epochs)
        return {"epochs": len(done.result.history), "validation_nll": done.result.best_score}

    def run(epochs: int) -> dict[str, float]:
        asked = {"trial": 0, "kind": "search", "values": {}, "epochs": epochs}
        sweep_trial.run_trial(asked, train, None, tmp_path, "validation_nll")
        return told[-1]

    rungs = run(2), run(3)
    (sweep_trial.TrialFolder(tmp_path, 0).path / "final_2.json").unlink()
    told.clear()
    assert (run(2), run(3)) == rungs
    assert [one["epochs"] for one in told] == [1, 2, 2, 1, 2, 3, 3]


class Run:
    """In place of an MLflow run."""

    def __init__(self) -> None:
        self.epochs: list[tuple[str, float]] = []

    def epoch_logger(self, prefix: str) -> Any:
        def log(metrics: dict[str, float]) -> None:
            self.epochs.append((prefix, metrics["epoch"]))

        log.flush = lambda: None  # type: ignore[attr-defined]
        return log

    def log_metrics(self, metrics: dict[str, float]) -> None:
        pass


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few simulated tracks, their splits and a sweep's best value, in the current folder."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["tracks"]["fit"].update(max_epochs=2, threads=1, device="cpu")
    params["tracks"]["train"]["n_seeds"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    tracks = simulate(SimulationConfig(n_tracks=30, n_frames=61), seed=0)
    tracks.write("data/tracks")
    write_json("models/tracks/splits.json", split_tracks(tracks, load_params().tracks.split, 0))
    Path("models/tracks/best_params.yaml").write_text("width: 4\n")
    return tmp_path


@pytest.mark.parametrize(
    "output",
    [
        "model.safetensors",
        pytest.param("ensemble", marks=pytest.mark.slow),
        pytest.param("history.csv", marks=pytest.mark.slow),
        "seeds.csv",
    ],
)
def test_a_stage_that_fails_before_its_last_output_keeps_its_epochs(
    output: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, trained = load_script("tracks_train"), counted_epochs(monkeypatch)
    monkeypatch.setattr(pipeline, "provenance", lambda *_: {})
    written = {name: getattr(pipeline, name) for name in ("write_aside", "save_model", "save_ensemble")}

    def failing(name: str) -> Any:
        def write(*arguments: Any) -> Any:
            if str(arguments[-1]).endswith(output):
                raise OSError("no room")
            return written[name](*arguments)

        return write

    def run() -> list[tuple[str, float]]:
        run = Run()
        monkeypatch.setattr(pipeline, "stage_run", lambda *_: nullcontext(run))
        pipeline.main()
        return run.epochs

    with monkeypatch.context() as broken:
        for name in written:
            broken.setattr(pipeline, name, failing(name))
        with pytest.raises(OSError, match="no room"):
            run()
    assert trained == [0, 1, 0, 1] and len({path.parent for path in (project / STATES).rglob("*.pt")}) == 2
    seeds = [f"seed_{pipeline.load_params().seed + i}/" for i in range(2)]
    assert run() == [(seed, epoch) for seed in seeds for epoch in (0, 1)]
    assert trained == [0, 1, 0, 1] and list((project / STATES).rglob("*.pt")) == []
    assert all((project / "reports/tracks" / name).is_file() for name in ("history.csv", "seeds.csv"))
    ensemble, spec = load_ensemble(project / "models/tracks/ensemble")
    best, own = load_model(project / "models/tracks/model.safetensors")
    assert len(ensemble.members) == 2 and spec == own
    same = [all(map(torch.equal, one.parameters(), best.parameters())) for one in ensemble.members]
    assert same.count(True) == 1  # the single network is the best of the seeds
    assert run() and trained == [0, 1, 0, 1] * 2
