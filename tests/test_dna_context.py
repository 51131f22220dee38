"""The experiment on the context, benchmarks/dna_context.py, on a few small windows."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows

ROOT = Path(__file__).parents[1]


def workspace(folder: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["dna"]["fine_tune"]["trainer"] |= {"max_epochs": 2, "device": "cpu"}
    params["dna"]["evaluate"]["bootstrap_replicates"] = 50
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    simulate_windows(SimulationConfig(n_chromosomes=3, n_windows=48, n_unlabelled=3), 0).write(folder / "data/dna")
    windows = WindowSet.read(folder / "data/dna").windows
    names = [group["window_id"].tolist() for _, group in windows.groupby("chrom")]
    (folder / "models/dna").mkdir(parents=True)
    splits = dict(zip(("train", "validation", "test"), names, strict=True))
    (folder / "models/dna/splits.json").write_text(json.dumps(splits))
    torch.manual_seed(0)
    sizes = CaduceusConfig(d_model=8, n_layer=2, ssm_cfg=SsmConfig(d_state=2))
    save_caduceus(CaduceusForMaskedLM(sizes), folder / "models/dna/pretrained")


@pytest.mark.slow
def test_a_context_that_covers_the_window_scores_as_the_window(tmp_path: Path) -> None:
    """Elements of 160 bp: without flanks 320 of 512 bases are seen; with flanks of 512 both pieces are the window."""
    workspace(tmp_path)
    command = [sys.executable, ROOT / "benchmarks/dna_context.py", "--workspace", ".", "--context-bp", "0", "512"]
    subprocess.run([*command, "--table", "context.csv"], cwd=tmp_path, check=True, timeout=600)
    whole, elements, covering = csv.DictReader((tmp_path / "context.csv").open())
    assert [row["context_bp"] for row in (whole, elements, covering)] == ["whole window", "0", "512"]
    assert [float(row["seen_bp"]) for row in (whole, elements, covering)] == [512, 320, 1024]
    scores = [[row[key] for key in ("auroc", "low", "high")] for row in (whole, elements, covering)]
    assert scores[2] == scores[0] != scores[1]
    for row in (whole, elements, covering):
        auroc, low, high = (float(row[key]) for key in ("auroc", "low", "high"))
        assert 0 <= low <= auroc <= high <= 1 and float(row["fine_tune_cpu_s"]) > 0
        assert float(row["minus_whole"]) == pytest.approx(auroc - float(whole["auroc"]), abs=1.5e-4)
