"""The sweep of pre-training: what its trials change, on what they are scored, and that the stage takes the best."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
import torch
import yaml
from tiny_pretraining import CONFIG, SIZE, genome

from contactlens.base.errors import InputError
from contactlens.base.files import write_json
from contactlens.dna.models.backbone import load_backbone
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows
from contactlens.dna.training.pretrain import _Pretraining, pretrain
from contactlens.dna.training.pretraining_sweep import RESULTS, SWEPT, of_trial, section_changes
from contactlens.dna.training.pretraining_trial import PretrainingTrialData, pretrain_trial
from contactlens.ops.params import apply_best_pretraining, load_params
from contactlens.ops.runs.tracking import ensure_experiment, mlflow_client
from contactlens.training.loop import Trainer
from contactlens.training.swept import values_at, with_values_at
from contactlens.training.workers import ALONE
from ray_nodes import NOT_NICE
from stage_script import load_script

ROOT = Path(__file__).parents[3]
OTHERS = (0.02, 0.2, 4, 0.3, 32, 24)


def data() -> PretrainingTrialData:
    return PretrainingTrialData(CONFIG, SIZE, genome(0), genome(1), 3)


def test_a_trial_of_the_given_values_is_the_pretraining_itself(tmp_path: Path) -> None:
    told: list[dict[str, float]] = []
    found = pretrain_trial(values_at(CONFIG, SWEPT), data(), told.append, tmp_path, 2)
    alone = pretrain(genome(0), genome(1), SIZE, CONFIG, 3).training
    assert told == alone.history
    best = min(told, key=lambda log: log["validation_loss"])
    assert found == {"epochs": 2, **{name: best[name] for name in RESULTS}}


def test_a_trial_that_goes_on_ends_as_one_that_never_stopped(tmp_path: Path) -> None:
    values = {"mask_fraction": 0.3, "crop_bp": 32}
    whole = pretrain_trial(values, data(), lambda _: None, tmp_path / "whole", 2)
    pretrain_trial(values, data(), lambda _: None, tmp_path / "parts", 1)
    with patch.object(Trainer, "epoch", autospec=True, side_effect=Trainer.epoch) as epoch:
        assert pretrain_trial(values, data(), lambda _: None, tmp_path / "parts", 2) == whole
    assert epoch.call_count == 1


def test_every_trial_is_scored_on_the_bases_that_the_given_settings_draw() -> None:
    """Whatever it trains on; a training by itself is scored as it trains."""

    def scored(changed: bool, by_given: bool) -> list[torch.Tensor]:
        config = replace(CONFIG, crop_bp=32, mask_fraction=0.5) if changed else CONFIG
        task = _Pretraining(
            genome(0), genome(1), torch.nn.Linear(1, 1), config, 3, ALONE, CONFIG if by_given else config
        )
        return list(task.validation)

    given = scored(changed=False, by_given=True)
    assert all(map(torch.equal, scored(changed=True, by_given=True), given))
    assert scored(changed=True, by_given=False)[0].shape == (8, 32) != given[0].shape


@pytest.mark.parametrize(("key", "value"), [*zip(SWEPT, OTHERS, strict=True)])
def test_a_value_changes_its_own_field_alone(key: str, value: object) -> None:
    changed = with_values_at(CONFIG, SWEPT, {key: value})
    assert values_at(changed, SWEPT) == values_at(CONFIG, SWEPT) | {key: value}
    assert with_values_at(changed, SWEPT, {key: values_at(CONFIG, SWEPT)[key]}) == CONFIG


def test_the_best_values_go_where_params_yaml_has_them() -> None:
    dna = load_params(ROOT / "params.yaml").dna
    best = {"learning_rate": 0.02, "crop_bp": 128}
    assert section_changes(best) == {"pretrain": {"trainer": {"learning_rate": 0.02}, "crop_bp": 128}}
    found = apply_best_pretraining(dna, best, "best.yaml")
    assert found.pretrain == with_values_at(dna.pretrain, SWEPT, best)
    assert replace(found, pretrain=dna.pretrain) == dna == apply_best_pretraining(dna, {}, "best.yaml")
    with pytest.raises(InputError, match=r"best\.yaml: crop: unknown key; did you mean crop_bp\?"):
        apply_best_pretraining(dna, {"crop": 128}, "best.yaml")
    with pytest.raises(InputError, match=r"best\.yaml.*crop_bp"):
        apply_best_pretraining(dna, {"crop_bp": 0}, "best.yaml")


def test_a_trial_is_one_process_on_its_own_schedule() -> None:
    config = replace(load_params(ROOT / "params.yaml").dna.pretrain_sweep, cpus_per_trial=3)
    trial = of_trial(replace(CONFIG, workers=2), config)
    assert (trial.workers, trial.trainer.max_epochs, trial.trainer.threads) == (1, config.max_epochs, 3)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stages read, small, in the current folder."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["dna"]["backbone"] |= {"d_model": 8, "n_layer": 1, "d_state": 2}
    params["dna"]["pretrain"] |= {"crop_bp": 64, "crops_per_epoch": 32, "validation_crops": 16}
    params["dna"]["pretrain"]["trainer"] |= {"max_epochs": 2, "device": "cpu"}
    params["dna"]["pretrain_sweep"] |= {"n_trials": 2, "max_epochs": 2, "fixed_epochs": 2, "min_epochs": 1}
    params["dna"]["pretrain_sweep"]["space"] = {"crop_bp": {"choice": [32, 48]}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    found = simulate_windows(SimulationConfig(n_chromosomes=2, n_windows=40, n_unlabelled=2), 0)
    found.write("data/dna")
    by_chromosome = [group["window_id"].tolist() for _, group in found.windows.groupby("chrom")]
    write_json("models/dna/splits.json", dict(zip(("train", "validation"), by_chromosome, strict=True)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for name in ("MLFLOW_RUN_ID", "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("changes", [{"pretrain_sweep": {"n_trials": 0}}, {"backbone": {"source": "random"}}])
def test_without_trials_or_pretraining_there_is_no_sweep(project: Path, changes: dict[str, dict[str, object]]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    for section, values in changes.items():
        params["dna"][section] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params))
    load_script("dna_pretrain_sweep").main()
    assert yaml.safe_load(Path("models/dna/best_pretraining.yaml").read_text()) == {}
    trials = pd.read_csv("reports/dna/pretraining_trials.csv")
    assert trials.empty and list(trials)[:3] == ["trial", "kind", "learning_rate"] and list(trials)[-1] == RESULTS[-1]


@pytest.mark.slow
def test_the_stages_sweep_and_pretrain_with_the_best_twice_to_the_same_bytes(project: Path) -> None:
    def run(stage: str) -> None:
        """In a process of its own: Ray keeps what the first session of a process was told."""
        command = [sys.executable, str(ROOT / f"pipelines/{stage}.py")]
        done = subprocess.run(command, env={**os.environ, **NOT_NICE}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    tables = []
    for _ in range(2):
        run("dna_pretrain_sweep")
        tables.append(Path("reports/dna/pretraining_trials.csv").read_bytes())
    assert tables[0] == tables[1]
    trials = pd.read_csv("reports/dna/pretraining_trials.csv")
    assert trials["kind"].tolist() == ["fixed", "search", "search"]
    most = trials[trials["budget"] == trials["budget"].max()]
    best = int(most.loc[most["validation_loss"].idxmin(), "crop_bp"])
    assert yaml.safe_load(Path("models/dna/best_pretraining.yaml").read_text()) == {"crop_bp": best}
    (first, *_) = mlflow_client().search_runs([ensure_experiment("dna")], "tags.pipeline_stage = 'pretrain_sweep'")
    assert first.info.status == "FINISHED"
    Path("models/dna/best_pretraining.yaml").write_text("crop_bp: 32\n")
    run("dna_pretrain")
    params = load_params()
    windows = project / "data/dna"
    assert windows.is_dir() and load_backbone("models/dna/pretrained").config.d_model == params.dna.backbone.d_model
    run = mlflow_client().search_runs([ensure_experiment("dna")], "tags.pipeline_stage = 'pretrain'")[0]
    assert run.data.params["crop_bp"] == "32"
