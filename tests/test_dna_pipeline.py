"""The DNA pipeline, small: it runs to the motifs, gives the same bytes from scratch, and follows the registry."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from contactlens.base.files import read_json
from contactlens.ops.workspace import create_workspace
from pipeline_runs import files_of, lock_of, repro, stages_run
from stage_script import run_stages

ROOT = Path(__file__).parents[1]
SMALL = {"max_epochs": 2, "threads": 1}
TINY = {
    "dna": {
        "simulate": {"n_chromosomes": 8, "n_windows": 160, "n_unlabelled": 40},
        "checks": {"max_distance_ks": 0.5, "min_windows_per_label": 5},
        "split": {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2},
        "backbone": {"d_model": 8, "n_layer": 1, "d_state": 2},
        "pretrain": {"crops_per_epoch": 32, "validation_crops": 8, "crop_bp": 128, "trainer": SMALL},
        "fine_tune": {"trainer": SMALL},
        "sweep": {
            "n_trials": 2,
            "max_epochs": 2,
            "fixed_epochs": 2,
            "min_epochs": 1,
            "train_windows": 24,
            "min_gain": 0.0,
        },
        "baselines": {
            "kmer": {"lengths": [3]},
            "motif_scan": {"motifs": [4], "max_trees": 20},
            "cnn": {"max_epochs": 1, "starts": 1},
        },
        "evaluate": {"bootstrap_replicates": 50},
        "explain": {
            "min_windows": 60,
            "max_windows": 60,
            "ig_steps": 2,
            "faithfulness_windows": 3,
            "mutagenesis_windows": 2,
            "bootstrap_replicates": 20,
        },
        "motifs": {"min_sequences": 40, "random_motifs": 1},
        "promotion": {"registered_model": "tiny-dna", "must_beat": [], "min_auroc": 0.0, "max_ece": 0.99},
    }
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = create_workspace(tmp_path_factory.mktemp("dna") / "workspace", [TINY], ROOT, "dna")
    repro(workspace, "first.db")
    return workspace


@pytest.mark.slow
def test_it_runs_from_windows_to_motifs_of_the_promoted_model(finished: Path) -> None:
    champion = read_json(finished / "models/dna/champion/champion.json")
    assert champion["champion"] is not None
    models = set(pd.read_csv(finished / "reports/dna/metrics.csv")["model"])
    assert len(models) >= 12 and "ceiling" in models
    trials = pd.read_csv(finished / "reports/dna/trials.csv")
    assert trials["kind"].to_list() == ["fixed", "search", "search"] and trials["validation_loss"].notna().all()
    best = yaml.safe_load((finished / "models/dna/best_params.yaml").read_text())
    longest = trials[trials["budget"] == 2]
    assert (trials.loc[longest["validation_loss"].idxmin(), list(best)] == pd.Series(best)).all()
    assert {"summary.json", "positive.meme", "negative.meme", "hits.bed", "contributions.bw", "recovery.csv"} <= {
        path.name for path in (finished / "reports/dna/motifs").iterdir()
    }
    assert "reports/tracks" not in (finished / "dvc.yaml").read_text()
    assert (finished / "reports/report.html").is_file()


@pytest.mark.slow
def test_a_second_run_looks_at_the_registry_alone(finished: Path) -> None:
    assert stages_run(repro(finished, "first.db")) == {"dna_register"}


@pytest.mark.slow
def test_an_empty_store_is_filled_and_nothing_after_it_changes(finished: Path) -> None:
    before = lock_of(finished)
    for name in ("data/dna", "models", "reports"):
        shutil.rmtree(finished / name)
    assert stages_run(repro(finished, "second.db")) == {"dna_register"}
    assert lock_of(finished) == before


UNABLE_TO_SAVE = "import runpy, sys, numpy; numpy.save = None; runpy.run_path(sys.argv[1], run_name='__main__')"


@pytest.mark.slow
def test_contributions_made_by_two_workers_have_the_bytes_of_one_process(finished: Path, tmp_path: Path) -> None:
    """By the workers alone: the stage's own process has no means to write a part."""
    for name in ("params.yaml", "dvc.yaml", "data/dna", "models/dna"):
        copy = shutil.copytree if (finished / name).is_dir() else shutil.copyfile
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy(finished / name, tmp_path / name)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["dna"]["explain"]["workers"] = 2
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    stage = [sys.executable, "-c", UNABLE_TO_SAVE, finished / "pipelines/dna_explain.py"]
    subprocess.run(stage, cwd=tmp_path, capture_output=True, text=True, check=True)
    made = sorted((tmp_path / "reports/dna").iterdir())
    assert len(made) == 6
    for path in made:
        assert path.read_bytes() == (finished / "reports/dna" / path.name).read_bytes(), path.name
    assert not (tmp_path / ".checkpoints/explain").exists()


@pytest.mark.slow
def test_from_scratch_every_output_has_the_same_bytes(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, which takes its hashes of data and models from the first run's lock."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.parent}/again.db")
    again = create_workspace(finished.parent / "again", [TINY], ROOT, "dna")
    shutil.copy(finished / "dvc.lock", again)
    run_stages(again)
    first, second = files_of(finished), files_of(again)
    assert {path for path in first if first[path] != second.get(path)} == set()
    assert set(first) == set(second) and len(first) > 30


@pytest.mark.slow
def test_a_challenger_is_searched_as_well_and_compared_with_the_champion(finished: Path) -> None:
    """Last in this file: the workspace gets another candidate."""
    champion = read_json(finished / "models/dna/champion/champion.json")
    patterns = pd.read_csv(finished / "reports/dna/motifs/patterns.csv")
    params = yaml.safe_load((finished / "params.yaml").read_text())
    params["dna"]["fine_tune"]["trainer"]["learning_rate"] /= 2
    params["dna"]["promotion"]["min_auroc"] = 0.999
    (finished / "params.yaml").write_text(yaml.safe_dump(params))
    repro(finished, "first.db")
    assert read_json(finished / "models/dna/champion/champion.json") == champion
    motifs = finished / "reports/dna/motifs"
    pd.testing.assert_frame_equal(pd.read_csv(motifs / "patterns.csv"), patterns)
    compared = pd.read_csv(motifs / "comparison.csv")
    challenger = pd.read_csv(motifs / "challenger/patterns.csv")
    assert compared[compared["model"] == "champion"]["pattern"].tolist() == patterns["pattern"].tolist()
    assert compared[compared["model"] == "challenger"]["pattern"].tolist() == challenger["pattern"].tolist()
