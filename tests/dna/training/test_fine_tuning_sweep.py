"""The DNA sweep: what its trials change, share and report, and that a killed one goes on to the same table."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from driver import Driver, outliving, wait_for
from tiny_fine_tuning import CONFIG, build, windows

from contactlens.base.files import write_json
from contactlens.dna.data.batch import WindowBatch
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus
from contactlens.dna.models.config import HeadConfig
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.dna.training.fit import fine_tune
from contactlens.dna.training.frozen import FrozenStates
from contactlens.dna.training.sweep import RESULTS, SWEPT, ClassifierTraining, of_trial, swept_values, with_values
from contactlens.dna.training.trial import TrialData, cache_before, calibration_error, drawn, train_trial
from contactlens.ops.params import load_params
from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client
from ray_nodes import NOT_NICE
from stage_script import load_script

ROOT = Path(__file__).parents[3]
TRAINING = ClassifierTraining(HeadConfig(6), replace(CONFIG, cache_frozen=True), None)
N_TRIALS = 3


def data(folder: Path, training: ClassifierTraining = TRAINING) -> TrialData:
    return TrialData(training, "pair", build().backbone, windows(16), windows(12, seed=1), 3, 4, folder / "frozen")


def test_a_trial_of_the_given_values_is_the_fine_tuning_itself(tmp_path: Path) -> None:
    given, told = data(tmp_path), []
    found = train_trial(swept_values(TRAINING), given, told.append, tmp_path / "trial", 2)
    model = given.classifier(TRAINING)
    alone = fine_tune(model, given.train, given.validation, TRAINING.fine_tune, 3)
    assert told == alone.training.history[:2]
    best = min(told, key=lambda log: log["validation_loss"])
    assert found["epochs"] == 2 and set(found) == {"epochs", *RESULTS}
    assert {name: found[name] for name in RESULTS[:3]} == {name: best[name] for name in RESULTS[:3]}


def test_its_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    logit = np.array([-2.0, -1.0, 1.0, 2.0])
    batch = replace(windows(4), label=torch.tensor([0.0, 1.0, 1.0, 1.0]))
    p = 1 / (1 + np.exp(-logit))
    low, high = (p[:2].mean(), p[2:].mean())
    assert calibration_error(batch, logit, 2) == pytest.approx((abs(0.5 - low) + abs(1 - high)) / 2)


def test_a_trial_that_goes_on_ends_as_one_that_never_stopped(tmp_path: Path) -> None:
    given, values = data(tmp_path), {"learning_rate": 0.01, "dropout": 0.2, "head_hidden": 5}
    whole = train_trial(values, given, lambda _: None, tmp_path / "whole", 3)
    train_trial(values, given, lambda _: None, tmp_path / "parts", 1)
    assert train_trial(values, given, lambda _: None, tmp_path / "parts", 3) == whole


def test_trials_that_freeze_as_much_share_what_the_frozen_blocks_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, fills, fill = data(tmp_path), [], FrozenStates._fill

    def counted(self: FrozenStates, filled: WindowBatch, *rest: object) -> None:
        fills.append(len(filled))
        fill(self, filled, *rest)

    monkeypatch.setattr(FrozenStates, "_fill", counted)
    cache_before(given)
    for number, values in enumerate(({"learning_rate": 0.02}, {"dropout": 0.1, "head_pooling": "directed"})):
        train_trial(values, given, lambda _: None, tmp_path / str(number), 1)
    assert fills == [16, 12] and len(list((tmp_path / "frozen").iterdir())) == 2
    assert [path.suffix for number in "01" for path in (tmp_path / number).iterdir()] == [".pt", ".pt"]
    train_trial({"unfrozen_layers": 0}, given, lambda _: None, tmp_path / "other", 1)
    assert fills == [16, 12, 16, 12]
    train_trial({"unfrozen_layers": 2}, given, lambda _: None, tmp_path / "all", 1)  # nothing is frozen
    assert len(fills) == 4


OTHERS = (0.01, 0.3, 0.2, 0.1, 2, 4, 0.5, 9, "directed", 3)


@pytest.mark.parametrize(("key", "value"), [*zip(SWEPT, OTHERS, strict=True)])
def test_a_value_changes_its_own_field_alone(key: str, value: object) -> None:
    changed = with_values(TRAINING, {key: value})
    assert swept_values(changed) == swept_values(TRAINING) | {key: value}
    assert with_values(changed, {key: swept_values(TRAINING)[key]}) == TRAINING


def test_a_trial_is_one_process_on_its_own_schedule() -> None:
    config = load_params(ROOT / "params.yaml").dna.sweep
    tuned = of_trial(
        replace(TRAINING, fine_tune=replace(CONFIG, workers=2)), replace(config, cpus_per_trial=3)
    ).fine_tune
    assert (tuned.workers, tuned.trainer.max_epochs, tuned.trainer.threads) == (1, config.max_epochs, 3)


def test_windows_are_drawn_by_the_seed_and_stay_in_order() -> None:
    ids = [f"w{i:03}" for i in range(100)]
    found = drawn(ids, 30, 1)
    assert found == sorted(set(found)) and len(found) == 30 and found == drawn(ids, 30, 1) != drawn(ids, 30, 2)
    assert drawn(ids, None, 1) == drawn(ids, 100, 1) == drawn(ids, 1000, 1) == ids


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stage reads, small, in the current folder."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["dna"]["head"]["hidden"] = 4
    params["dna"]["fine_tune"]["trainer"] |= {"batch_size": 4, "patience": 8, "device": "cpu"}
    params["dna"]["sweep"] |= {
        "n_trials": 2,
        "max_epochs": 8,
        "fixed_epochs": 8,
        "min_epochs": 4,
        "reduction_factor": 2,
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    found = simulate_windows(SimulationConfig(n_chromosomes=2, n_windows=120, n_unlabelled=2), 0)
    found.write("data/dna")
    by_chromosome = [group["window_id"].tolist() for _, group in found.windows.groupby("chrom")]
    write_json("models/dna/splits.json", dict(zip(("train", "validation"), by_chromosome, strict=True)))
    torch.manual_seed(0)
    architecture = CaduceusConfig(d_model=8, n_layer=2, ssm_cfg=SsmConfig(d_state=2))
    save_caduceus(CaduceusForMaskedLM(architecture), "models/dna/pretrained")
    Path("models/dna/best_pretraining.yaml").write_text("{}\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for name in ("MLFLOW_RUN_ID", "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_without_trials_the_given_values_stay(project: Path) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["dna"]["sweep"]["n_trials"] = 0
    Path("params.yaml").write_text(yaml.safe_dump(params))
    load_script("dna_sweep").main()
    assert yaml.safe_load(Path("models/dna/best_params.yaml").read_text()) == {}
    trials = pd.read_csv("reports/dna/trials.csv")
    assert trials.empty and list(trials)[:3] == ["trial", "kind", "learning_rate"] and list(trials)[-1] == RESULTS[-1]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_to_the_table_of_an_undisturbed_one(project: Path) -> None:
    """Twice from the start in the same bytes, too: the undisturbed sweep comes last, and takes up nothing."""
    ensure_experiment("dna")
    command = [sys.executable, str(ROOT / "pipelines/dna_sweep.py")]
    environment = {**os.environ, **NOT_NICE}
    with Driver(project, environment, command) as killed:

        def in_mid_course() -> bool:
            assert killed.process.poll() is None, killed.output.read_text()
            return any(project.glob(".sweeps/*/trial_0001/epochs.jsonl"))

        wait_for(in_mid_course, 180)
        processes = psutil.Process(killed.process.pid).children(recursive=True)
        killed.interrupt(signal.SIGKILL)
    assert outliving(processes) == []
    assert not Path("reports/dna/trials.csv").exists() and Path(".sweeps/dna_frozen").is_dir()
    tables = []
    for _ in range(2):
        subprocess.run(command, env=environment, check=True, capture_output=True)
        tables.append([Path(path).read_bytes() for path in ("reports/dna/trials.csv", "models/dna/best_params.yaml")])
        assert list(Path(".sweeps").iterdir()) == []
    assert tables[0] == tables[1]
    sweeps = mlflow_client().search_runs([ensure_experiment("dna")], "tags.pipeline_stage = 'sweep'")
    assert [run.info.status for run in sweeps] == ["FINISHED", "FINISHED"]  # the killed one is the first's own
    for run in sweeps:
        query = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        trials = mlflow_client().search_runs([ensure_experiment("dna")], query)
        assert len(trials) == N_TRIALS and {trial.info.status for trial in trials} == {"FINISHED"}
        assert all({"learning_rate", "head_pooling"} <= set(trial.data.params) for trial in trials)
        for trial in trials:
            steps = [m.step for m in mlflow_client().get_metric_history(trial.info.run_id, "validation_loss")]
            assert sorted(steps) == list(range(len(steps))) and len(steps) in (4, 8)
